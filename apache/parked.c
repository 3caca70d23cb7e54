/* SPDX-License-Identifier: MIT */
/*
 * One parked client: bytes of the program go through the filters of its
 * connection, in which mod_ssl works, into a filter that writes what the socket
 * takes; bytes of the client come the other way.  No call in here waits.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apache/conn.h"
#include "apache/link.h"
#include "apache/park.h"

#define LINGER_MS 2000 /* for the client to close */
#define INPUT_MAX 8192 /* bytes of one packet of input */

/*
 * Bytes that may wait for a socket: what the window allows, as the filters make
 * it, and what they say by themselves, as an answer to an update of TLS keys.
 */
#define REST_MAX ((size_t)4 * HANDOVER_WINDOW)

static struct parked *
parked_new(struct conn *conn, struct link *link, int fd, int64_t stall_ms)
{
	struct parked *p = must(calloc(1, sizeof(*p)));

	p->source = SOURCE_CLIENT;
	p->conn = conn;
	p->link = link;
	p->fd = fd;
	p->stall_ms = stall_ms;
	STAILQ_INIT(&p->queue);
	return p;
}

struct parked *
parked_offer(struct conn *conn, struct link *link, int fd,
    const struct iovec *iov, int n, int wait_ms, int64_t stall_ms)
{
	struct {
		struct handover_head head;
		uint32_t number;
	} first = { { .type = HANDOVER_PARK, .count = 1 }, 0 };
	struct iovec all[4] = { { &first, sizeof(first) } };
	struct parked *p = parked_new(conn, link, fd, stall_ms);

	/* The pump finds it as soon as it has a number. */
	p->numbered = true;
	if (!link_number(link, p, &p->number)) {
		free(p);
		errno = EAGAIN;
		return NULL;
	}
	first.number = p->number;
	memcpy(all + 1, iov, (size_t)n * sizeof(*iov));
	if (link_send(link, all, n + 1, -1, wait_ms) == -1) {
		int saved = errno;

		/* The pump may have met it already: it alone ends numbers. */
		p->conn = NULL;
		p->lost = p->unsent = true;
		pump_post(p);
		errno = saved;
		return NULL;
	}
	return p;
}

void
chunk_drop(struct chunk *chunk)
{
	if (chunk != NULL && --chunk->refs == 0)
		free(chunk);
}

static struct piece *
queue_pop(struct parked *p)
{
	struct piece *piece = STAILQ_FIRST(&p->queue);

	STAILQ_REMOVE_HEAD(&p->queue, entry);
	p->queued -= piece->chunk->len;
	return piece;
}

static void
piece_free(struct piece *piece)
{
	chunk_drop(piece->chunk);
	free(piece);
}

void
parked_drop_output(struct parked *p)
{
	while (!STAILQ_EMPTY(&p->queue))
		piece_free(queue_pop(p));
	free(p->rest);
	p->rest = NULL;
	p->rest_len = p->rest_at = 0;
}

static ssize_t
socket_write(struct parked *p, struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t out;

	do
		out = sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (out == -1 && errno == EINTR);
	if (out == -1 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	if (out == -1)
		p->failed = true;
	if (out > 0) {
		p->progress_ms = pump.now_ms;
		conn_wrote(p->conn, (size_t)out);
	}
	return out;
}

/* Keeps what the socket has not taken. */
static void
keep(struct parked *p, const char *bytes, size_t len)
{
	if (len > REST_MAX - p->rest_len) {
		p->failed = true;
		return;
	}
	if (p->rest_len == 0)
		p->progress_ms = pump.now_ms;
	p->rest = must(realloc(p->rest, p->rest_len + len));
	memcpy(p->rest + p->rest_len, bytes, len);
	p->rest_len += len;
}

void
parked_put(struct parked *p, struct iovec *iov, int n)
{
	size_t out = 0;

	if (p->failed)
		return;
	if (p->rest_len == 0) {
		ssize_t got = socket_write(p, iov, n);

		if (got == -1)
			return;
		out = (size_t)got;
	}
	for (int i = 0; i < n; i++) {
		size_t part = out < iov[i].iov_len ? out : iov[i].iov_len;

		out -= part;
		if (part < iov[i].iov_len)
			keep(p, (const char *)iov[i].iov_base + part,
			    iov[i].iov_len - part);
	}
}

/* Whether input has a place to go to. */
static bool
may_read(const struct parked *p)
{
	return p->state == PARK_OPEN && p->numbered && !p->failed &&
	       p->held == NULL && p->input + INPUT_MAX <= HANDOVER_INPUT;
}

/* Tells epoll what this client waits for. */
void
parked_want(struct parked *p)
{
	struct epoll_event ev = { .data.ptr = p };

	if (!p->polled)
		return;
	if (p->rest_len > 0)
		ev.events |= EPOLLOUT;
	if (p->state == PARK_LINGER || may_read(p))
		ev.events |= EPOLLIN;
	if (ev.events != p->events)
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, p->fd, &ev);
	p->events = ev.events;
}

