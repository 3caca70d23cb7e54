/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket connection: its states, pings, the close handshake.  It is a
 * client of the hub like any other; what is its own is the framing and that it
 * can be spoken to (daemon/wsread).
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/wsconn.h"
#include "daemon/wsopen.h"
#include "daemon/wsread.h"
#include "shared/access/access.h"
#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/descriptors.h"
#include "shared/base/log.h"
#include "shared/engine/hub.h"
#include "shared/intake/link.h"
#include "shared/intake/listener.h"
#include "shared/intake/req.h"
#include "shared/intake/server.h"
#include "shared/wire/chunk.h"
#include "shared/wire/http.h"

#define READ_SIZE  65536
#define SILENT_MAX 3  /* heartbeats without a byte: gone */
#define LOOK_MAX   64 /* of those that end, for one to be given up */

/* All, the newest first; those that end lie apart, the oldest first. */
static TAILQ_HEAD(wsconns, wsconn) conns = TAILQ_HEAD_INITIALIZER(conns);
static struct wsconns ending = TAILQ_HEAD_INITIALIZER(ending);
static unsigned nconns, nrefused; /* all; of them those that were refused */

static const unsigned edges[WS__MAX] = {
	[WS_HANDSHAKE] = 1u << WS_REFUSED | 1u << WS_OPEN | 1u << WS_GONE,
	[WS_REFUSED] = 1u << WS_GONE,
	[WS_OPEN] = 1u << WS_CLOSING | 1u << WS_GONE,
	[WS_CLOSING] = 1u << WS_GONE,
};

static void
lay_apart(struct wsconn *conn)
{
	if (!conn->is_apart) {
		TAILQ_REMOVE(&conns, conn, link);
		TAILQ_INSERT_TAIL(&ending, conn, link);
	}
	conn->is_apart = true;
}

void
wsconn_set_state(struct wsconn *conn, enum ws_state state)
{
	log_debug("connection %p: state %d -> %d", (void *)conn, conn->state,
	    state);
	assert(edges[conn->state] & 1u << state);
	conn->state = (uint8_t)state;
	nrefused += state == WS_REFUSED;
	if (state == WS_REFUSED || state == WS_CLOSING)
		lay_apart(conn);
}

static void
set_timer(struct wsconn *conn, int64_t ms)
{
	conn->timer.repeat = ms <= 0 ? 0.001 : (double)ms / 1000;
	ev_timer_again(EV_DEFAULT_UC_ & conn->timer);
}

void
wsconn_set_timer(struct wsconn *conn)
{
	const struct config *config = &conn->server->config;
	int64_t ms = config->heartbeat_ms, left;

	if (conn->message_ms != 0) {
		left =
		    conn->message_ms + config->ws_message_ms - clock_mono_ms();
		ms = left < ms ? left : ms;
	}
	set_timer(conn, ms);
}

static void
drop_head(struct wsconn *conn)
{
	if (conn->head == NULL)
		return;
	http_in_free(conn->head);
	free(conn->head);
	conn->head = NULL;
}

/* Closes at once; the struct stays while the writer has jobs of it. */
static void
wsconn_close(struct wsconn *conn)
{
	struct server *server = conn->server;

	if (conn->state != WS_GONE) {
		nrefused -= conn->state == WS_REFUSED;
		wsconn_set_state(conn, WS_GONE);
		client_detach(&conn->client);
		ev_timer_stop(EV_DEFAULT_UC_ & conn->timer);
		sink_close(&conn->sink);
		drop_head(conn);
		wsread_drop(conn);
		req_drop(&conn->req);
		TAILQ_REMOVE(conn->is_apart ? &ending : &conns, conn, link);
		nconns--;
	}
	if (conn->jobs == 0)
		free(conn);
	if (server->stopping && nconns == 0)
		ev_break(EV_DEFAULT_UC_ EVBREAK_ALL);
}

/*
 * Our side is done: the peer is to close, or time does.  Returns false if the
 * connection is no more.
 */
static bool
half_close(struct wsconn *conn)
{
	if (conn->half_closed)
		return true;
	if (!sink_shut(&conn->sink)) {
		wsconn_close(conn);
		return false;
	}
	conn->half_closed = true;
	set_timer(conn, conn->server->config.ws_closing_ms);
	return true;
}

