/* SPDX-License-Identifier: MIT */
/*
 * From a cursor to a place in the table.
 *
 * The last N messages of some channels are found by going back along the index
 * of each, the newest of all of them next; so it costs a look-up for each
 * channel and one for each message.  Prefixes have no index: there all rows are
 * walked back.  What has run out is not counted, as it is not delivered.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/change.h"
#include "shared/clock.h"
#include "shared/loss.h"
#include "shared/place.h"
#include "shared/str.h"
#include "shared/want.h"

#define LOOK 16 /* rows or names between two looks at the clock */

/* The next message of one channel, going back. */
struct before {
	int64_t id;  /* its id */
	size_t want; /* row of the wants */
};

static void
set_told(struct wants *wants, int64_t told)
{
	for (size_t i = 0; i < wants->n; i++)
		wants->p[i].told = told;
}

void
place_begin(struct place *place, const struct db *db, struct wants *wants,
    const struct cursor *cursor, int64_t newest, bool newest_only)
{
	*place = (struct place){ .wants = wants,
		.cursor = *cursor,
		.newest = newest,
		.after = newest,
		.id = newest + 1,
		.left = cursor->id,
		.newest_only = newest_only,
		.least = -1 };
	memcpy(place->epoch, db->epoch, sizeof(place->epoch));
	set_told(wants,
	    cursor->kind == CURSOR_LATEST || cursor->kind == CURSOR_AT
		? 0
		: LOSS_UNKNOWN);
	if (cursor->kind == CURSOR_EARLIEST)
		place->after = 0;
}

void
place_end(struct place *place)
{
	free(place->heap);
	place->heap = NULL;
}

/* Whether the time is over, asked once in a while. */
static bool
is_over(size_t n, int64_t until_us)
{
	return n % LOOK == 0 && clock_mono_us() >= until_us;
}

/* A cursor that leads nowhere: all that is kept, behind a reset. */
static void
start_over(struct place *place)
{
	set_told(place->wants, LOSS_UNKNOWN);
	place->after = 0;
	place->reset = true;
}

/* Whether something behind the cursor may be gone from one of the wants. */
static enum db_status
look_at_wants(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	struct wants *wants = place->wants;
	enum db_status status = DB_OK;

	place->after = place->cursor.id;
	while (place->at < wants->n) {
		struct want *want = &wants->p[place->at++];

		if (!wants_covered(wants, want))
			status = loss_look(db, want->name, want->len,
			    want->is_prefix, place->after, &want->told,
			    &place->reset);
		if (status != DB_OK)
			return status;
		if (is_over(place->at, until_us))
			break;
	}
	*done = place->at == wants->n;
	return DB_OK;
}

/* Whether a message ran out, of a table that has such. */
static enum db_status
has_expired(const struct place *place, struct db *db, int64_t id, bool *expired)
{
	*expired = false;
	return place->any_expired ? change_is_expired(db, id, expired) : DB_OK;
}

/* Counts the message, unless it ran out; *done tells that it was the last. */
static enum db_status
count_one(struct place *place, struct db *db, int64_t id, bool *done)
{
	enum db_status status;
	bool expired;

	status = has_expired(place, db, id, &expired);
	if (status != DB_OK || expired)
		return status;
	place->after = id - 1;
	*done = --place->left <= 0;
	return DB_OK;
}

/* Prefixes: every row, newest first. */
static enum db_status
walk_back(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHANGES_BEFORE];
	enum db_status status = DB_OK;
	struct change ch;
	size_t rows = 0;
	int rc = SQLITE_ROW;

	sqlite3_bind_int64(stmt, 1, place->id);
	while (status == DB_OK && !*done &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		change_read_key(&ch, stmt);
		if (wants_match(place->wants, ch.channel, ch.channel_len))
			status = count_one(place, db, ch.id, done);
		place->id = ch.id;
		if (is_over(++rows, until_us))
			break;
	}
	if (status == DB_OK)
		status = db_status(db, rc);
	*done = *done || rc == SQLITE_DONE;
	db_done(stmt);
	return status;
}

