/* SPDX-License-Identifier: MIT */
/*
 * Long polling: as short polling, but where there is nothing yet the answer
 * waits for the first message or the end of `wait` seconds.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/access/access.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/intake/answer.h"
#include "shared/intake/conn.h"
#include "shared/intake/hold.h"
#include "shared/intake/interest.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/out/sink.h"
#include "shared/table/change.h"
#include "shared/wire/chunk.h"

static struct chunk *
message(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str out = { 0 };

	(void)form;
	change_add_json(&out, ch, epoch);
	return chunk_take(&out);
}

static struct chunk *
text(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str out = { 0 };

	(void)form;
	(void)epoch;
	answer_take_text(&out, ch);
	return chunk_take(&out);
}

/* Called once, with what was collected, or after the time is over. */
static void
answer(struct client *client)
{
	const struct hub *hub = client->hub;
	struct answer a = {
		.cors = client->head.p,
		.epoch = hub->epoch,
		.cursor = client->pos,
		.reset = client->was_reset,
		.messages = client->body.p,
		.len = client->body.len,
	};

	if (client->collected == 0 && !a.reset && client->conditional) {
		answer_not_modified(client->sink, &a);
		return;
	}
	/* Live and not cut short: it has all that was read so far. */
	if (client->state == CLIENT_LIVE && !client->cut_short &&
	    hub->last_id > a.cursor)
		a.cursor = hub->last_id;
	if (client->form->transport->newest_only)
		answer_text(client->sink, &a);
	else
		answer_messages(client->sink, &a);
}

static const struct transport longpoll = {
	.name = "longpoll",
	.once = true,
	.message = message,
	.answer = answer,
};

static const struct transport longpoll_text = {
	.name = "longpoll",
	.once = true,
	.newest_only = true,
	.message = text,
	.answer = answer,
};

/* Seconds, with a fraction or not.  Returns -1 after a refusal. */
static int64_t
read_wait(struct server *server, struct req *req)
{
	const struct req_arg *arg = req_arg(req, "wait");
	int64_t wait_ms = server->config.wait_ms;

	if (arg != NULL && arg->value_len > 0) {
		char *end;
		double s = strtod(arg->value, &end);

		if (*end != '\0' ||
		    strspn(arg->value, "0123456789.") != arg->value_len) {
			req_fail(req, 400, 1401,
			    "wait must be a number of seconds");
			return -1;
		}
		wait_ms = s > 86400 ? 86400000 : (int64_t)(s * 1000);
	}
	if (wait_ms > server->config.wait_max_ms)
		wait_ms = server->config.wait_max_ms;
	return wait_ms;
}

static void
answer_head(struct server *server, struct conn *conn, struct req *req,
    const struct interest *interest)
{
	const struct cursor *cursor = &interest->cursor;
	struct str cors = { 0 };
	struct answer a = { .head_only = true };

	/* Without clients the hub looks now and then alone. */
	hub_refresh(&server->hub);
	a.epoch = server->hub.epoch;
	a.cursor = server->hub.last_id;
	req_add_given(req, &cors);
	access_add_cors(req_subject(req), &cors);
	str_addz(&cors, "");
	a.cors = cors.p;
	/* Of what others got in between it knows nothing, and says so. */
	if (interest->conditional &&
	    (cursor->kind == CURSOR_LATEST ||
		(cursor->kind == CURSOR_AT && cursor->id == a.cursor &&
		    (cursor->epoch[0] == '\0' ||
			strcmp(cursor->epoch, a.epoch) == 0))))
		answer_not_modified(&conn->sink, &a);
	else if (interest->newest_only)
		answer_text(&conn->sink, &a);
	else
		answer_messages(&conn->sink, &a);
	str_free(&cors);
}

/* The request is gone by the time of the answer. */
static void
keep_head(struct server *server, struct conn *conn, const struct req *req)
{
	(void)server;
	req_add_given(req, &conn->client.head);
	access_add_cors(req_subject(req), &conn->client.head);
	str_addz(&conn->client.head, "");
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	struct interest interest;
	int64_t wait_ms = read_wait(server, req);
	bool is_text;

	if (wait_ms == -1 || answer_read_format(req, &is_text) == -1 ||
	    interest_read(req, &interest, false) == -1)
		return;
	interest.newest_only = is_text;
	if (req_is(req, "HEAD")) {
		answer_head(server, conn, req, &interest);
		interest_free(&interest);
		return;
	}
	hold_client(server, conn, is_text ? &longpoll_text : &longpoll, NULL,
	    &interest, wait_ms, keep_head);
}

static const struct program program = {
	.name = "longpoll",
	.methods = "GET, HEAD, POST",
	.handle = handle,
	.handed = conn_new_handed,
};

int
main(int argc, char **argv)
{
	return serve_main(&program, argc, argv);
}