/* Writes what is queued.  Returns false if the connection is no more. */
static bool
flush(struct wsconn *conn)
{
	if (sink_flush(&conn->sink, clock_mono_ms()) == -1) {
		wsconn_close(conn);
		return false;
	}
	if (conn->sink.count > 0)
		return true;
	if (conn->sink.ended)
		return half_close(conn);
	if (conn->client.hub != NULL && conn->client.full)
		client_drained(&conn->client);
	return true;
}

void
wsconn_client_gone(struct client *client)
{
	wsconn_close(
	    (void *)((char *)client - offsetof(struct wsconn, client)));
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
	wsconn_set_state(conn, WS_CLOSING);
	/* What still comes is read and thrown away. */
	wsread_drop(conn);
	sink_want_input(&conn->sink, true);
	set_timer(conn, conn->server->config.ws_closing_ms);
}

void
wsconn_job_done(struct wsconn *conn)
{
	conn->jobs--;
	if (conn->state == WS_GONE) {
		wsconn_close(conn);
		return;
	}
	if (conn->last_jobs && conn->jobs == 0)
		wsconn_fail(conn, WS_CODE_RESTART, "the server restarts");
	if (flush(conn))
		wsread_later(conn);
}

void
wsconn_hold(struct wsconn *conn)
{
	conn->jobs++;
}

void
wsconn_release(struct wsconn *conn)
{
	conn->jobs--;
	if (conn->state == WS_GONE)
		wsconn_close(conn);
	else if (flush(conn))
		wsread_later(conn);
}

void
wsconn_receive(struct wsconn *conn)
{
	static unsigned char buf[READ_SIZE];
	ssize_t n = sink_read(&conn->sink, buf, sizeof(buf));
	size_t used = 0;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		wsconn_close(conn);
		return;
	}
	conn->heard_ms = clock_mono_ms();
	if (conn->state == WS_HANDSHAKE)
		used = wsopen_read(conn, buf, (size_t)n);
	if (conn->state == WS_OPEN && used < (size_t)n)
		wsread_bytes(conn, buf + used, (size_t)n - used);
	else if (conn->state == WS_HANDSHAKE && conn->seek != NULL)
		str_add(&conn->rest, buf + used, (size_t)n - used);
}

static void
on_readable(struct sink *sink)
{
	struct wsconn *conn = (struct wsconn *)(void *)sink;

	if (conn->state == WS_OPEN && wsread_put_off(conn))
		return;
	wsconn_hold(conn);
	wsconn_receive(conn);
	wsconn_release(conn);
}

static void
on_drained(struct sink *sink)
{
	struct wsconn *conn = (struct wsconn *)(void *)sink;

	if (sink->ended) {
		half_close(conn);
		return;
	}
	if (conn->client.hub != NULL)
		client_drained(&conn->client);
	wsread_later(conn);
}

static void
on_failed(struct sink *sink)
{
	wsconn_close((struct wsconn *)(void *)sink);
}

static void
on_leave(struct sink *sink)
{
	struct wsconn *conn = (struct wsconn *)(void *)sink;

	if (conn->state == WS_OPEN)
		wsconn_restart(conn);
}

static const struct sink_ops ops = { on_readable, on_drained, on_failed,
	on_leave };

/* Pings the silent and ends the dead. */
static void
look_at_open(struct wsconn *conn, int64_t now_ms)
{
	const struct config *config = &conn->server->config;
	int64_t silent_ms = now_ms - conn->heard_ms;
	int64_t beat_ms = config->heartbeat_ms;

	/* While we write and do not read, what it takes is its sign of life. */
	if (conn->sink.blocked && conn->sink.progress_ms > conn->heard_ms)
		silent_ms = now_ms - conn->sink.progress_ms;
	if (silent_ms >= SILENT_MAX * beat_ms) {
		wsconn_close(conn);
		return;
	}
	if (silent_ms * 10 >= beat_ms * 9)
		wsconn_send(conn, ws_frame(WS_PING, "", 0));
	if (wsread_is_late(conn, now_ms))
		wsconn_fail(conn, WS_CODE_POLICY,
		    "a message came in too slowly");
	else
		wsconn_set_timer(conn);
	flush(conn);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wsconn *conn = timer->data;
	int64_t now_ms = clock_mono_ms();
	int64_t closing_ms = conn->server->config.ws_closing_ms;

	(void)loop;
	(void)revents;
	if (conn->state == WS_OPEN)
		look_at_open(conn, now_ms);
	else if (conn->state == WS_CLOSING && conn->sink.blocked &&
		 now_ms - conn->sink.progress_ms < closing_ms)
		set_timer(conn, closing_ms); /* it still takes what is queued */
	else
		wsconn_close(conn);
}

