/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_LOSS_H
#define SHARED_TABLE_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/db.h"

/*
 * Whether a reader of the table lost something: a message behind its place was
 * pruned before it came there.  The watermark of a channel says how far that
 * may be so; the same snapshot must show rows and watermarks, or a message that
 * is removed between the two looks is missed without a word.
 *
 * `told` is what a reader knows of the prunings of one of its wants: up to
 * which watermark they were told, or mattered to nobody.  LOSS_UNKNOWN: it
 * takes what is kept, and its first look only learns.
 */
#define LOSS_UNKNOWN (-1)

/*
 * Looks at one want of a reader that has all of it up to `pos`.  Sets *lost if
 * something behind `pos` is gone of which it was not told, and leaves it alone
 * otherwise; *told is brought up to date.
 */
enum db_status loss_look(struct db *db, const char *name, size_t len,
    bool is_prefix, int64_t pos, int64_t *told, bool *lost);

#endif
