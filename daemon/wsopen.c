/* SPDX-License-Identifier: MIT */
/* From the head of the handshake to an open connection, or to a refusal. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/handshake.h"
#include "daemon/wsconn.h"
#include "daemon/wsform.h"
#include "daemon/wsopen.h"
#include "daemon/wsread.h"
#include "shared/access/access.h"
#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/descriptors.h"
#include "shared/base/str.h"
#include "shared/engine/hub.h"
#include "shared/intake/req.h"
#include "shared/intake/seek.h"
#include "shared/intake/server.h"
#include "shared/wire/chunk.h"
#include "shared/wire/http.h"
#include "shared/wire/wsdeflate.h"

#define SUBPROTOCOL "tidings.json"
#define FOREVER_MS  (INT64_C(10) * 365 * 86400000)

static const char crowded[] = "this server holds as many clients as it may";

static void
refuse(struct wsconn *conn, int status, int site, const char *why)
{
	struct str body = { 0 }, headers = { 0 };

	wsconn_set_state(conn, WS_REFUSED);
	if (conn->sink.ended)
		return; /* something else has answered */
	str_addz(&headers, "Cache-Control: no-store\r\n");
	if (status == 503)
		str_addf(&headers, "Retry-After: %u\r\n", 1 + clock_jitter(3));
	if (status == 405)
		str_addz(&headers, "Allow: GET\r\n");
	if (status == 426)
		str_addz(&headers, "Upgrade: websocket\r\n"
				   "Sec-WebSocket-Version: 13\r\n");
	req_problem(&body, status, site, why);
	req_answer(conn->req, status, "application/problem+json", headers.p,
	    body.p, body.len);
	str_free(&headers);
	str_free(&body);
}