void
wsconn_opened(struct wsconn *conn)
{
	const struct config *config = &conn->server->config;

	wsconn_set_state(conn, WS_OPEN);
	conn->access =
	    (uint8_t)access_may_publish(req_subject(conn->req), NULL);
	req_keep(conn->req, access_vars, ACCESS_VARS);
	conn->in.max_message = (size_t)config->ws_max_message;
	conn->in.deflate = conn->window_bits != 0;
	wsconn_set_timer(conn);
	if (conn->client.hub != NULL)
		client_start(&conn->client);
}

static struct wsconn *
new_conn(struct server *server)
{
	struct wsconn *conn = xcalloc(1, sizeof(*conn));

	conn->server = server;
	conn->heard_ms = clock_mono_ms();
	ev_init(&conn->timer, on_timer);
	conn->timer.data = conn;
	set_timer(conn, server->config.ws_handshake_ms);
	TAILQ_INSERT_HEAD(&conns, conn, link);
	nconns++;
	return conn;
}

bool
wsconn_relieve(void)
{
	struct wsconn *conn;
	int looks = 0;

	TAILQ_FOREACH(conn, &ending, link) {
		if (conn->half_closed && conn->jobs == 0) {
			wsconn_close(conn);
			return true;
		}
		if (++looks == LOOK_MAX)
			break;
	}
	return false;
}

/*
 * Room for a sentence to each, but not for ever more of them: where there are
 * too many, or descriptors for sentences alone, nobody's head is waited for.
 */
void
wsconn_new(struct server *server, int fd)
{
	bool overrun = (int64_t)nconns > server->config.max_clients * 2;
	struct wsconn *conn;

	if (overrun)
		wsconn_relieve();
	conn = new_conn(server);
	conn->head = xcalloc(1, sizeof(*conn->head));
	listener_name_peer(fd, conn->peer, sizeof(conn->peer));
	sink_open(&conn->sink, SINK_RAW, fd, &ops, conn->heard_ms);
	if (!overrun && !descriptors_are_short())
		return;
	wsconn_hold(conn);
	wsopen_refuse_unread(conn);
	wsconn_release(conn);
}

void
wsconn_new_handed(struct server *server, const struct handed *from,
    struct req *req)
{
	struct wsconn *conn = new_conn(server);

	link_open_sink(&conn->sink, from, &ops, conn->heard_ms);
	wsconn_hold(conn);
	wsopen_handed(conn, req);
	wsconn_release(conn);
}

unsigned
wsconn_count(void)
{
	return nconns;
}

unsigned
wsconn_count_taken(void)
{
	return nconns - nrefused;
}

void
wsconn_reload(struct server *server)
{
	int64_t asked_ms = clock_mono_ms() - server->config.heartbeat_ms;
	struct wsconn *conn;

	TAILQ_FOREACH(conn, &conns, link) {
		if (conn->state != WS_OPEN)
			continue;
		/* Who was silent by the old heartbeat is pinged first. */
		if (conn->heard_ms < asked_ms)
			conn->heard_ms = asked_ms;
		conn->in.max_message = (size_t)server->config.ws_max_message;
		conn->access =
		    (uint8_t)access_may_publish(req_subject(conn->req), NULL);
		wsconn_set_timer(conn);
	}
}

void
wsconn_restart(struct wsconn *conn)
{
	if (conn->jobs > 0) {
		conn->last_jobs = true;
		wsread_drop(conn);
		sink_want_input(&conn->sink, false);
		lay_apart(conn);
		return;
	}
	wsconn_fail(conn, WS_CODE_RESTART, "the server restarts");
	flush(conn);
}

struct wsconn *
wsconn_first(void)
{
	return TAILQ_FIRST(&conns);
}

void
wsconn_close_unopened(void)
{
	struct wsconn *conn, *next;

	for (conn = TAILQ_FIRST(&conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->state == WS_HANDSHAKE)
			wsconn_close(conn);
	}
}

static void
close_list(struct wsconns *list)
{
	struct wsconn *conn, *next;

	for (conn = TAILQ_FIRST(list); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		wsconn_close(conn);
	}
}

void
wsconn_free_all(void)
{
	close_list(&conns);
	close_list(&ending);
}
