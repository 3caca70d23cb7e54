/* SPDX-License-Identifier: MIT */
/*
 * Intake: a request comes in by FastCGI or CGI or with a client that httpd
 * hands over, becomes one struct req, and the same connection is the way out.
 * What is held keeps neither the request nor its buffers.
 *
 * To a client that was handed over we speak HTTP.  Its connection has one
 * answer, the end of which is the end of the connection.
 */
#include "config.h"

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/board.h"
#include "shared/chunk.h"
#include "shared/clock.h"
#include "shared/conn.h"
#include "shared/link.h"
#include "shared/log.h"
#include "shared/server.h"
#include "shared/str.h"

#define READ_SIZE  16384
#define PARAMS_MAX (256 * 1024) /* bytes of all variables together */
#define READ_S     30.0         /* for a request to come in */
#define CGI_LOOK_S 1.0          /* between looks whether httpd is there */
#define CGI_BODY_S 60           /* for the body on standard input */

/* Behind an answer, for the client to close. */
#define LINGER_S     2.0
#define LINGER_MAX   1024    /* connections at once; above, the oldest goes */
#define LINGER_BYTES 1048576 /* dropped of what it still sends */

static TAILQ_HEAD(conns, conn) conns = TAILQ_HEAD_INITIALIZER(conns);
static struct conns lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned nconns, nlingering;

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
}

static void
drop_req(struct conn *conn)
{
	if (conn->req == NULL)
		return;
	req_free(conn->req);
	free(conn->req);
	conn->req = NULL;
}

static void
conn_close(struct conn *conn)
{
	struct server *server = conn->server;

	client_detach(&conn->client);
	if (conn->state == CONN_WORKING) {
		/* The writer still has it: conn_answered frees it. */
		sink_close(&conn->sink);
		return;
	}
	drop_req(conn);
	fcgi_next(&conn->in);
	str_free(&conn->in.reply);
	ev_timer_stop(EV_DEFAULT_UC_ & conn->deadline);
	sink_close(&conn->sink);
	if (conn->state == CONN_LINGERING)
		nlingering--;
	TAILQ_REMOVE(conn->state == CONN_LINGERING ? &lingering : &conns, conn,
	    link);
	nconns--;
	free(conn);
	if (server->is_cgi || (server->stopping && nconns == 0))
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
	TAILQ_REMOVE(&conns, conn, link);
	TAILQ_INSERT_TAIL(&lingering, conn, link);
	if (++nlingering > LINGER_MAX)
		conn_close(TAILQ_FIRST(&lingering));
	conn->deadline.repeat = LINGER_S;
	ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
}

/* The answer is out: the next request, or the end. */
static void
finish(struct conn *conn)
{
	client_detach(&conn->client);
	if (conn->sink.kind == SINK_RAW && sink_shut(&conn->sink)) {
		linger(conn);
		return;
	}
	if (conn->sink.kind != SINK_FCGI || !conn->in.keep ||
	    conn->server->stopping) {
		conn_close(conn);
		return;
	}
	fcgi_next(&conn->in);
	sink_reuse(&conn->sink);
	set_state(conn, CONN_READING);
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
		ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
}

void
conn_answered(struct conn *conn)
{
	set_state(conn, CONN_ANSWERED);
	drop_req(conn);
	if (!conn->sink.is_open)
		conn_close(conn);
	else
		write_answer(conn);
}

/* Hands a whole request to the program. */
static void
begin(struct conn *conn)
{
	struct server *server = conn->server;
	struct req *req = conn->req;

	ev_timer_stop(EV_DEFAULT_UC_ & conn->deadline);
	set_state(conn, CONN_WORKING);
	board_add(server->board, BOARD_REQUESTS, 1);
	req->config = &server->config;
	req->sink = &conn->sink;
	conn->client.gone = on_gone;
	if (req->body_too_big)
		req_fail(req, 413, 1701, "the body has more than %lld bytes",
		    (long long)server->config.max_body);
	else if (req_allow(req, server->program->methods) == 0 &&
		 req_parse_args(req) == 0)
		server->program->handle(server, conn, req);
	if (conn->client.hub != NULL) {
		set_state(conn, CONN_HELD);
		drop_req(conn);
		/* It was on its way when we stopped: it ends in order. */
		if (server->stopping)
			conn->client.ends_ms = clock_mono_ms();
		client_start(&conn->client);
	} else if (conn->sink.ended) {
		conn_answered(conn);
	}
}

