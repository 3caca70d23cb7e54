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
#include "shared/server.h"
#include "shared/sink.h"
#include "shared/str.h"

#define ANSWER_HIGH (1 << 20) /* bytes in one answer */

/* Messages for one answer. */
struct collection {
	const struct server *server; /* for epoch and limits */
	struct str messages;         /* JSON objects with commas between */
	int64_t n;                   /* how many */
};

static bool
is_full(const struct collection *c)
{
	return c->n >= c->server->config.max_messages ||
	       c->messages.len >= ANSWER_HIGH;
}

static bool
collect(const struct change *ch, void *arg)
{
	struct collection *c = arg;

	if (c->n++ > 0)
		str_addz(&c->messages, ",");
	change_add_json(&c->messages, ch, c->server->hub.epoch);
	return !is_full(c);
}

/* Reads from the cursor on; sets answer->cursor and answer->reset. */
static enum db_status
read_messages(struct server *server, const struct interest *interest,
    struct collection *c, struct answer *answer)
{
	struct hub *hub = &server->hub;
	enum db_status status;
	bool done = false;

	status = hub_refresh(hub);
	if (status != DB_OK)
		return status;
	status = interest_resolve(&hub->db, interest->want, interest->n,
	    &interest->cursor, hub->newest, &answer->cursor, &answer->reset);
	while (status == DB_OK && !done && !is_full(c))
		status = backlog_read(&hub->db, interest->want, interest->n,
		    &answer->cursor, hub->newest, collect, c, &done);
	return status;
}

static void
answer_interest(struct server *server, struct conn *conn, struct req *req,
    const struct interest *interest)
{
	struct collection c = { .server = server };
	struct str cors = { 0 };
	struct answer answer = { .head_only = req_is(req, "HEAD") };
	enum db_status status;

	access_add_cors(req, &cors);
	str_addz(&cors, "");
	answer.cors = cors.p;
	status = read_messages(server, interest, &c, &answer);
	answer.epoch = server->hub.epoch;
	answer.messages = c.messages.p;
	answer.len = c.messages.len;
	if (status != DB_OK) {
		server_db_refusal(server, req, status, server->hub.db.error);
	} else if (c.n == 0 && !answer.reset && interest->conditional &&
		   interest->cursor.kind == CURSOR_AT) {
		answer.cursor = interest->cursor.id;
		answer_not_modified(&conn->sink, &answer);
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

	if (interest_read(req, &interest, false) == -1)
		return;
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
