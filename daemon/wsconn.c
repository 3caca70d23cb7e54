/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket connection: handshake, frames, the close handshake.  It is a
 * client of the hub like any other; what is its own is the framing and that it
 * can be spoken to.
 */
#include "config.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/handshake.h"
#include "daemon/wsconn.h"
#include "daemon/wsform.h"
#include "daemon/wsop.h"
#include "shared/access.h"
#include "shared/board.h"
#include "shared/chunk.h"
#include "shared/clock.h"
#include "shared/config_file.h"
#include "shared/hub.h"
#include "shared/interest.h"
#include "shared/log.h"
#include "shared/req.h"
#include "shared/server.h"
#include "shared/str.h"

#define READ_SIZE   65536
#define HANDSHAKE_S 10.0      /* for the head to come in */
#define CLOSING_S   3.0       /* for the peer to answer a close frame */
#define SILENT_MAX  3         /* heartbeats without a byte: gone */
#define QUEUE_HIGH  (1 << 20) /* bytes of answers; above, no more is read */
#define FOREVER_MS  (INT64_C(10) * 365 * 86400000)

static LIST_HEAD(, wsconn) conns = LIST_HEAD_INITIALIZER(conns);
static unsigned nconns;

static const unsigned edges[WS__MAX] = {
	[WS_HANDSHAKE] = 1u << WS_REFUSED | 1u << WS_OPEN | 1u << WS_GONE,
	[WS_REFUSED] = 1u << WS_GONE,
	[WS_OPEN] = 1u << WS_CLOSING | 1u << WS_GONE,
	[WS_CLOSING] = 1u << WS_GONE,
};

static void
set_state(struct wsconn *conn, enum ws_state state)
{
	log_debug("connection %p: state %d -> %d", (void *)conn, conn->state,
	    state);
	assert(edges[conn->state] & 1u << state);
	conn->state = (uint8_t)state;
}

static void
drop_req(struct wsconn *conn)
{
	if (conn->req == NULL)
		return;
	req_free(conn->req);
	free(conn->req);
	conn->req = NULL;
}

/* Closes at once; the struct stays while the writer has jobs of it. */
static void
wsconn_close(struct wsconn *conn)
{
	struct server *server = conn->server;

	if (conn->state != WS_GONE) {
		set_state(conn, WS_GONE);
		client_detach(&conn->client);
		ev_timer_stop(EV_DEFAULT_UC_ & conn->timer);
		sink_close(&conn->sink);
		handshake_free(conn->hs);
		conn->hs = NULL;
		ws_in_free(&conn->in);
		drop_req(conn);
		LIST_REMOVE(conn, link);
		nconns--;
	}
	if (conn->jobs == 0)
		free(conn);
	if (server->stopping && nconns == 0)
		ev_break(EV_DEFAULT_UC_ EVBREAK_ALL);
}

/* Our side is done: the peer is to close, or time does. */
static void
half_close(struct wsconn *conn)
{
	shutdown(conn->sink.fd, SHUT_WR);
	conn->timer.repeat = CLOSING_S;
	ev_timer_again(EV_DEFAULT_UC_ & conn->timer);
}

/* Writes what is queued; may close. */
static void
flush(struct wsconn *conn)
{
	if (sink_flush(&conn->sink, clock_mono_ms()) == -1)
		wsconn_close(conn);
	else if (conn->sink.ended && conn->sink.count == 0)
		half_close(conn);
}

static void
on_gone(struct client *client)
{
	struct wsconn *conn =
	    (void *)((char *)client - offsetof(struct wsconn, client));

	if (conn->sink.fd == -1 || !conn->sink.ended || conn->sink.count > 0) {
		wsconn_close(conn);
		return;
	}
	/* It was ended in an orderly way: 1012 is out. */
	client_detach(client);
	if (conn->state == WS_OPEN)
		set_state(conn, WS_CLOSING);
	half_close(conn);
}

void
wsconn_send(struct wsconn *conn, struct chunk *frame)
{
	if (conn->state != WS_OPEN) {
		chunk_unref(frame);
		return;
	}
	sink_push(&conn->sink, frame);
}

