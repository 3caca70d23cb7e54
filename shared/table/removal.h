/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_REMOVAL_H
#define SHARED_TABLE_REMOVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/table/db.h"

struct sqlite3_stmt;

#define REMOVAL_MAX 500 /* messages removed in one transaction */

/* Messages to be removed.  `= {0}` are none. */
struct removal {
	int64_t ids[REMOVAL_MAX]; /* which */
	int n;                    /* of them */
};

/*
 * Adds the ids that a bound statement yields in its first column, until there
 * are REMOVAL_MAX; then the statement is done with.
 */
enum db_status removal_find(struct db *db, struct sqlite3_stmt *stmt,
    struct removal *removal);

/*
 * Removes them in order, in one transaction of a few milliseconds.  A large
 * message takes long to remove, so that fewer than all may go: *removed tells
 * how many have.  At least one does.
 */
enum db_status removal_run(struct db *db, const struct removal *removal,
    int *removed);

/*
 * One step of removing what a channel has up to id `upto`: a transaction as
 * above, whose first one raises the watermark for all of them.  With `epoch`
 * nothing is removed, and DB_MISSING returned, if the database has another one.
 * *done tells that nothing is left.
 */
enum db_status removal_channel(struct db *db, const char *channel, int64_t upto,
    const char *epoch, int *removed, bool *done);

#endif
