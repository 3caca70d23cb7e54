/* SPDX-License-Identifier: MIT */
/*
 * Short polling: what came since the cursor, at once.  A client that asks by
 * If-None-Match and has everything gets a 304.
 */
#include "config.h"

#include "shared/access.h"
#include "shared/answer.h"
#include "shared/backlog.h"
#include "shared/board.h"
#include "shared/change.h"
#include "shared/conn.h"
#include "shared/interest.h"
#include "shared/loss.h"
#include "shared/server.h"
#include "shared/sink.h"
#include "shared/str.h"

#define ANSWER_HIGH (1 << 20) /* bytes in one answer */

/* Messages for one answer. */
struct collection {
	struct server *server;     /* for database and limits */
	struct interest *interest; /* what is asked for */
	struct answer *answer;     /* its cursor is the place */
	struct str messages;       /* JSON objects with commas between */
	int64_t n;                 /* how many */
	bool unlearned;            /* some want's `told` is unknown */
};

static bool
is_full(const struct collection *c)
{
	return c->n >= c->server->config.max_messages ||
	       (c->messages.len >= ANSWER_HIGH && !c->interest->newest_only);
}

static bool
collect(const struct change *ch, void *arg)
{
	struct collection *c = arg;

	if (c->interest->newest_only) {
		answer_take_text(&c->messages, ch);
	} else {
		if (c->n > 0)
			str_addz(&c->messages, ",");
		change_add_json(&c->messages, ch, c->server->hub.epoch);
	}
	c->n++;
	return !is_full(c);
}

static bool
is_wanted(const struct change *ch, void *arg)
{
	const struct collection *c = arg;

	return wants_match(&c->interest->wants, ch->channel, ch->channel_len);
}

/* What is pruned between our looks at the table is told as well. */
static enum db_status
look_for_losses(void *arg)
{
	struct collection *c = arg;
	struct wants *wants = &c->interest->wants;
	enum db_status status = DB_OK;

	for (size_t i = 0; i < wants->n && status == DB_OK; i++)
		status = loss_look(&c->server->hub.db, wants->p[i].name,
		    wants->p[i].len, wants->p[i].is_prefix, c->answer->cursor,
		    &wants->p[i].told, &c->answer->reset);
	c->unlearned = c->unlearned && status != DB_OK;
	return status;
}

/* Reads from the cursor on; sets answer->cursor and answer->reset. */
static enum db_status
read_messages(struct server *server, struct collection *c)
{
	struct hub *hub = &server->hub;
	struct answer *answer = c->answer;
	const struct wants *wants = &c->interest->wants;
	struct backlog backlog = { .wanted = is_wanted,
		.look = look_for_losses,
		.each = collect,
		.arg = c };
	enum db_status status;
	bool done = false;

	status = hub_refresh(hub);
	if (status != DB_OK)
		return status;
	status = interest_resolve(&hub->db, c->interest, hub->newest,
	    &answer->cursor, &answer->reset);
	c->unlearned = wants->p[0].told == LOSS_UNKNOWN;
	if (backlog_by_index(wants->n, wants->nprefixes,
		hub->newest - answer->cursor)) {
		backlog.want = wants->p;
		backlog.n = wants->n;
	}
	while (status == DB_OK && !done && !is_full(c)) {
		backlog.look_first = c->unlearned;
		status = backlog_read(&hub->db, &backlog, &answer->cursor,
		    hub->newest, &done);
	}
	return status;
}

static void
answer_interest(struct server *server, struct conn *conn, struct req *req,
    struct interest *interest)
{
	struct str cors = { 0 };
	struct answer answer = { .head_only = req_is(req, "HEAD") };
	struct collection c = { .server = server,
		.interest = interest,
		.answer = &answer };
	enum db_status status;

	access_add_cors(req, &cors);
	str_addz(&cors, "");
	answer.cors = cors.p;
	status = read_messages(server, &c);
	answer.epoch = server->hub.epoch;
	answer.messages = c.messages.p;
	answer.len = c.messages.len;
	if (status != DB_OK) {
		server_db_refusal(server, req, status, server->hub.db.error);
	} else if (c.n == 0 && !answer.reset && interest->conditional) {
		if (interest->cursor.kind == CURSOR_AT)
			answer.cursor = interest->cursor.id;
		answer_not_modified(&conn->sink, &answer);
	} else if (interest->newest_only) {
		answer_text(&conn->sink, &answer);
	} else {
		answer_messages(&conn->sink, &answer);
	}
	board_add(server->board, BOARD_DELIVERED, c.n);
	str_free(&cors);
	str_free(&c.messages);
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	struct interest interest;
	bool is_text;

	if (answer_read_format(req, &is_text) == -1 ||
	    interest_read(req, &interest, false) == -1)
		return;
	interest.newest_only = is_text;
	/* Who does not know cursors wants to see how things are. */
	if (is_text && !interest.is_given)
		interest.cursor =
		    (struct cursor){ .kind = CURSOR_LAST, .id = 1 };
	answer_interest(server, conn, req, &interest);
	interest_free(&interest);
}

static const struct program program = {
	.name = "poll",
	.methods = "GET, HEAD, POST",
	.handle = handle,
};

int
main(int argc, char **argv)
{
	return server_main(&program, argc, argv);
}
