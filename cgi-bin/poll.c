/* SPDX-License-Identifier: MIT */
/*
 * Short polling: what came since the cursor, at once.  A client that asks by
 * If-None-Match and has everything gets a 304.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/access/access.h"
#include "shared/base/board.h"
#include "shared/base/chore.h"
#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/intake/answer.h"
#include "shared/intake/conn.h"
#include "shared/intake/interest.h"
#include "shared/intake/seek.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/out/sink.h"
#include "shared/table/backlog.h"
#include "shared/table/change.h"
#include "shared/table/loss.h"

#define ANSWER_HIGH (1 << 20) /* bytes in one answer */

/* A request that is being answered, in as many turns as it takes. */
struct polling {
	struct seek seek;       /* first: it is found so */
	struct chore reading;   /* behind that */
	struct server *server;  /* for database and limits */
	struct conn *conn;      /* who asks */
	struct backlog backlog; /* how it is read */
	struct answer answer;   /* its cursor is the place */
	struct str messages;    /* JSON objects with commas between */
	int64_t upto;           /* the newest id when it was asked */
	int64_t n;              /* how many messages */
	bool *over;             /* of handle, NULL = that has returned */
};

static bool
is_full(const struct polling *p)
{
	return p->n >= p->server->config.max_messages ||
	       (p->messages.len >= ANSWER_HIGH &&
		   !p->seek.interest.newest_only);
}

static bool
collect(const struct change *ch, void *arg)
{
	struct polling *p = arg;

	if (p->seek.interest.newest_only) {
		answer_take_text(&p->messages, ch);
	} else {
		if (p->n > 0)
			str_addz(&p->messages, ",");
		change_add_json(&p->messages, ch, p->server->hub.epoch);
	}
	p->n++;
	return !is_full(p);
}

static bool
is_wanted(const struct change *ch, void *arg)
{
	const struct polling *p = arg;

	return wants_match(&p->seek.interest.wants, ch->channel,
	    ch->channel_len);
}

/* What is pruned between our looks at the table is told as well. */
static enum db_status
look_for_losses(void *arg)
{
	struct polling *p = arg;
	struct wants *wants = &p->seek.interest.wants;
	enum db_status status = DB_OK;

	for (size_t i = 0; i < wants->n && status == DB_OK; i++) {
		struct want *want = &wants->p[i];

		if (!wants_covered(wants, want))
			status = loss_look(&p->server->hub.db, want->name,
			    want->len, want->is_prefix, p->answer.cursor,
			    &want->told, &p->answer.reset);
	}
	p->backlog.look_first = p->backlog.look_first && status != DB_OK;
	return status;
}

static void
free_polling(struct polling *p)
{
	seek_free(&p->seek);
	str_free(&p->messages);
	free(p);
}

static void
drop_seek(struct seek *seek)
{
	free_polling((struct polling *)(void *)seek);
}

static void
drop_reading(struct chore *chore)
{
	free_polling(
	    (void *)((char *)chore - offsetof(struct polling, reading)));
}

static void
push_answer(struct polling *p)
{
	const struct interest *interest = &p->seek.interest;
	struct answer *answer = &p->answer;
	struct str cors = { 0 };

	access_add_cors(req_subject(p->conn->req), &cors);
	str_addz(&cors, "");
	answer->cors = cors.p;
	answer->head_only = req_is(p->conn->req, "HEAD");
	answer->epoch = p->server->hub.epoch;
	answer->messages = p->messages.p;
	answer->len = p->messages.len;
	if (p->n == 0 && !answer->reset && interest->conditional) {
		if (interest->cursor.kind == CURSOR_AT)
			answer->cursor = interest->cursor.id;
		answer_not_modified(&p->conn->sink, answer);
	} else if (interest->newest_only) {
		answer_text(&p->conn->sink, answer);
	} else {
		answer_messages(&p->conn->sink, answer);
	}
	board_add(p->server->board, BOARD_DELIVERED, p->n);
	str_free(&cors);
}

/* All is read, or the database does not answer. */
static void
finish(struct polling *p, enum db_status status)
{
	struct conn *conn = p->conn;
	bool *over = p->over;

	if (over != NULL)
		*over = true;
	if (!conn->sink.is_open) {
		/* It did not wait for us. */
	} else if (status != DB_OK) {
		server_db_refusal(p->server, conn->req, status,
		    p->server->hub.db.error);
	} else {
		push_answer(p);
	}
	free_polling(p);
	if (over == NULL)
		conn_go_on(conn);
}

/* Starts over where the database became another one meanwhile. */
static bool
is_stale(const struct polling *p)
{
	return strcmp(p->seek.place.epoch, p->server->hub.db.epoch) != 0;
}

static bool
read_piece(struct chore *chore, int64_t until_us)
{
	struct polling *p =
	    (void *)((char *)chore - offsetof(struct polling, reading));
	struct hub *hub = &p->server->hub;
	enum db_status status = hub_refresh(hub);
	bool done = is_full(p);

	if (status == DB_OK && is_stale(p)) {
		str_clear(&p->messages);
		p->n = 0;
		seek_begin(&p->seek, hub);
		return true;
	}
	while (status == DB_OK && !done && clock_mono_us() < until_us) {
		status = backlog_read(&hub->db, &p->backlog, &p->answer.cursor,
		    p->upto, &done);
		done = done || is_full(p);
	}
	if (status == DB_OK && !done)
		return false;
	finish(p, status);
	return true;
}

static void
on_place(struct seek *seek, enum db_status status)
{
	struct polling *p = (struct polling *)(void *)seek;
	const struct wants *wants = &seek->interest.wants;

	if (status != DB_OK) {
		finish(p, status);
		return;
	}
	p->upto = p->server->hub.newest;
	p->answer.cursor = seek->place.after;
	p->answer.reset = seek->place.reset;
	p->backlog = (struct backlog){ .wanted = is_wanted,
		.look = look_for_losses,
		.look_first = wants->p[0].told == LOSS_UNKNOWN,
		.each = collect,
		.arg = p };
	if (backlog_by_index(wants->n, wants->nprefixes,
		p->upto - p->answer.cursor)) {
		p->backlog.want = wants->p;
		p->backlog.n = wants->n;
	}
	p->reading =
	    (struct chore){ .piece = read_piece, .drop = drop_reading };
	chore_begin(&p->reading);
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	struct interest interest;
	struct polling *p;
	bool over = false, is_text;

	if (answer_read_format(req, &is_text) == -1 ||
	    interest_read(req, &interest, false) == -1)
		return;
	interest.newest_only = is_text;
	/* Who does not know cursors wants to see how things are. */
	if (is_text && !interest.is_given)
		interest.cursor =
		    (struct cursor){ .kind = CURSOR_LAST, .id = 1 };
	p = xcalloc(1, sizeof(*p));
	p->seek.interest = interest;
	p->seek.found = on_place;
	p->seek.drop = drop_seek;
	p->server = server;
	p->conn = conn;
	p->over = &over;
	seek_begin(&p->seek, &server->hub);
	if (!over)
		p->over = NULL;
}

static const struct program program = {
	.name = "poll",
	.methods = "GET, HEAD, POST",
	.handle = handle,
};

int
main(int argc, char **argv)
{
	return serve_main(&program, argc, argv);
}
