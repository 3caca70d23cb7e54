/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_TABLE_H
#define TESTS_TAP_TABLE_H

#include <stdint.h>

#include "shared/table/db.h"

struct sqlite3;

/*
 * A new database at `path` in *db; what was open there is closed before.  Begin
 * with a *db of zeros.  Ends the run if it can't be made.
 */
void table_make(struct db *db, const char *path);

/* The same, closed again. */
void table_create(const char *path);

/* `n` messages with `bytes` of data each, which are numbers if it is 0. */
void table_fill(struct sqlite3 *handle, const char *channel, int n, int bytes);

/* How many messages a channel has. */
int64_t table_count(struct sqlite3 *handle, const char *channel);

/* Up to where a channel was pruned, 0 = nowhere. */
int64_t table_watermark(struct sqlite3 *handle, const char *channel);

#endif
