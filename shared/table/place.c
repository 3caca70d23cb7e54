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

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/table/change.h"
#include "shared/table/loss.h"
#include "shared/table/place.h"
#include "shared/table/want.h"

#define LOOK 16 /* rows or names between two looks at the clock */

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
	free(place->before.row);
	place->before = (struct heap){ NULL, 0 };
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
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGES_BEFORE];
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

/* The id before *id in a channel; 0 if there is none. */
static enum db_status
find_before(struct db *db, const struct want *want, int64_t *id)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANNEL_PREVIOUS_ID];
	enum db_status status;
	int rc;

	sqlite3_bind_text(stmt, 1, want->name, (int)want->len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, *id);
	rc = sqlite3_step(stmt);
	*id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* The newest message of each channel.  *done tells that all are there. */
static enum db_status
fill_heap(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	struct wants *wants = place->wants;
	struct heap *before = &place->before;
	enum db_status status = DB_OK;

	if (before->row == NULL)
		before->row = xcalloc(wants->n, sizeof(*before->row));
	while (place->at < wants->n) {
		int64_t id = place->id;

		status = find_before(db, &wants->p[place->at], &id);
		if (status != DB_OK)
			return status;
		if (id > 0)
			heap_add(before, -id, place->at);
		if (is_over(++place->at, until_us))
			break;
	}
	*done = place->at == wants->n;
	return DB_OK;
}

/* Channels: the newest message of all of them, and then the one before. */
static enum db_status
merge_back(struct place *place, struct db *db, int64_t until_us, bool *done)
{
	struct heap *before = &place->before;
	enum db_status status = DB_OK;
	size_t rows = 0;

	while (!*done && before->n > 0) {
		const struct heap_row *top = &before->row[0];
		int64_t id = -top->key;

		status = count_one(place, db, id, done);
		if (status == DB_OK && !*done)
			status =
			    find_before(db, &place->wants->p[top->value], &id);
		if (status != DB_OK)
			return status;
		if (id == 0)
			heap_pop(before);
		else
			heap_rekey(before, -id);
		if (is_over(++rows, until_us))
			break;
	}
	*done = *done || before->n == 0;
	return DB_OK;
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
		place->at = place->before.n = 0;
		place->left = 1;
	}
	*done = false;
	status = find_last(place, db, until_us, done);
	if (place->after < place->least)
		place->after = place->least;
	return status;
}