void
wsconn_fail(struct wsconn *conn, enum ws_code code, const char *reason)
{
	if (conn->state != WS_OPEN)
		return;
	client_detach(&conn->client);
	sink_push(&conn->sink, ws_close_frame(code, reason));
	sink_end(&conn->sink);
	set_state(conn, WS_CLOSING);
}

void
wsconn_job_done(struct wsconn *conn)
{
	conn->jobs--;
	if (conn->state == WS_GONE)
		wsconn_close(conn);
	else
		flush(conn);
}

/* A whole message from the client. */
static void
on_message(struct wsconn *conn)
{
	struct ws_in *in = &conn->in;

	if (conn->is_echo)
		wsconn_send(conn, ws_frame((enum ws_opcode)in->opcode,
				      in->message.len > 0 ? in->message.p : "",
				      in->message.len));
	else if (!conn->is_json)
		wsconn_fail(conn, WS_CODE_UNSUPPORTED,
		    "sending needs the subprotocol tidings.json");
	else if (in->opcode != WS_TEXT)
		wsconn_fail(conn, WS_CODE_UNSUPPORTED,
		    "operations are text, not binary");
	else
		wsop_handle(conn, in->message.len > 0 ? in->message.p : "",
		    in->message.len);
}

static void
read_frames(struct wsconn *conn, const void *bytes, size_t len)
{
	struct ws_in *in = &conn->in;

	ws_feed(in, bytes, len);
	while (conn->state == WS_OPEN) {
		switch (ws_read(in)) {
		case WS_EV_MORE:
			return;
		case WS_EV_MESSAGE:
			on_message(conn);
			break;
		case WS_EV_PING:
			wsconn_send(conn,
			    ws_frame(WS_PONG,
				in->control.len > 0 ? in->control.p : "",
				in->control.len));
			break;
		case WS_EV_PONG:
			break;
		case WS_EV_CLOSE:
			wsconn_fail(conn, (enum ws_code)in->code, "");
			break;
		case WS_EV_BAD:
			wsconn_fail(conn, (enum ws_code)in->code, "");
			break;
		}
	}
}

static void
refuse(struct wsconn *conn, struct req *req, int status, int site,
    const char *why)
{
	struct str body = { 0 }, headers = { 0 };

	set_state(conn, WS_REFUSED);
	if (conn->sink.ended)
		return; /* something else has answered */
	str_addz(&headers, "Cache-Control: no-store\r\n");
	if (status == 503)
		str_addf(&headers, "Retry-After: %u\r\n", 1 + clock_jitter(3));
	if (status == 426)
		str_addz(&headers, "Upgrade: websocket\r\n"
				   "Sec-WebSocket-Version: 13\r\n");
	req_problem(&body, status, site, why);
	req_answer(req, status, "application/problem+json", headers.p, body.p,
	    body.len);
	str_free(&headers);
	str_free(&body);
}

