/* SPDX-License-Identifier: MIT */
/*
 * What a client wants to hear: channels, prefixes, a cursor.  Reading them from
 * a request and turning the cursor into a place in the table.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/change.h"
#include "shared/config_file.h"
#include "shared/interest.h"
#include "shared/loss.h"
#include "shared/req.h"
#include "shared/str.h"

#define LAST_MAX 100000 /* what -N may ask for */

static int
add_want(struct req *req, struct interest *in, const char *name, size_t len,
    bool is_prefix)
{
	if (!name_valid(name, len)) {
		req_fail(req, 400, 1101,
		    "%s must be 1 to 255 bytes of UTF-8 without control "
		    "characters",
		    is_prefix ? "a prefix" : "a channel name");
		return -1;
	}
	if (wants_add(&in->wants, name, len, is_prefix) &&
	    (int64_t)in->wants.n > req->config->max_channels) {
		req_fail(req, 400, 1102, "more than %lld channels",
		    (long long)req->config->max_channels);
		return -1;
	}
	return 0;
}

/* A comma list: empty parts are skipped. */
static int
add_list(struct req *req, struct interest *in, const struct req_arg *arg)
{
	const char *p = arg->value, *end = arg->value + arg->value_len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma == NULL ? end : comma;

		if (stop > p &&
		    add_want(req, in, p, (size_t)(stop - p), false) == -1)
			return -1;
		p = stop + 1;
	}
	return 0;
}