static void
begin_fcgi(struct conn *conn)
{
	struct req *req = xcalloc(1, sizeof(*req));

	conn->req = req;
	conn->sink.request_id = conn->in.id;
	if (req_set_pairs(req, conn->in.params.p, conn->in.params.len) == -1) {
		log_warnx("a FastCGI request with malformed parameters");
		conn_close(conn);
		return;
	}
	req->body = conn->in.body;
	req->body_too_big = conn->in.body_too_big;
	conn->in.body = (struct str){ 0 };
	str_free(&conn->in.params);
	begin(conn);
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

static void
read_fcgi(struct sink *sink)
{
	struct conn *conn = (struct conn *)(void *)sink;
	unsigned char buf[READ_SIZE];
	enum fcgi_event event = FCGI_EV_MORE;
	ssize_t n = read(sink->fd, buf, sizeof(buf));
	size_t used = 0;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		event = fcgi_read(&conn->in, buf, (size_t)n, &used);
	if (n <= 0 || event == FCGI_EV_BAD || event == FCGI_EV_ABORT) {
		conn_close(conn);
		return;
	}
	send_reply(conn);
	/* The next request on a kept connection has begun. */
	if (conn->state == CONN_READING && !ev_is_active(&conn->deadline))
		ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
	/*
	 * A web server sends its next request after our answer, so what stands
	 * behind a request is none of our protocol.
	 */
	if (event == FCGI_EV_REQUEST && used == (size_t)n &&
	    conn->state == CONN_READING)
		begin_fcgi(conn);
	else if (event == FCGI_EV_REQUEST ||
		 sink_flush(sink, clock_mono_ms()) == -1)
		conn_close(conn);
}

static void
on_readable(struct sink *sink)
{
	if (sink->kind == SINK_FCGI)
		read_fcgi(sink);
	else
		drop_input((struct conn *)(void *)sink);
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

static const struct sink_ops ops = { on_readable, on_drained, on_failed,
	on_leave };

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	conn_close(timer->data);
}

static struct conn *
conn_new(struct server *server)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->server = server;
	conn->in.params_max = PARAMS_MAX;
	conn->in.body_max = (size_t)server->config.max_body;
	ev_init(&conn->deadline, on_deadline);
	conn->deadline.repeat = READ_S;
	conn->deadline.data = conn;
	TAILQ_INSERT_HEAD(&conns, conn, link);
	nconns++;
	return conn;
}

void
conn_new_fcgi(struct server *server, int fd)
{
	struct conn *conn = conn_new(server);

	sink_open(&conn->sink, SINK_FCGI, fd, &ops, clock_mono_ms());
	ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
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
	begin(conn);
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

/* Blocking: there is nobody else to wait. */
static void
read_cgi_body(struct req *req, size_t max)
{
	const char *length = req_var(req, "CONTENT_LENGTH");
	size_t left = (size_t)strtoull(length, NULL, 10);
	char buf[READ_SIZE];
	ssize_t n;

	alarm(CGI_BODY_S);
	while (left > 0) {
		n = read(STDIN_FILENO, buf,
		    left < sizeof(buf) ? left : sizeof(buf));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (req->body.len + (size_t)n > max)
			req->body_too_big = true;
		else
			str_add(&req->body, buf, (size_t)n);
		left -= (size_t)n;
	}
	alarm(0);
}

void
conn_new_cgi(struct server *server)
{
	extern char **environ;
	struct conn *conn;
	struct req *req = xcalloc(1, sizeof(*req));
	struct stat sb;

	for (char **e = environ; *e != NULL; e++) {
		char *eq = strchr(*e, '=');
		char *name;

		if (eq == NULL)
			continue;
		name = xstrndup(*e, (size_t)(eq - *e));
		req_add_var(req, name, eq + 1);
		free(name);
	}
	req_vars_done(req);
	read_cgi_body(req, (size_t)server->config.max_body);
	if (fstat(STDOUT_FILENO, &sb) == 0 &&
	    (S_ISFIFO(sb.st_mode) || S_ISSOCK(sb.st_mode)))
		fcntl(STDOUT_FILENO, F_SETFL,
		    fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	conn = conn_new(server);
	sink_open(&conn->sink, SINK_CGI, STDOUT_FILENO, &ops, clock_mono_ms());
	sink_want_input(&conn->sink, false);
	ev_timer_init(&conn->deadline, on_cgi_look, CGI_LOOK_S, CGI_LOOK_S);
	conn->req = req;
	begin(conn);
	/* Only now: begin() stops the timer of FastCGI's reading. */
	if (nconns > 0)
		ev_timer_again(EV_DEFAULT_UC_ & conn->deadline);
}

unsigned
conn_count(void)
{
	return nconns;
}

unsigned
conn_stop_idle(void)
{
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->state == CONN_READING)
			conn_close(conn);
	}
	return nconns;
}

void
conn_close_all(void)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&lingering)) != NULL)
		conn_close(conn);
	while ((conn = TAILQ_FIRST(&conns)) != NULL) {
		if (conn->state == CONN_WORKING)
			conn->state = CONN_ANSWERED;
		conn_close(conn);
	}
}