static void
answer(struct wsconn *conn, const char *accept,
    const struct ws_deflate *deflate)
{
	const struct client *client = &conn->client;
	struct str out = { 0 };

	str_addf(&out,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
	    accept);
	if (conn->is_json)
		str_addz(&out, "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n");
	if (deflate->window_bits != 0) {
		str_addz(&out, "Sec-WebSocket-Extensions: ");
		ws_deflate_answer(deflate, &out);
		str_addz(&out, "\r\n");
	}
	if (client->hub != NULL)
		str_addf(&out, "Tidings-Cursor: %s-%lld\r\n%s",
		    client->hub->epoch, (long long)client->pos,
		    client->reset ? "Tidings-Reset: true\r\n" : "");
	req_add_given(conn->req, &out);
	str_addz(&out, "\r\n");
	sink_push(&conn->sink, chunk_take(&out));
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* Connections of all kinds count here, echoes and those that close too. */
static bool
is_crowded(const struct wsconn *conn)
{
	return (int64_t)wsconn_count_taken() >
		   conn->server->config.max_clients ||
	       (conn->sink.kind != SINK_LINK && descriptors_are_short());
}

/*
 * The echo: by its name, and where it is configured what asks for nothing, as
 * new WebSocket("ws://host:9999") does.
 */
static bool
is_echo(const struct wsconn *conn)
{
	const char *path = req_var(conn->req, "SCRIPT_NAME");

	return ends_with(path, "/echo") ||
	       (conn->server->config.ws_echo && !conn->is_json &&
		   strcmp(path, "/") == 0 &&
		   req_var(conn->req, "QUERY_STRING")[0] == '\0');
}

static bool
is_path_known(const struct wsconn *conn, const char *path)
{
	if (conn->is_echo)
		return conn->server->config.ws_echo;
	return ends_with(path, "/ws") || strcmp(path, "/") == 0;
}

/* Returns 0, or the status of the refusal with its reason in *why. */
static int
check(const struct wsconn *conn, char *accept, struct ws_deflate *deflate,
    const char **why)
{
	const struct req *req = conn->req;
	int status = handshake_check(req, accept, why);

	if (status != 0)
		return status;
	if (!ws_deflate_choose(req_var(req, "HTTP_SEC_WEBSOCKET_EXTENSIONS"),
		deflate)) {
		*why = "Sec-WebSocket-Extensions is not a list of extensions";
		return 400;
	}
	if (!is_path_known(conn, req_var(req, "SCRIPT_NAME"))) {
		*why = "there is no WebSocket at this path";
		return 404;
	}
	if (is_crowded(conn)) {
		*why = crowded;
		return 503;
	}
	if (!access_origin_allowed(req_subject(req))) {
		*why = access_sentence(ACCESS_BAD_ORIGIN);
		return 403;
	}
	return 0;
}

/* A handshake whose cursor is being looked up. */
struct opening {
	struct seek seek;          /* first: it is found so */
	struct wsconn *conn;       /* who waits */
	struct ws_deflate deflate; /* agreed on */
	char accept[32];           /* of the answer */
	bool late;                 /* the head was read in another turn */
};

static void
free_opening(struct seek *seek)
{
	seek_free(seek);
	free(seek);
}

static bool
is_full(const struct server *server)
{
	return (int64_t)server->hub.nclients >= server->config.max_clients;
}

/* Attaches the subscriber.  Returns false if the request is answered. */
static bool
attach(struct opening *o, enum db_status status)
{
	struct wsconn *conn = o->conn;
	struct server *server = conn->server;

	if (status != DB_OK) {
		server_db_refusal(server, conn->req, status,
		    server->hub.db.error);
		return false;
	}
	if (is_full(server)) {
		board_add(server->board, BOARD_REFUSED, 1);
		req_fail(conn->req, 503, 1601, "%s", crowded);
		return false;
	}
	conn->client.gone = wsconn_client_gone;
	client_attach(&conn->client, &server->hub, &conn->sink,
	    wsform_get(&server->hub, conn->is_json, conn->window_bits),
	    &o->seek.place, FOREVER_MS);
	return true;
}

static void
on_place(struct seek *seek, enum db_status status)
{
	struct opening *o = (struct opening *)(void *)seek;
	struct wsconn *conn = o->conn;
	bool late = o->late;

	conn->seek = NULL;
	if (late)
		wsconn_hold(conn);
	if (attach(o, status)) {
		answer(conn, o->accept, &o->deflate);
		wsconn_opened(conn);
	} else {
		refuse(conn, 503, 1603, "");
	}
	free_opening(seek);
	if (!late)
		return;
	/* What came behind the head is to be read now. */
	if (conn->state == WS_OPEN)
		wsread_resume(conn);
	else if (conn->state == WS_REFUSED)
		sink_want_input(&conn->sink, true);
	wsconn_release(conn);
}

/*
 * Looks the cursor up, which may take some turns: nothing is read meanwhile.
 * Returns false if the request is answered.
 */
static bool
seek_place(struct wsconn *conn, const char *accept,
    const struct ws_deflate *deflate)
{
	struct opening *o;
	struct interest interest;

	if (req_parse_args(conn->req) == -1 ||
	    interest_read(conn->req, &interest, conn->is_json) == -1)
		return false;
	o = xcalloc(1, sizeof(*o));
	o->seek.interest = interest;
	o->seek.found = on_place;
	o->seek.drop = free_opening;
	o->conn = conn;
	o->deflate = *deflate;
	snprintf(o->accept, sizeof(o->accept), "%s", accept);
	conn->seek = &o->seek;
	seek_begin(&o->seek, &conn->server->hub);
	if (conn->seek != NULL) {
		o->late = true;
		sink_want_input(&conn->sink, false);
	}
	return true;
}

/* The head is whole: answer it. */
static void
open_or_refuse(struct wsconn *conn)
{
	struct req *req = conn->req;
	struct ws_deflate deflate = { 0 };
	const char *why = "";
	char accept[32];
	int status;

	board_add(conn->server->board, BOARD_REQUESTS, 1);
	conn->is_json =
	    handshake_offers(req_var(req, "HTTP_SEC_WEBSOCKET_PROTOCOL"),
		SUBPROTOCOL);
	conn->is_echo = is_echo(conn);
	conn->is_json = conn->is_json && !conn->is_echo;
	status = check(conn, accept, &deflate, &why);
	if (!conn->server->config.ws_deflate)
		deflate = (struct ws_deflate){ 0 };
	conn->window_bits = deflate.window_bits;
	if (status != 0) {
		refuse(conn, status, 1602, why);
	} else if (conn->is_echo) {
		answer(conn, accept, &deflate);
		wsconn_opened(conn);
	} else if (!seek_place(conn, accept, &deflate)) {
		refuse(conn, 400, 1607, "");
	}
}

static void
begin(struct wsconn *conn, struct req *req)
{
	conn->req = req;
	req->config = &conn->server->config;
	req->sink = &conn->sink;
	req->epoch = conn->server->hub.epoch;
}

void
wsopen_handed(struct wsconn *conn, struct req *req)
{
	begin(conn, req);
	open_or_refuse(conn);
}

void
wsopen_refuse_unread(struct wsconn *conn)
{
	begin(conn, xcalloc(1, sizeof(*conn->req)));
	board_add(conn->server->board, BOARD_REFUSED, 1);
	refuse(conn, 503, 1606, crowded);
}

size_t
wsopen_read(struct wsconn *conn, const unsigned char *bytes, size_t len)
{
	struct http_in *head = conn->head;
	size_t used;
	enum http_event event = http_read(head, bytes, len, &used);

	if (event == HTTP_EV_MORE)
		return used;
	conn->head = NULL;
	begin(conn, xcalloc(1, sizeof(*conn->req)));
	handshake_fill(head, conn->req, conn->req->config, conn->peer);
	if (event == HTTP_EV_BAD)
		refuse(conn, head->status, 1604, head->why);
	else
		open_or_refuse(conn);
	http_in_free(head);
	free(head);
	return used;
}
