/* SPDX-License-Identifier: MIT */
/*
 * Intake: a request comes in by FastCGI or CGI or with a client that httpd
 * hands over, becomes one struct req, and the same connection is the way out.
 * What is held keeps neither the request nor its buffers.
 *
 * As soon as the head is there it is decided whether the body may come in
 * (shared/intake/admit).  A refusal is sent at once; what a web server still
 * sends of that body is skipped, and its connection serves the next request.
 *
 * To a client that was handed over we speak HTTP.  Its connection has one
 * answer, the end of which is the end of the connection.
 */
#include "config.h"

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/intake/admit.h"
#include "shared/intake/cgi.h"
#include "shared/intake/conn.h"
#include "shared/intake/conns.h"
#include "shared/intake/incoming.h"
#include "shared/intake/link.h"
#include "shared/intake/server.h"
#include "shared/wire/chunk.h"

#define READ_SIZE  16384
#define PARAMS_MAX (256 * 1024) /* bytes of all variables together */
#define READ_MS    30000        /* for a head; a body: between two looks */
#define CGI_LOOK_S 1.0          /* between looks whether httpd is there */

/*
 * Behind an answer, for the client to close.  A web server that was answered
 * early looks for that only when the next piece of the body has come to it.
 */
#define LINGER_MS    2000
#define LINGER_WS_MS 30000
#define LINGER_BYTES 1048576 /* dropped of what it still sends */

/* Whose bytes are being read; it is closed when it is not that any more. */
static struct conn *reading;

static const unsigned edges[CONN__MAX] = {
	[CONN_READING] = 1u << CONN_WORKING,
	[CONN_WORKING] = 1u << CONN_HELD | 1u << CONN_ANSWERED,
	[CONN_HELD] = 1u << CONN_READING | 1u << CONN_LINGERING,
	[CONN_ANSWERED] = 1u << CONN_READING | 1u << CONN_LINGERING,
};

static void
set_state(struct conn *conn, enum conn_state state)
{
	assert(edges[conn->state] & 1u << state);
	conn->state = (uint8_t)state;
	conns_sort(conn);
}

/* What it holds of a request that is being answered or on its way in. */
static void
count_incoming(struct conn *conn)
{
	const struct req *req = conn->req;
	size_t now = conn->in.params.cap + conn->in.body.cap;

	if (req != NULL)
		now += req->vars.arena.cap + req->body.cap + req->decoded.cap +
		       req->nargs * sizeof(*req->args);
	incoming_count(&conn->counted, now);
}

static void
set_deadline(struct conn *conn, int64_t ms)
{
	/* A CGI program has its looks at httpd instead. */
	if (conn->sink.kind == SINK_CGI)
		return;
	conn->deadline.repeat = ms <= 0 ? 0.001 : (double)ms / 1000;
	ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
}

void
conn_close(struct conn *conn)
{
	struct server *server = conn->server;

	if (reading == conn)
		reading = NULL;
	client_detach(&conn->client);
	if (conn->state == CONN_WORKING) {
		/* The writer still has it: conn_answered frees it. */
		sink_close(&conn->sink);
		return;
	}
	req_drop(&conn->req);
	fcgi_next(&conn->in);
	str_free(&conn->in.reply);
	count_incoming(conn);
	ev_timer_stop(EV_DEFAULT_UC_ & conn->deadline);
	sink_close(&conn->sink);
	conns_remove(conn);
	free(conn);
	if (server->is_cgi || (server->stopping && conn_count() == 0))
		ev_break(EV_DEFAULT_UC_ EVBREAK_ALL);
}

/*
 * What the client has sent and we have not read would make the kernel reset the
 * connection when we close it, and the end of the answer might be lost over
 * that (RFC 9112, section 9.6).
 */
static void
linger(struct conn *conn)
{
	set_state(conn, CONN_LINGERING);
	set_deadline(conn,
	    conn->sink.kind == SINK_FCGI ? LINGER_WS_MS : LINGER_MS);
}

/* The answer is out: the next request, or the end. */
static void
finish(struct conn *conn)
{
	bool is_fcgi = conn->sink.kind == SINK_FCGI;

	client_detach(&conn->client);
	if (is_fcgi && conn->in.keep && !conn->server->stopping) {
		fcgi_next(&conn->in);
		count_incoming(conn);
		sink_reuse(&conn->sink);
		conn->served = true;
		ev_timer_stop(EV_DEFAULT_UC_ & conn->deadline);
		set_state(conn, CONN_READING);
	} else if ((conn->sink.kind == SINK_RAW ||
		       (is_fcgi && conn->body_left)) &&
		   sink_shut(&conn->sink)) {
		linger(conn);
	} else {
		conn_close(conn);
	}
}

static void
on_gone(struct client *client)
{
	struct conn *conn =
	    (void *)((char *)client - offsetof(struct conn, client));

	if (conn->sink.is_open && conn->sink.ended && conn->sink.count == 0)
		finish(conn);
	else
		conn_close(conn);
}