static void
unpoll(struct parked *p)
{
	if (p->polled)
		epoll_ctl(pump.epoll, EPOLL_CTL_DEL, p->fd, NULL);
	p->polled = false;
}

/* The connection goes, and with it the descriptor; see pump.settling. */
void
parked_destroy(struct parked *p)
{
	struct conn *conn = p->conn;

	if (p->state == PARK_DONE)
		return;
	parked_drop_output(p);
	unpoll(p);
	if (!conn_is_left(conn)) {
		if (!p->settling) {
			shutdown(p->fd, SHUT_RDWR);
			TAILQ_INSERT_TAIL(&pump.settling, p, settle_entry);
		}
		p->failed = p->settling = true;
		return;
	}
	if (p->settling)
		TAILQ_REMOVE(&pump.settling, p, settle_entry);
	p->settling = false;
	TAILQ_REMOVE(&pump.all, p, entry);
	p->state = PARK_DONE;
	p->conn = NULL;
	conn_destroy(conn);
	if (!p->numbered)
		STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
}

/* Ends the request: it is logged.  The connection lingers. */
static void
finish(struct parked *p)
{
	if (p->state != PARK_OPEN)
		return;
	p->state = PARK_LINGER;
	p->ends_ms = pump.now_ms + LINGER_MS;
	conn_end_request(p->conn, p->failed);
	if (p->failed) {
		parked_destroy(p);
		return;
	}
	conn_say_goodbye(p->conn);
	if (p->failed) {
		parked_destroy(p);
		return;
	}
	if (p->rest_len == 0)
		shutdown(p->fd, SHUT_WR);
	parked_want(p);
}

/* Nothing more can be written or read. */
void
parked_fail(struct parked *p)
{
	p->failed = true;
	parked_drop_output(p);
	if (p->state == PARK_OPEN) {
		finish(p);
		watched_owe(p);
	} else if (p->state == PARK_LINGER) {
		parked_destroy(p);
	}
}

/* Plain bytes into the filters; they are out, or kept, when this returns. */
static void
write_through(struct parked *p, const char *bytes, size_t len)
{
	if (!conn_write(p->conn, bytes, len))
		p->failed = true;
	if (p->rest_len > 0)
		p->at_filter += len;
	else
		p->taken += (uint32_t)len;
}

/* Writes on while the socket takes it. */
void
parked_go_on(struct parked *p)
{
	while (p->state == PARK_OPEN && !p->failed && p->rest_len == 0 &&
	       !STAILQ_EMPTY(&p->queue)) {
		struct piece *piece = queue_pop(p);

		write_through(p, piece->chunk->bytes, piece->chunk->len);
		piece_free(piece);
	}
	if (p->failed)
		parked_fail(p);
	else if (p->taken >= HANDOVER_REPORT)
		watched_owe(p);
	if (p->state == PARK_OPEN && !p->numbered && p->rest_len == 0 &&
	    STAILQ_EMPTY(&p->queue))
		finish(p);
	parked_want(p);
}

