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

#include "shared/backlog.h"
#include "shared/change.h"
#include "shared/clock.h"
#include "shared/interest.h"
#include "shared/str.h"

#define WALK_ROWS 4000 /* rows looked at in one call */

/* What all three ways share. */
struct walk {
	struct db *db;                                  /* to read from */
	const struct want *want;                        /* what is wanted */
	size_t n;                                       /* rows of it */
	int64_t upto;                                   /* last id to read */
	int64_t now_ms;                                 /* wall clock */
	bool (*each)(const struct change *, void *arg); /* the receiver */
	void *arg;                                      /* the receiver's */
};

/* Hands the row over that stmt stands on.  Returns false to stop. */
static bool
hand_over(const struct walk *walk, struct change *ch, sqlite3_stmt *stmt)
{
	change_read_rest(ch, stmt);
	if (change_expired(ch, walk->now_ms))
		return true;
	return walk->each(ch, walk->arg);
}

/* A statement that yields rows in order: of one channel, or all rows. */
static enum db_status
read_rows(const struct walk *walk, sqlite3_stmt *stmt, bool filter,
    int64_t *after, bool *done)
{
	enum db_status status;
	struct change ch;
	int left = WALK_ROWS, rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		change_read_key(&ch, stmt);
		if (ch.id > walk->upto) {
			rc = SQLITE_DONE;
			break;
		}
		*after = ch.id;
		if (filter && !interest_matches(walk->want, walk->n, ch.channel,
				  ch.channel_len)) {
			if (--left == 0)
				break;
			continue;
		}
		if (!hand_over(walk, &ch, stmt) || --left == 0)
			break;
	}
	*done = rc == SQLITE_DONE;
	status = db_status(walk->db, rc);
	db_done(stmt);
	return status;
}

static enum db_status
read_channel(const struct walk *walk, int64_t *after, bool *done)
{
	sqlite3_stmt *stmt = walk->db->stmt[DB_CHANGES_CHANNEL_AFTER];

	sqlite3_bind_text(stmt, 1, walk->want[0].name, (int)walk->want[0].len,
	    SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, *after);
	return read_rows(walk, stmt, false, after, done);
}

static enum db_status
read_all(const struct walk *walk, int64_t *after, bool *done)
{
	sqlite3_stmt *stmt = walk->db->stmt[DB_CHANGES_AFTER];

	sqlite3_bind_int64(stmt, 1, *after);
	return read_rows(walk, stmt, true, after, done);
}

/* The next message of one channel. */
struct next {
	int64_t id;              /* its id */
	const struct want *want; /* the channel */
};

static enum db_status
find_next(const struct walk *walk, const struct want *want, int64_t after,
    int64_t *id)
{
	sqlite3_stmt *stmt = walk->db->stmt[DB_CHANNEL_NEXT_ID];
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

/* Moves the row at the top of the heap down to its place. */
static void
sift_down(struct next *heap, size_t n, size_t i)
{
	for (;;) {
		size_t least = i, left = i * 2 + 1, right = i * 2 + 2;
		struct next swap = heap[i];

		if (left < n && heap[left].id < heap[least].id)
			least = left;
		if (right < n && heap[right].id < heap[least].id)
			least = right;
		if (least == i)
			return;
		heap[i] = heap[least];
		heap[least] = swap;
		i = least;
	}
}

static enum db_status
hand_over_id(const struct walk *walk, int64_t id, bool *more)
{
	sqlite3_stmt *stmt = walk->db->stmt[DB_CHANGE_GET];
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

static enum db_status
read_merged(const struct walk *walk, int64_t *after, bool *done)
{
	struct next *heap = xcalloc(walk->n, sizeof(*heap));
	enum db_status status = DB_OK;
	int left = WALK_ROWS;
	bool more = true;

	for (size_t i = 0; i < walk->n && status == DB_OK; i++) {
		heap[i].want = &walk->want[i];
		status = find_next(walk, heap[i].want, *after, &heap[i].id);
	}
	for (size_t i = walk->n / 2; i-- > 0;)
		sift_down(heap, walk->n, i);
	while (
	    status == DB_OK && more && left-- > 0 && heap[0].id != INT64_MAX) {
		status = hand_over_id(walk, heap[0].id, &more);
		if (status != DB_OK)
			break;
		*after = heap[0].id;
		status = find_next(walk, heap[0].want, *after, &heap[0].id);
		sift_down(heap, walk->n, 0);
	}
	*done = status == DB_OK && heap[0].id == INT64_MAX;
	free(heap);
	return status;
}

enum db_status
backlog_read(struct db *db, const struct want *want, size_t n, int64_t *after,
    int64_t upto, bool (*each)(const struct change *, void *), void *arg,
    bool *done)
{
	struct walk walk = { db, want, n, upto, clock_wall_ms(), each, arg };
	enum db_status status;
	bool any_prefix = false;

	*done = true;
	if (n == 0 || *after >= upto)
		return DB_OK;
	for (size_t i = 0; i < n; i++)
		any_prefix = any_prefix || want[i].is_prefix;
	if (any_prefix)
		status = read_all(&walk, after, done);
	else if (n == 1)
		status = read_channel(&walk, after, done);
	else
		status = read_merged(&walk, after, done);
	if (status == DB_OK && *done && *after < upto)
		*after = upto;
	return status;
}
