/* SPDX-License-Identifier: MIT */
/*
 * Removing messages, by retention or because somebody empties a channel: in
 * transactions that last a few milliseconds, whatever lies in the table, since
 * no other writer gets in meanwhile.
 *
 * Rows are removed one by one, as the time that one takes goes with its size:
 * a megabyte is 256 pages to be freed.  Refused: one DELETE for many rows.  It
 * takes half the time for small ones, but nobody can tell how long.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/table/head.h"
#include "shared/table/removal.h"

#define REMOVAL_MS  3    /* in one transaction, before its commit */
#define EXPIRED_MAX 1000 /* messages that ran out, passed over */

enum db_status
removal_find(struct db *db, struct sqlite3_stmt *stmt, struct removal *removal)
{
	enum db_status status;
	int rc = SQLITE_DONE;

	while (
	    removal->n < REMOVAL_MAX && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		removal->ids[removal->n++] = sqlite3_column_int64(stmt, 0);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Inside a transaction. */
static enum db_status
delete_rows(struct db *db, const struct removal *removal, int *removed)
{
	int64_t until_ms = clock_mono_ms() + REMOVAL_MS;
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_DELETE];
	enum db_status status = DB_OK;
	int i;

	for (i = 0; i < removal->n && status == DB_OK; i++) {
		if (i > 0 && clock_mono_ms() > until_ms)
			break;
		sqlite3_bind_int64(stmt, 1, removal->ids[i]);
		status = db_status(db, sqlite3_step(stmt));
		db_done(stmt);
	}
	*removed = i;
	return status;
}

/* Commits, or takes back what a failed transaction has done. */
static enum db_status
finish(struct db *db, enum db_status status, int *removed)
{
	char error[sizeof(db->error)];

	if (status == DB_OK)
		status = db_commit(db);
	else if (db->begin_site != NULL) {
		memcpy(error, db->error, sizeof(error));
		db_rollback(db);
		memcpy(db->error, error, sizeof(error));
	}
	if (status != DB_OK)
		*removed = 0;
	return status;
}

enum db_status
removal_run(struct db *db, const struct removal *removal, int *removed)
{
	enum db_status status;

	*removed = 0;
	if (removal->n == 0)
		return DB_OK;
	status = db_begin_write(db, DB_HERE);
	if (status == DB_OK)
		status = delete_rows(db, removal, removed);
	return finish(db, status, removed);
}

static enum db_status
check_epoch(struct db *db, const char *epoch)
{
	enum db_status status;
	int64_t newest;

	status = head_read(db, &newest);
	if (status != DB_OK || strcmp(epoch, db->epoch) == 0)
		return status;
	snprintf(db->error, sizeof(db->error),
	    "the database was replaced before all messages were removed");
	return DB_MISSING;
}

static enum db_status
raise_watermark(struct db *db, const char *channel, int64_t upto)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_WATERMARK_RAISE];
	enum db_status status;

	sqlite3_bind_text(stmt, 1, channel, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, upto);
	sqlite3_bind_int64(stmt, 3, clock_wall_ms());
	sqlite3_bind_int(stmt, 4, EXPIRED_MAX);
	status = db_status(db, sqlite3_step(stmt));
	db_done(stmt);
	return status;
}

enum db_status
removal_channel(struct db *db, const char *channel, int64_t upto,
    const char *epoch, int *removed, bool *done)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANNEL_IDS];
	struct removal removal = { .n = 0 };
	enum db_status status;

	*removed = 0;
	*done = false;
	sqlite3_bind_text(stmt, 1, channel, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, upto);
	sqlite3_bind_int(stmt, 3, REMOVAL_MAX);
	status = removal_find(db, stmt, &removal);
	if (status != DB_OK || removal.n == 0) {
		*done = status == DB_OK;
		return status;
	}
	status = db_begin_write(db, DB_HERE);
	if (status == DB_OK && epoch != NULL)
		status = check_epoch(db, epoch);
	if (status == DB_OK)
		status = raise_watermark(db, channel, upto);
	if (status == DB_OK)
		status = delete_rows(db, &removal, removed);
	status = finish(db, status, removed);
	*done =
	    status == DB_OK && *removed == removal.n && removal.n < REMOVAL_MAX;
	return status;
}