/* Moves the row at i down to its place: the newest one is on top. */
static void
sift_down(struct before *heap, size_t n, size_t i)
{
	for (;;) {
		size_t most = i, left = i * 2 + 1, right = i * 2 + 2;
		struct before swap = heap[i];

		if (left < n && heap[left].id > heap[most].id)
			most = left;
		if (right < n && heap[right].id > heap[most].id)
			most = right;
		if (most == i)
			return;
		heap[i] = heap[most];
		heap[most] = swap;
		i = most;
	}
}

/* The id before `before->id` in its channel; 0 if there is none. */
static enum db_status
find_before(const struct place *place, struct db *db, struct before *before)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHANNEL_PREVIOUS_ID];
	const struct want *want = &place->wants->p[before->want];
	enum db_status status;
	int rc;

	sqlite3_bind_text(stmt, 1, want->name, (int)want->len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, before->id);
	rc = sqlite3_step(stmt);
	before->id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* The newest message of each channel.  *done tells that they are in order. */
static enum db_status
fill_heap(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	enum db_status status = DB_OK;

	if (place->heap == NULL)
		place->heap = xcalloc(place->wants->n, sizeof(*place->heap));
	while (place->at < place->wants->n && status == DB_OK) {
		struct before *before = &place->heap[place->n];

		*before = (struct before){ place->id, place->at };
		status = find_before(place, db, before);
		if (status != DB_OK)
			break;
		place->n += before->id > 0;
		if (is_over(++place->at, until_us))
			break;
	}
	*done = status == DB_OK && place->at == place->wants->n;
	for (size_t i = *done ? place->n / 2 : 0; i-- > 0;)
		sift_down(place->heap, place->n, i);
	return status;
}

/* Channels: the newest message of all of them, and then the one before. */
static enum db_status
merge_back(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	enum db_status status = DB_OK;
	struct before *top = place->heap;
	size_t rows = 0;

	while (status == DB_OK && !*done && place->n > 0) {
		status = count_one(place, db, top->id, done);
		if (status == DB_OK && !*done)
			status = find_before(place, db, top);
		if (status != DB_OK)
			break;
		if (top->id == 0)
			*top = place->heap[--place->n];
		sift_down(place->heap, place->n, 0);
		if (is_over(++rows, until_us))
			break;
	}
	*done = *done || (status == DB_OK && place->n == 0);
	return status;
}

static enum db_status
find_last(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	enum db_status status;
	bool filled = true;

	if (place->left <= 0) {
		*done = true;
		return DB_OK;
	}
	status = change_any_expired(db, &place->any_expired);
	if (status != DB_OK)
		return status;
	if (place->wants->nprefixes > 0)
		return walk_back(place, db, until_us, done);
	if (place->at < place->wants->n)
		status = fill_heap(place, db, until_us, &filled);
	if (status != DB_OK || !filled)
		return status;
	return merge_back(place, db, until_us, done);
}

/* By the cursor alone. */
static enum db_status
find_place(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	const struct cursor *cursor = &place->cursor;

	*done = true;
	switch (cursor->kind) {
	case CURSOR_LATEST:
	case CURSOR_EARLIEST:
		return DB_OK;
	case CURSOR_LAST:
		*done = false;
		return find_last(place, db, until_us, done);
	case CURSOR_AT:
		break;
	}
	if ((cursor->epoch[0] != '\0' &&
		strcmp(cursor->epoch, db->epoch) != 0) ||
	    cursor->id > place->newest) {
		start_over(place);
		return DB_OK;
	}
	*done = false;
	return look_at_wants(place, db, until_us, done);
}

enum db_status
place_step(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	enum db_status status;

	if (place->least == -1) {
		status = find_place(place, db, until_us, done);
		if (status != DB_OK || !*done || !place->newest_only ||
		    place->after == place->newest)
			return status;
		/* Of what lies behind, the last one. */
		place->least = place->after;
		place->after = place->newest;
		place->id = place->newest + 1;
		place->at = place->n = 0;
		place->left = 1;
	}
	*done = false;
	status = find_last(place, db, until_us, done);
	if (place->after < place->least)
		place->after = place->least;
	return status;
}
