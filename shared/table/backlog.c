/* SPDX-License-Identifier: MIT */
/*
 * What a client has missed.  One channel is a walk along its index.  Several
 * are merged: the next id of each lies in a heap, so that the cost goes with
 * what is delivered and not with what others published meanwhile.  Prefixes
 * have no such index; there the table is walked in steps.
 */
#include "config.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/heap.h"
#include "shared/base/str.h"
#include "shared/table/backlog.h"
#include "shared/table/change.h"
#include "shared/table/want.h"

#define STEP_US    2000 /* of work in one call */
#define LOOK_ROWS  32   /* rows between two looks at the clock */
#define FEW        32   /* channels for which the index is always right */
#define MERGED_MAX 1000 /* channels whose next ids are looked up at once */

/* What all three ways share. */
struct walk {
	struct db *db;                 /* to read from */
	const struct backlog *backlog; /* who reads */
	int64_t upto;                  /* last id to read */
	int64_t now_ms;                /* wall clock */
	int64_t until_us;              /* monotonic: enough was done then */
	unsigned rows;                 /* looked at so far */
	bool looked;                   /* for prunings, in this snapshot */
};

/* Whether enough was done for one call. */
static bool
is_over(struct walk *walk)
{
	return ++walk->rows % LOOK_ROWS == 0 &&
	       clock_mono_us() >= walk->until_us;
}

/* Hands the row over that stmt stands on.  Returns false to stop. */
static bool
hand_over(const struct walk *walk, struct change *ch, sqlite3_stmt *stmt)
{
	change_read_rest(ch, stmt);
	if (change_expired(ch, walk->now_ms))
		return true;
	return walk->backlog->each(ch, walk->backlog->arg);
}

static enum db_status
look(struct walk *walk)
{
	if (walk->looked)
		return DB_OK;
	walk->looked = true;
	return walk->backlog->look(walk->backlog->arg);
}

static enum db_status
read_channel(struct walk *walk, int64_t *after, bool *done)
{
	sqlite3_stmt *stmt = walk->db->stmt[STATEMENT_CHANGES_CHANNEL_AFTER];
	const struct want *want = walk->backlog->want;
	enum db_status status;
	struct change ch;
	bool more = true;
	int rc;

	sqlite3_bind_text(stmt, 1, want->name, (int)want->len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, *after);
	while (more && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		change_read_key(&ch, stmt);
		if (ch.id > walk->upto) {
			rc = SQLITE_DONE;
			break;
		}
		*after = ch.id;
		more = hand_over(walk, &ch, stmt) && !is_over(walk);
	}
	*done = rc == SQLITE_DONE;
	status = db_status(walk->db, rc);
	db_done(stmt);
	return status;
}

/*
 * All rows, in order.  Ids have no gaps by themselves: where one is missing it
 * was removed, and only then the watermarks have to be asked.
 */
static enum db_status
read_all(struct walk *walk, int64_t *after, bool *done)
{
	sqlite3_stmt *stmt = walk->db->stmt[STATEMENT_CHANGES_AFTER];
	const struct backlog *backlog = walk->backlog;
	enum db_status status = DB_OK;
	struct change ch;
	bool more = true;
	int rc = SQLITE_ROW;

	sqlite3_bind_int64(stmt, 1, *after);
	while (more && status == DB_OK &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		change_read_key(&ch, stmt);
		if (ch.id != *after + 1)
			status = look(walk);
		if (status != DB_OK || ch.id > walk->upto) {
			rc = SQLITE_DONE;
			break;
		}
		*after = ch.id;
		more = (!backlog->wanted(&ch, backlog->arg) ||
			   hand_over(walk, &ch, stmt)) &&
		       !is_over(walk);
	}
	if (rc == SQLITE_DONE && status == DB_OK && *after < walk->upto)
		status = look(walk);
	*done = rc == SQLITE_DONE;
	if (status == DB_OK)
		status = db_status(walk->db, rc);
	db_done(stmt);
	return status;
}