static int
read_wants(struct req *req, struct interest *in)
{
	for (size_t i = 0; i < req->nargs; i++) {
		const struct req_arg *arg = &req->args[i];
		int rc = 0;

		if (strcmp(arg->name, "channel") == 0 ||
		    strcmp(arg->name, "topic") == 0)
			rc = add_want(req, in, arg->value, arg->value_len,
			    false);
		else if (strcmp(arg->name, "prefix") == 0)
			rc =
			    add_want(req, in, arg->value, arg->value_len, true);
		else if (strcmp(arg->name, "channels") == 0)
			rc = add_list(req, in, arg);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/* The first place, in the order of the contract, where a cursor stands. */
static int
read_cursor(struct req *req, struct interest *in)
{
	static const char *const names[] = { "since", "last_event_id",
		"lastEventID", "lastEventId" };
	const char *text = req_var(req, "HTTP_LAST_EVENT_ID");
	const char *tags = req_var(req, "HTTP_IF_NONE_MATCH");
	enum cursor_tags given = CURSOR_TAGS_FOREIGN;
	bool ok = true;

	in->cursor = (struct cursor){ .kind = CURSOR_LATEST };
	if (tags[0] != '\0')
		given = cursor_parse_tags(tags,
		    req->epoch == NULL ? "" : req->epoch, &in->cursor);
	in->conditional = given == CURSOR_TAGS_OURS;
	in->is_given = true;
	if (text[0] != '\0') {
		ok = cursor_parse(text, &in->cursor);
	} else if (given != CURSOR_TAGS_FOREIGN) {
		text = tags;
		ok = in->conditional;
	} else {
		in->is_given = false;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			const struct req_arg *arg = req_arg(req, names[i]);

			if (arg == NULL || arg->value_len == 0)
				continue;
			text = arg->value;
			in->is_given = true;
			ok = strlen(text) == arg->value_len &&
			     cursor_parse(text, &in->cursor);
			break;
		}
	}
	if (ok && in->cursor.kind == CURSOR_LAST && in->cursor.id > LAST_MAX)
		in->cursor.id = LAST_MAX;
	if (!ok)
		req_fail(req, 400, 1103,
		    "\"%.60s\" is not a cursor: EPOCH-ID, an id, earliest, "
		    "latest or -N",
		    text);
	return ok ? 0 : -1;
}

int
interest_read(struct req *req, struct interest *in, bool may_be_empty)
{
	*in = (struct interest){ 0 };
	if (read_wants(req, in) == -1 || read_cursor(req, in) == -1) {
		interest_free(in);
		return -1;
	}
	if (in->wants.n == 0 && !may_be_empty) {
		req_fail(req, 400, 1104,
		    "no channel: name one by channel=, channels= or prefix=");
		return -1;
	}
	return 0;
}

void
interest_free(struct interest *in)
{
	wants_free(&in->wants);
	*in = (struct interest){ 0 };
}

/* Newest first. */
static int
compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Ids found so far. */
struct ids {
	int64_t *p; /* ours */
	size_t n;   /* used */
	size_t cap; /* allocated */
};

/* The newest `max` ids of one want, appended to ids. */
static enum db_status
last_ids(struct db *db, const struct want *want, int64_t max, int64_t newest,
    struct ids *ids)
{
	sqlite3_stmt *stmt = db->stmt[want->is_prefix ? DB_PREFIX_LAST_IDS
						      : DB_CHANNEL_LAST_IDS];
	enum db_status status;
	int rc;

	sqlite3_bind_text(stmt, 1, want->name, (int)want->len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, max);
	sqlite3_bind_int64(stmt, 3, newest);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (ids->n == ids->cap) {
			ids->cap = ids->cap == 0 ? 64 : ids->cap * 2;
			ids->p =
			    xreallocarray(ids->p, ids->cap, sizeof(*ids->p));
		}
		ids->p[ids->n++] = sqlite3_column_int64(stmt, 0);
	}
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Keeps the newest `max`; one that two wants share counts once. */
static void
keep_newest(struct ids *ids, size_t max)
{
	size_t kept = 0;

	qsort(ids->p, ids->n, sizeof(*ids->p), compare_ids);
	for (size_t i = 0; i < ids->n; i++)
		if (kept == 0 || ids->p[i] != ids->p[kept - 1])
			ids->p[kept++] = ids->p[i];
	ids->n = kept < max ? kept : max;
}

/* Just before the last `max` messages of all wants together. */
static enum db_status
before_last(struct db *db, const struct want *want, size_t n, int64_t max,
    int64_t newest, int64_t *after)
{
	enum db_status status = DB_OK;
	struct ids ids = { 0 };

	for (size_t i = 0; i < n && status == DB_OK && max > 0; i++) {
		status = last_ids(db, &want[i], max, newest, &ids);
		if (ids.n > 1)
			keep_newest(&ids, (size_t)max);
	}
	*after = ids.n > 0 ? ids.p[ids.n - 1] - 1 : newest;
	free(ids.p);
	return status;
}

/* Whether something behind `id` may be gone from one of the wants. */
static enum db_status
may_have_missed(struct db *db, struct wants *wants, int64_t id, bool *missed)
{
	enum db_status status = DB_OK;

	for (size_t i = 0; i < wants->n && status == DB_OK; i++)
		status = loss_look(db, wants->p[i].name, wants->p[i].len,
		    wants->p[i].is_prefix, id, &wants->p[i].told, missed);
	return status;
}

static void
set_told(struct wants *wants, int64_t told)
{
	for (size_t i = 0; i < wants->n; i++)
		wants->p[i].told = told;
}

/* Where it starts, and whether it may have missed something. */
static enum db_status
find_start(struct db *db, struct interest *in, int64_t newest, int64_t *after,
    bool *reset)
{
	const struct cursor *cursor = &in->cursor;

	*reset = false;
	set_told(&in->wants,
	    cursor->kind == CURSOR_LATEST || cursor->kind == CURSOR_AT
		? 0
		: LOSS_UNKNOWN);
	switch (cursor->kind) {
	case CURSOR_LATEST:
		*after = newest;
		return DB_OK;
	case CURSOR_EARLIEST:
		*after = 0;
		return DB_OK;
	case CURSOR_LAST:
		return before_last(db, in->wants.p, in->wants.n, cursor->id,
		    newest, after);
	case CURSOR_AT:
		break;
	}
	if ((cursor->epoch[0] != '\0' &&
		strcmp(cursor->epoch, db->epoch) != 0) ||
	    cursor->id > newest) {
		set_told(&in->wants, LOSS_UNKNOWN);
		*after = 0;
		*reset = true;
		return DB_OK;
	}
	*after = cursor->id;
	return may_have_missed(db, &in->wants, cursor->id, reset);
}

enum db_status
interest_resolve(struct db *db, struct interest *in, int64_t newest,
    int64_t *after, bool *reset)
{
	enum db_status status = find_start(db, in, newest, after, reset);
	int64_t last = 0;

	if (!in->newest_only || status != DB_OK || *after == newest)
		return status;
	status = before_last(db, in->wants.p, in->wants.n, 1, newest, &last);
	if (last > *after)
		*after = last;
	return status;
}