static void
write_answer(struct conn *conn)
{
	if (sink_flush(&conn->sink, clock_mono_ms()) == -1)
		conn_close(conn);
	else if (conn->sink.count == 0)
		finish(conn);
	else
		set_deadline(conn, conn->server->config.stall_ms);
}

void
conn_answered(struct conn *conn)
{
	set_state(conn, CONN_ANSWERED);
	req_drop(&conn->req);
	count_incoming(conn);
	if (!conn->sink.is_open)
		conn_close(conn);
	else
		write_answer(conn);
}

/* A refusal is pushed while the body is not whole: nobody wants the rest. */
static void
answer_early(struct conn *conn)
{
	conn->in.drop_body = true;
	str_free(&conn->in.body);
	set_state(conn, CONN_WORKING);
	conn_answered(conn);
}

/* The head is there: whether the body may come in; if not, it is answered. */
static bool
is_admitted(struct conn *conn)
{
	struct req *req = conn->req;

	req->config = &conn->server->config;
	req->sink = &conn->sink;
	req->epoch = conn->server->hub.epoch;
	return admit_head(conn->server, req, &conn->in.body_max) == 0;
}

void
conn_go_on(struct conn *conn)
{
	struct server *server = conn->server;

	if (conn->client.hub == NULL) {
		conn_answered(conn);
		return;
	}
	set_state(conn, CONN_HELD);
	req_drop(&conn->req);
	count_incoming(conn);
	/* It was on its way when we stopped: it ends in order. */
	if (server->stopping)
		conn->client.ends_ms = clock_mono_ms();
	client_start(&conn->client);
}

/* Hands a whole request to the program. */
static void
begin(struct conn *conn)
{
	struct server *server = conn->server;
	struct req *req = conn->req;

	ev_timer_stop(EV_DEFAULT_UC_ & conn->deadline);
	set_state(conn, CONN_WORKING);
	conn->client.gone = on_gone;
	if (req_parse_args(req) == 0)
		server->program->handle(server, conn, req);
	if (conn->client.hub != NULL || conn->sink.ended)
		conn_go_on(conn);
}

/* The parameters of a FastCGI request are complete. */
static void
head_fcgi(struct conn *conn)
{
	struct req *req = xcalloc(1, sizeof(*req));

	conn->req = req;
	conn->sink.request_id = conn->in.id;
	conn->body_left = true;
	if (vars_set_pairs(&req->vars, conn->in.params.p,
		conn->in.params.len) == -1) {
		log_warnx("a FastCGI request with malformed parameters");
		conn_close(conn);
		return;
	}
	str_free(&conn->in.params);
	conn->paced = conn->in.body_got;
	if (is_admitted(conn))
		set_deadline(conn, READ_MS);
	else
		answer_early(conn);
}

/* Its body as well. */
static void
begin_fcgi(struct conn *conn)
{
	conn->req->body = conn->in.body;
	conn->in.body = (struct str){ 0 };
	begin(conn);
}

/* A body that is growing: one too long, or all of them together. */
static void
check_body(struct conn *conn)
{
	count_incoming(conn);
	if (conn->state != CONN_READING || conn->req == NULL)
		return;
	if (conn->in.body_too_big)
		admit_too_big(conn->req, conn->in.body_max);
	else if (incoming_is_over(conn->in.body.len, admit_room(conn->server)))
		admit_no_room(conn->server, conn->req);
	else
		return;
	answer_early(conn);
}

/* It has slept, or sent next to nothing. */
static void
look_at_body(struct conn *conn)
{
	uint64_t got = conn->in.body_got - conn->paced;

	conn->paced = conn->in.body_got;
	if (!incoming_is_slow(got, READ_MS))
		return; /* the timer repeats */
	admit_too_slow(conn->req);
	answer_early(conn);
}

/* Records outside any request: they go out as they are. */
static void
send_reply(struct conn *conn)
{
	struct chunk *chunk;

	if (conn->in.reply.len == 0)
		return;
	chunk = chunk_take(&conn->in.reply);
	chunk->raw = true;
	sink_push(&conn->sink, chunk);
}

/* What a client says behind its request is nothing to us but its end. */
static void
drop_input(struct conn *conn)
{
	char buf[READ_SIZE];
	ssize_t n = sink_read(&conn->sink, buf, sizeof(buf));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && conn->state == CONN_LINGERING)
		conn->lingered += (uint32_t)n;
	if (n <= 0 || conn->lingered > LINGER_BYTES)
		conn_close(conn);
}

/*
 * What the reader tells; `last` = no more bytes are there.  A web server sends
 * its next request after our answer, so what stands behind a request is none of
 * our protocol.
 */
static void
take_event(struct conn *conn, enum fcgi_event event, bool last)
{
	switch (event) {
	case FCGI_EV_MORE:
		break;
	case FCGI_EV_HEAD:
		if (conn->state == CONN_READING)
			head_fcgi(conn);
		break;
	case FCGI_EV_REQUEST:
		conn->body_left = false;
		send_reply(conn);
		if (conn->state == CONN_READING && last)
			begin_fcgi(conn);
		else if (!conn->in.drop_body)
			conn_close(conn);
		break;
	case FCGI_EV_ABORT:
	case FCGI_EV_BAD:
		conn_close(conn);
		break;
	}
}

