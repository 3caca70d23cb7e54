/* SPDX-License-Identifier: MIT */
/*
 * Channels that come and go leave a watermark each.  When those have become
 * many, the floor takes the place of the older ones: a walk over all of them
 * finds out how high it has to be (a heap keeps the newest), then it is raised,
 * then the others are removed.
 *
 * Refused: one statement with ORDER BY.  It holds the lock for as long as it
 * takes to sort them.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/heap.h"
#include "shared/base/str.h"
#include "shared/table/floor.h"

#define WATERMARKS_MAX  10000 /* more of them begin the work */
#define WATERMARKS_KEPT 5000  /* so many are left */
#define REMOVED_MAX     1000  /* in one transaction */
#define LOOK_MS         5     /* in one step */

struct floor {
	char channel[256];  /* walked up to this name */
	bool walked;        /* to the end */
	bool raised;        /* the floor is where it has to be */
	struct heap newest; /* ids; its rows are: */
	struct heap_row row[WATERMARKS_KEPT + 1];
};

static enum db_status
count(struct db *db, int64_t *n)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_WATERMARK_COUNT];
	enum db_status status;
	int rc;

	sqlite3_bind_int(stmt, 1, WATERMARKS_MAX + 1);
	rc = sqlite3_step(stmt);
	*n = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* One more watermark: the newest ones are kept, and the one before them. */
static void
add(struct heap *newest, int64_t id)
{
	if (newest->n <= WATERMARKS_KEPT)
		heap_add(newest, id, 0);
	else if (id > newest->row[0].key)
		heap_rekey(newest, id);
}

/* Walks on, for a moment. */
static enum db_status
walk(struct db *db, struct floor *floor)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	sqlite3_stmt *stmt = db->stmt[STATEMENT_WATERMARKS_AFTER];
	enum db_status status;
	const char *name;
	int n = 0, rc;

	sqlite3_bind_text(stmt, 1, floor->channel, -1, SQLITE_TRANSIENT);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		add(&floor->newest, sqlite3_column_int64(stmt, 1));
		if (++n % 64 != 0 || clock_mono_ms() <= until_ms)
			continue;
		name = (const char *)sqlite3_column_text(stmt, 0);
		snprintf(floor->channel, sizeof(floor->channel), "%s",
		    name == NULL ? "" : name);
		break;
	}
	floor->walked = rc == SQLITE_DONE;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Runs a bound statement in a transaction of its own; *n rows it changed. */
static enum db_status
write_rows(struct db *db, sqlite3_stmt *stmt, int *n)
{
	enum db_status status = db_begin_write(db, DB_HERE);

	*n = 0;
	if (status == DB_OK) {
		status = db_status(db, sqlite3_step(stmt));
		*n = sqlite3_changes(db->handle);
	}
	db_done(stmt);
	if (status == DB_OK)
		return db_commit(db);
	if (db->begin_site != NULL)
		db_rollback(db);
	return status;
}

static enum db_status
work(struct db *db, struct floor *floor, bool *again)
{
	enum db_status status;
	int n;

	*again = true;
	if (!floor->walked)
		return walk(db, floor);
	if (!floor->raised) {
		sqlite3_bind_int64(db->stmt[STATEMENT_FLOOR_RAISE], 1,
		    floor->newest.n > WATERMARKS_KEPT ? floor->newest.row[0].key
						      : 0);
		floor->raised = true;
		return write_rows(db, db->stmt[STATEMENT_FLOOR_RAISE], &n);
	}
	sqlite3_bind_int(db->stmt[STATEMENT_PRUNE_WATERMARKS], 1, REMOVED_MAX);
	status = write_rows(db, db->stmt[STATEMENT_PRUNE_WATERMARKS], &n);
	*again = n == REMOVED_MAX;
	return status;
}

enum db_status
floor_step(struct db *db, struct floor **floor, bool *again)
{
	enum db_status status = DB_OK;
	int64_t n = 0;

	*again = false;
	if (*floor == NULL) {
		status = count(db, &n);
		if (status != DB_OK || n <= WATERMARKS_MAX)
			return status;
		*floor = xcalloc(1, sizeof(**floor));
		(*floor)->newest.row = (*floor)->row;
	}
	status = work(db, *floor, again);
	if (status != DB_OK || !*again) {
		floor_free(*floor);
		*floor = NULL;
	}
	return status;
}

void
floor_free(struct floor *floor)
{
	free(floor);
}
