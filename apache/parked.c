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

#include "httpd.h"

#include "http_connection.h"
#include "http_core.h"
#include "http_request.h"

#include "apache/park.h"

#define SETTLE_MS 100  /* until a worker has surely left a connection */
#define LINGER_MS 2000 /* for the client to close */
#define INPUT_MAX 8192 /* bytes of one packet of input */
#define PIECES    16   /* of one write to a socket */

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
		if (pump.log_bytes_out != NULL)
			pump.log_bytes_out(p->c, out);
	}
	return out;
}

/* Keeps what the socket has not taken. */
static void
keep(struct parked *p, const char *bytes, size_t len)
{
	if (p->rest_len == 0)
		p->progress_ms = pump.now_ms;
	p->rest = ap_realloc(p->rest, p->rest_len + len);
	memcpy(p->rest + p->rest_len, bytes, len);
	p->rest_len += len;
}

static void
put(struct parked *p, struct iovec *iov, int n)
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

/* All that comes down the filters, encrypted; what it can't write it keeps. */
apr_status_t
parked_write_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
	struct parked *p = f->ctx;
	struct iovec iov[PIECES];
	int n = 0;

	for (apr_bucket *e = APR_BRIGADE_FIRST(bb);
	     e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
		const char *bytes;
		apr_size_t len;

		if (APR_BUCKET_IS_METADATA(e) ||
		    apr_bucket_read(e, &bytes, &len, APR_BLOCK_READ) !=
			APR_SUCCESS ||
		    len == 0)
			continue;
		iov[n++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
		if (n == PIECES) {
			put(p, iov, n);
			n = 0;
		}
	}
	if (n > 0)
		put(p, iov, n);
	/* An EOR among them ends the request here. */
	apr_brigade_cleanup(bb);
	return p->failed ? APR_ECONNABORTED : APR_SUCCESS;
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

/* The connection goes, and with it the descriptor. */
void
parked_destroy(struct parked *p)
{
	conn_rec *c = p->c;

	if (p->state == PARK_DONE)
		return;
	parked_drop_output(p);
	unpoll(p);
	if (pump.now_ms < p->suspended_ms + SETTLE_MS) {
		p->failed = true;
		shutdown(p->fd, SHUT_RDWR);
		if (!p->settling)
			TAILQ_INSERT_TAIL(&pump.settling, p, settle_entry);
		p->settling = true;
		return;
	}
	if (p->settling)
		TAILQ_REMOVE(&pump.settling, p, settle_entry);
	p->settling = false;
	TAILQ_REMOVE(&pump.all, p, entry);
	p->state = PARK_DONE;
	p->c = NULL;
	/* What the MPM counts it as. */
	c->cs->state = CONN_STATE_SUSPENDED;
	apr_pool_destroy(c->pool);
	if (!p->numbered)
		STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
}

/* Ends the request: it is logged.  The connection lingers. */
static void
finish(struct parked *p)
{
	request_rec *r = p->r;
	conn_rec *c = p->c;

	if (p->state != PARK_OPEN)
		return;
	p->state = PARK_LINGER;
	p->ends_ms = pump.now_ms + LINGER_MS;
	p->r = NULL;
	c->aborted = p->failed;
	ap_process_request_after_handler(r);
	c->cs->state = CONN_STATE_SUSPENDED;
	if (p->failed) {
		parked_destroy(p);
		return;
	}
	ap_prep_lingering_close(c);
	ap_flush_conn(c);
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

/* Three digits, or 0. */
static int
status_of(const char *text)
{
	int status = 0;

	for (int i = 0; i < 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		status = status * 10 + text[i] - '0';
	}
	return status >= 100 && status < 600 ? status : 0;
}

/* What the log is to show: the status, and the bytes behind the head. */
static void
count_answer(struct parked *p, const char *bytes, size_t len)
{
	const char *end;

	if (!p->begun) {
		p->begun = true;
		if (len > 12 && strncmp(bytes, "HTTP/1.", 7) == 0 &&
		    status_of(bytes + 9) != 0)
			p->r->status = status_of(bytes + 9);
		end = memmem(bytes, len, "\r\n\r\n", 4);
		len = end == NULL ? 0 : len - (size_t)(end + 4 - bytes);
	}
	p->r->sent_bodyct = 1;
	p->r->bytes_sent += (apr_off_t)len;
}

/* Plain bytes into the filters; they are out, or kept, when this returns. */
static void
write_through(struct parked *p, const char *bytes, size_t len)
{
	conn_rec *c = p->c;

	count_answer(p, bytes, len);
	APR_BRIGADE_INSERT_TAIL(p->bb,
	    apr_bucket_transient_create(bytes, len, c->bucket_alloc));
	/* mod_ssl would wait for more; nobody below it heeds this. */
	APR_BRIGADE_INSERT_TAIL(p->bb,
	    apr_bucket_flush_create(c->bucket_alloc));
	if (ap_pass_brigade(c->output_filters, p->bb) != APR_SUCCESS)
		p->failed = true;
	apr_brigade_cleanup(p->bb);
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
	p->held = ap_realloc(p->held, p->held_len + len);
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
		apr_size_t len = sizeof(buf);
		apr_status_t rv = ap_get_brigade(p->c->input_filters, p->bb,
		    AP_MODE_READBYTES, APR_NONBLOCK_READ, sizeof(buf));

		if (rv == APR_SUCCESS)
			rv = apr_brigade_flatten(p->bb, buf, &len);
		if (rv == APR_SUCCESS && len == 0 && !APR_BRIGADE_EMPTY(p->bb))
			rv = APR_EOF;
		apr_brigade_cleanup(p->bb);
		if (APR_STATUS_IS_EAGAIN(rv) || (rv == APR_SUCCESS && len == 0))
			break;
		if (rv != APR_SUCCESS) {
			if (APR_STATUS_IS_EOF(rv))
				part(p);
			else
				parked_fail(p);
			return;
		}
		pass_input(p, buf, (uint32_t)len);
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
	struct chunk *chunk = ap_malloc(sizeof(*chunk) + len);

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
	piece = ap_malloc(sizeof(*piece));
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