static void
accept_handshake(struct wsconn *conn, const char *accept)
{
	struct client *client = &conn->client;
	struct str out = { 0 };

	str_addf(&out,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
	    accept);
	if (conn->is_json)
		str_addz(&out, "Sec-WebSocket-Protocol: tidings.json\r\n");
	if (client->hub != NULL)
		str_addf(&out, "Tidings-Cursor: %s-%lld\r\n%s",
		    client->hub->epoch, (long long)client->pos,
		    client->reset ? "Tidings-Reset: true\r\n" : "");
	str_addz(&out, "\r\n");
	sink_push(&conn->sink, chunk_take(&out));
	set_state(conn, WS_OPEN);
	conn->in.max_message = (size_t)conn->server->config.ws_max_message;
	conn->timer.repeat = (double)conn->server->config.heartbeat_ms / 1000;
	ev_timer_again(EV_DEFAULT_UC_ & conn->timer);
	if (client->hub != NULL)
		client_start(client);
	else
		flush(conn);
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* Attaches a subscriber.  Returns false if the request is answered. */
static bool
attach(struct wsconn *conn, struct req *req)
{
	struct server *server = conn->server;
	struct interest interest;
	enum db_status status = DB_BUSY;

	if (req_parse_args(req) == -1 ||
	    interest_read(req, &interest, conn->is_json) == -1)
		return false;
	conn->client.gone = on_gone;
	if ((int64_t)server->hub.nclients < server->config.max_clients) {
		status = client_attach(&conn->client, &server->hub, &conn->sink,
		    hub_form(&server->hub, conn->is_json ? &ws_json : &ws_raw,
			NULL),
		    &interest, FOREVER_MS);
		if (status != DB_OK)
			server_db_refusal(server, req, status,
			    server->hub.db.error);
	} else {
		board_add(server->board, BOARD_REFUSED, 1);
		req_fail(req, 503, 1601,
		    "this server holds as many clients as it may");
	}
	interest_free(&interest);
	return status == DB_OK;
}

/* Connections of all kinds count here, echoes and those that close too. */
static bool
is_crowded(const struct server *server)
{
	return (int64_t)nconns > server->config.max_clients;
}

/* The head is whole: answer it. */
static void
open_or_refuse(struct wsconn *conn)
{
	struct req *req = conn->req;
	const char *path = req_var(req, "SCRIPT_NAME"), *why = "";
	char accept[32];
	int status;

	board_add(conn->server->board, BOARD_REQUESTS, 1);
	conn->is_echo = ends_with(path, "/echo");
	conn->is_json =
	    !conn->is_echo &&
	    handshake_has_token(req_var(req, "HTTP_SEC_WEBSOCKET_PROTOCOL"),
		"tidings.json");
	status = handshake_check(req, accept, &why);
	if (status == 0 && (conn->is_echo ? !conn->server->config.ws_echo
					  : !ends_with(path, "/ws") &&
						strcmp(path, "/") != 0)) {
		status = 404;
		why = "there is no WebSocket at this path";
	}
	if (status == 0 && is_crowded(conn->server)) {
		status = 503;
		why = "this server holds as many clients as it may";
	}
	if (status == 0 && !access_origin_allowed(req)) {
		status = 403;
		why = access_sentence(ACCESS_BAD_ORIGIN);
	}
	if (status != 0) {
		refuse(conn, req, status, 1602, why);
	} else if (!conn->is_echo && !attach(conn, req)) {
		refuse(conn, req, 503, 1603, "");
	} else {
		conn->may_publish = access_may_publish(req, NULL) == ACCESS_YES;
		accept_handshake(conn, accept);
	}
}

static void
read_handshake(struct wsconn *conn, const unsigned char *bytes, size_t len)
{
	size_t used;
	enum handshake_event event =
	    handshake_read(conn->hs, bytes, len, &used);

	if (event == HANDSHAKE_MORE)
		return;
	conn->req = xcalloc(1, sizeof(*conn->req));
	conn->req->config = &conn->server->config;
	conn->req->sink = &conn->sink;
	handshake_fill(conn->hs, conn->req, &conn->server->config, conn->peer);
	handshake_free(conn->hs);
	conn->hs = NULL;
	if (event == HANDSHAKE_BAD)
		refuse(conn, conn->req, 400, 1604, "this is not HTTP");
	else if (event == HANDSHAKE_TOO_LONG)
		refuse(conn, conn->req, 431, 1605, "the head is too long");
	else
		open_or_refuse(conn);
	if (conn->state == WS_OPEN && used < len)
		read_frames(conn, bytes + used, len - used);
}

static void
on_readable(struct sink *sink)
{
	static unsigned char buf[READ_SIZE];
	struct wsconn *conn = (struct wsconn *)(void *)sink;
	ssize_t n = recv(sink->fd, buf, sizeof(buf), 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		wsconn_close(conn);
		return;
	}
	conn->heard_ms = clock_mono_ms();
	/* Kept from being freed by what the bytes bring about. */
	conn->jobs++;
	if (conn->state == WS_HANDSHAKE)
		read_handshake(conn, buf, (size_t)n);
	else if (conn->state == WS_OPEN)
		read_frames(conn, buf, (size_t)n);
	conn->jobs--;
	if (conn->state == WS_GONE) {
		wsconn_close(conn);
		return;
	}
	/* Who does not read our answers is not read from either. */
	if (conn->state == WS_OPEN && sink->queued > QUEUE_HIGH)
		sink_want_input(sink, false);
	flush(conn);
}

static void
on_drained(struct sink *sink)
{
	struct wsconn *conn = (struct wsconn *)(void *)sink;

	sink_want_input(sink, true);
	if (sink->ended)
		half_close(conn);
	else if (conn->client.hub != NULL)
		client_drained(&conn->client);
}

static void
on_failed(struct sink *sink)
{
	wsconn_close((struct wsconn *)(void *)sink);
}

static const struct sink_ops ops = { on_readable, on_drained, on_failed };

/* Pings the silent; a deadline in every state but WS_OPEN. */
static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wsconn *conn = timer->data;
	int64_t now_ms = clock_mono_ms(), silent_ms = now_ms - conn->heard_ms;
	int64_t beat_ms = conn->server->config.heartbeat_ms;

	(void)loop;
	(void)revents;
	/* While we write and do not read, what it takes is its sign of life. */
	if (conn->sink.blocked && conn->sink.progress_ms > conn->heard_ms)
		silent_ms = now_ms - conn->sink.progress_ms;
	if (conn->state != WS_OPEN || silent_ms >= SILENT_MAX * beat_ms) {
		wsconn_close(conn);
		return;
	}
	if (silent_ms * 10 >= beat_ms * 9)
		wsconn_send(conn, ws_frame(WS_PING, "", 0));
	flush(conn);
}