/* The socket has room for what was kept. */
static void
on_writable(struct parked *p)
{
	struct iovec iov = { p->rest + p->rest_at, p->rest_len - p->rest_at };
	ssize_t out = socket_write(p, &iov, 1);

	if (out == -1) {
		parked_fail(p);
		return;
	}
	p->rest_at += (size_t)out;
	if (p->rest_at < p->rest_len)
		return;
	free(p->rest);
	p->rest = NULL;
	p->rest_len = p->rest_at = 0;
	p->taken += (uint32_t)p->at_filter;
	p->at_filter = 0;
	if (p->state == PARK_LINGER)
		shutdown(p->fd, SHUT_WR);
	parked_go_on(p);
}

/* What comes while we wait for the end is nobody's. */
static void
on_lingering(struct parked *p)
{
	char buf[4096];
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		parked_destroy(p);
}

/* Passes input on to the program, or keeps it while the link is clogged. */
static void
pass_input(struct parked *p, const char *bytes, uint32_t len)
{
	p->input += len;
	if (p->watched != NULL && p->held == NULL &&
	    watched_tell(p->watched, HANDOVER_INPUT_OF, 1, &p->number,
		sizeof(p->number), bytes, len))
		return;
	p->held = must(realloc(p->held, p->held_len + len));
	memcpy(p->held + p->held_len, bytes, len);
	p->held_len += len;
	watched_owe(p);
}

/* The client has closed, in order: so do we. */
static void
part(struct parked *p)
{
	p->left = true;
	parked_drop_output(p);
	finish(p);
	watched_owe(p);
}

/* Reads what has come, through the filters. */
void
parked_read_on(struct parked *p)
{
	char buf[INPUT_MAX];

	while (may_read(p)) {
		ssize_t n = conn_read(p->conn, buf, sizeof(buf));

		if (n == -1 && errno == EAGAIN && !p->failed)
			break;
		if (n == -1)
			parked_fail(p);
		else if (n == 0)
			part(p);
		if (n <= 0)
			return;
		pass_input(p, buf, (uint32_t)n);
	}
	parked_want(p);
}

void
parked_event(struct parked *p, uint32_t events)
{
	if (p->state == PARK_DONE || p->failed)
		return;
	if (events & EPOLLOUT && p->rest_len > 0)
		on_writable(p);
	if (p->state == PARK_DONE || p->failed)
		return;
	if (p->state == PARK_LINGER && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_lingering(p);
	else if (events & EPOLLIN)
		parked_read_on(p);
	else if (events & (EPOLLHUP | EPOLLERR))
		parked_fail(p);
}

static struct chunk *
chunk_new(const char *bytes, size_t len)
{
	struct chunk *chunk = must(malloc(sizeof(*chunk) + len));

	chunk->refs = 1;
	chunk->len = (uint32_t)len;
	memcpy(chunk->bytes, bytes, len);
	return chunk;
}

/* One client gets these bytes; *chunk is made if somebody has to wait. */
void
parked_data(struct parked *p, const char *bytes, size_t len,
    struct chunk **chunk)
{
	struct piece *piece;

	if (p->failed || (p->state != PARK_NEW && p->state != PARK_OPEN))
		return;
	if (p->state == PARK_OPEN && STAILQ_EMPTY(&p->queue) &&
	    p->rest_len == 0) {
		write_through(p, bytes, len);
		parked_go_on(p);
		return;
	}
	if (p->queued + len > 2 * HANDOVER_WINDOW) {
		parked_fail(p); /* the program does not heed the window */
		return;
	}
	if (*chunk == NULL)
		*chunk = chunk_new(bytes, len);
	(*chunk)->refs++;
	piece = must(malloc(sizeof(*piece)));
	piece->chunk = *chunk;
	STAILQ_INSERT_TAIL(&p->queue, piece, entry);
	p->queued += len;
}

/* The program has done with this client. */
void
parked_end(struct parked *p)
{
	if (!p->numbered)
		return;
	watched_owe_nothing(p);
	p->numbered = false;
	free(p->held);
	p->held = NULL;
	link_number_end(p->link, p->number);
	p->link = NULL;
	if (p->state == PARK_OPEN)
		parked_go_on(p);
	else if (p->state == PARK_DONE)
		STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
}

void
parked_used(struct parked *p, uint32_t bytes)
{
	p->input -= bytes < p->input ? bytes : p->input;
	if (p->state == PARK_OPEN)
		parked_read_on(p);
}