/* The next id of a channel; INT64_MAX = there is none. */
static enum db_status
find_next(const struct walk *walk, const struct want *want, int64_t after,
    int64_t *id)
{
	sqlite3_stmt *stmt = walk->db->stmt[STATEMENT_CHANNEL_NEXT_ID];
	enum db_status status;
	int rc;

	sqlite3_bind_text(stmt, 1, want->name, (int)want->len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, after);
	rc = sqlite3_step(stmt);
	*id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : INT64_MAX;
	if (*id > walk->upto)
		*id = INT64_MAX;
	status = db_status(walk->db, rc);
	db_done(stmt);
	return status;
}

static enum db_status
hand_over_id(const struct walk *walk, int64_t id, bool *more)
{
	sqlite3_stmt *stmt = walk->db->stmt[STATEMENT_CHANGE_GET];
	enum db_status status;
	struct change ch;
	int rc;

	sqlite3_bind_int64(stmt, 1, id);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		change_read_key(&ch, stmt);
		*more = hand_over(walk, &ch, stmt);
	}
	status = db_status(walk->db, rc);
	db_done(stmt);
	return status;
}

/* The next ids of all channels; the rows of `next` are its caller's to free. */
static enum db_status
find_all(const struct walk *walk, int64_t after, struct heap *next)
{
	const struct backlog *backlog = walk->backlog;
	enum db_status status = DB_OK;
	int64_t id;

	next->row = xcalloc(backlog->n, sizeof(*next->row));
	for (size_t i = 0; i < backlog->n && status == DB_OK; i++) {
		status = find_next(walk, &backlog->want[i], after, &id);
		if (status == DB_OK && id != INT64_MAX)
			heap_add(next, id, i);
	}
	return status;
}

static enum db_status
read_merged(struct walk *walk, int64_t *after, bool *done)
{
	const struct want *want = walk->backlog->want;
	struct heap next = { NULL, 0 };
	enum db_status status = find_all(walk, *after, &next);
	bool more = true;
	int64_t id;

	while (status == DB_OK && more && next.n > 0) {
		id = next.row[0].key;
		status = hand_over_id(walk, id, &more);
		if (status != DB_OK)
			break;
		*after = id;
		status = find_next(walk, &want[next.row[0].value], id, &id);
		if (id == INT64_MAX)
			heap_pop(&next);
		else
			heap_rekey(&next, id);
		more = more && !is_over(walk);
	}
	*done = status == DB_OK && next.n == 0;
	free(next.row);
	return status;
}

bool
backlog_by_index(size_t n, size_t nprefixes, int64_t behind)
{
	return nprefixes == 0 && n > 0 &&
	       (n <= FEW || (n <= MERGED_MAX && behind > 4 * (int64_t)n));
}

enum db_status
backlog_read(struct db *db, const struct backlog *backlog, int64_t *after,
    int64_t upto, bool *done)
{
	struct walk walk = { .db = db,
		.backlog = backlog,
		.upto = upto,
		.now_ms = clock_wall_ms(),
		.until_us = clock_mono_us() + STEP_US };
	enum db_status status;

	*done = true;
	if (*after >= upto && !backlog->look_first)
		return DB_OK;
	status = db_begin_read(db, DB_HERE);
	if (status != DB_OK)
		return status;
	if (backlog->n > 0 || backlog->look_first)
		status = look(&walk);
	if (status == DB_OK)
		status = backlog->n == 0   ? read_all(&walk, after, done)
			 : backlog->n == 1 ? read_channel(&walk, after, done)
					   : read_merged(&walk, after, done);
	if (status == DB_OK)
		status = db_commit(db);
	if (db->begin_site != NULL)
		db_rollback(db);
	if (status == DB_OK && *done && *after < upto)
		*after = upto;
	return status;
}