static void
name_peer(struct wsconn *conn, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int on = 1;

	memcpy(conn->peer, "unix", 5);
	if (getpeername(fd, (void *)&ss, &len) == -1)
		return;
	if (ss.ss_family == AF_INET)
		inet_ntop(AF_INET,
		    &((struct sockaddr_in *)(void *)&ss)->sin_addr, conn->peer,
		    sizeof(conn->peer));
	else if (ss.ss_family == AF_INET6)
		inet_ntop(AF_INET6,
		    &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr,
		    conn->peer, sizeof(conn->peer));
	if (ss.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
wsconn_new(struct server *server, int fd)
{
	struct wsconn *conn;

	/* Room for a sentence to each, but not for ever more of them. */
	if ((int64_t)nconns > server->config.max_clients * 2) {
		board_add(server->board, BOARD_REFUSED, 1);
		close(fd);
		return;
	}
	conn = xcalloc(1, sizeof(*conn));
	conn->server = server;
	conn->hs = handshake_new();
	conn->heard_ms = clock_mono_ms();
	name_peer(conn, fd);
	sink_open(&conn->sink, SINK_RAW, fd, &ops, conn->heard_ms);
	ev_init(&conn->timer, on_timer);
	conn->timer.repeat = HANDSHAKE_S;
	conn->timer.data = conn;
	ev_timer_again(EV_DEFAULT_UC_ & conn->timer);
	LIST_INSERT_HEAD(&conns, conn, link);
	nconns++;
}

unsigned
wsconn_count(void)
{
	return nconns;
}

unsigned
wsconn_stop_all(void)
{
	struct wsconn *conn, *next;

	for (conn = LIST_FIRST(&conns); conn != NULL; conn = next) {
		next = LIST_NEXT(conn, link);
		if (conn->state == WS_OPEN)
			wsconn_fail(conn, WS_CODE_RESTART,
			    "the server restarts");
		else if (conn->state == WS_HANDSHAKE) {
			wsconn_close(conn);
			continue;
		}
		flush(conn);
	}
	return nconns;
}

void
wsconn_free_all(void)
{
	struct wsconn *conn, *next;

	for (conn = LIST_FIRST(&conns); conn != NULL; conn = next) {
		next = LIST_NEXT(conn, link);
		wsconn_close(conn);
	}
}