/* Something came, and the connection is still there. */
static void
after_reading(struct conn *conn)
{
	check_body(conn);
	if (reading != conn)
		return;
	send_reply(conn);
	/* The next request on a kept connection has begun. */
	if (conn->state == CONN_READING && conn->in.id != 0 &&
	    !ev_is_active(&conn->deadline))
		set_deadline(conn, READ_MS);
	if (sink_flush(&conn->sink, clock_mono_ms()) == -1)
		conn_close(conn);
}

static void
read_fcgi(struct sink *sink)
{
	struct conn *conn = (struct conn *)(void *)sink;
	unsigned char buf[READ_SIZE];
	ssize_t n = read(sink->fd, buf, sizeof(buf));
	size_t at = 0;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	reading = conn;
	while (at < (size_t)n && reading == conn) {
		enum fcgi_event event;
		size_t used;

		event = fcgi_read(&conn->in, buf + at, (size_t)n - at, &used);
		at += used;
		take_event(conn, event, at == (size_t)n);
	}
	if (reading == conn)
		after_reading(conn);
	reading = NULL;
}

static void
on_readable(struct sink *sink)
{
	struct conn *conn = (struct conn *)(void *)sink;

	if (sink->kind == SINK_FCGI && conn->state != CONN_LINGERING)
		read_fcgi(sink);
	else
		drop_input(conn);
}

static void
on_drained(struct sink *sink)
{
	struct conn *conn = (struct conn *)(void *)sink;

	if (sink->ended)
		finish(conn);
	else if (conn->state == CONN_HELD)
		client_drained(&conn->client);
}

static void
on_failed(struct sink *sink)
{
	conn_close((struct conn *)(void *)sink);
}

static void
on_leave(struct sink *sink)
{
	struct conn *conn = (struct conn *)(void *)sink;
	struct hub *hub = conn->client.hub;

	if (hub == NULL)
		return; /* its answer is on its way already */
	client_finish(&conn->client);
	hub_settle(hub);
}

bool
conn_is_idle(const struct conn *conn)
{
	return conn->state == CONN_READING && conn->served &&
	       conn->in.id == 0 && conn->in.have == 0;
}

static const struct sink_ops ops = { on_readable, on_drained, on_failed,
	on_leave };

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct conn *conn = timer->data;
	int64_t stall_ms = conn->server->config.stall_ms;
	int64_t idle_ms = clock_mono_ms() - conn->sink.progress_ms;

	(void)loop;
	(void)revents;
	if (conn->state == CONN_READING && conn->req != NULL)
		look_at_body(conn);
	else if (conn->state == CONN_ANSWERED && idle_ms < stall_ms)
		set_deadline(conn,
		    stall_ms - idle_ms); /* it takes the answer */
	else
		conn_close(conn);
}

static struct conn *
conn_new(struct server *server)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->server = server;
	conn->in.params_max = PARAMS_MAX;
	ev_init(&conn->deadline, on_deadline);
	conn->deadline.data = conn;
	conns_add(conn);
	return conn;
}

void
conn_new_fcgi(struct server *server, int fd)
{
	struct conn *conn = conn_new(server);

	sink_open(&conn->sink, SINK_FCGI, fd, &ops, clock_mono_ms());
	set_deadline(conn, READ_MS);
	/* httpd has sent it by now, nearly always: spare a turn of the loop. */
	read_fcgi(&conn->sink);
}

void
conn_new_handed(struct server *server, const struct handed *from,
    struct req *req)
{
	struct conn *conn = conn_new(server);

	link_open_sink(&conn->sink, from, &ops, clock_mono_ms());
	conn->req = req;
	if (is_admitted(conn))
		begin(conn);
	else
		answer_early(conn);
}

/*
 * httpd shuts its side of the socket down behind the body, so end of file says
 * nothing; only poll tells whether it is still there.
 */
static void
on_cgi_look(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct conn *conn = timer->data;
	struct pollfd pfd = { .fd = conn->sink.fd };

	(void)loop;
	(void)revents;
	if (poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLERR | POLLHUP))
		conn_close(conn);
}

/* Head and body of the one request of a CGI program. */
static void
take_cgi(struct conn *conn)
{
	struct req *req = conn->req;
	bool refused = !is_admitted(conn);

	if (!cgi_read_body(req, !refused, READ_MS) && !refused) {
		admit_too_slow(req);
		refused = true;
	}
	if (refused)
		answer_early(conn);
	else
		begin(conn);
}

void
conn_new_cgi(struct server *server)
{
	struct conn *conn = conn_new(server);

	cgi_own_output();
	sink_open(&conn->sink, SINK_CGI, STDOUT_FILENO, &ops, clock_mono_ms());
	sink_want_input(&conn->sink, false);
	ev_timer_init(&conn->deadline, on_cgi_look, CGI_LOOK_S, CGI_LOOK_S);
	conn->deadline.data = conn;
	conn->req = cgi_read_head();
	take_cgi(conn);
	/* Only now: begin() stops the timer of FastCGI's reading. */
	if (conn_count() > 0)
		ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
}
