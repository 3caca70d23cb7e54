/* SPDX-License-Identifier: MIT */
/*
 * How many requests per second a server answers.
 *
 * Each of a few connections sends a request as soon as it has the answer to
 * its last one. Connections that the server ends are opened again. With echo
 * the same is done with WebSocket messages. Requests may carry a body (POST).
 */
#include "config.h"

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ask.h"
#include "bench/buf.h"
#include "bench/http.h"
#include "bench/message.h"
#include "bench/tls.h"
#include "bench/ws.h"

#define EVENTS  512
#define TURN_MS 100

#define LATE_UNIT_NS 100

/* One connection. */
struct asker {
	int fd;
	struct ssl_st *tls; /* of fd, or NULL */
	int shaking;        /* 1 = in the handshake of TLS */
	int open;           /* 1 = WebSocket handshake is done */
	struct http http;
	struct ws ws;
	uint64_t sent_ns; /* when it sent its last request or message */
};

/* The run while it goes on. */
struct loop {
	struct ask *a;
	int epoll;
	struct asker *askers;
	struct buf request; /* what each connection sends */
	struct buf frame;   /* what it sends after the handshake, for echo */
	struct buf text;    /* what must come back, for echo */
};

static void
build_request(struct loop *l, const char *etag)
{
	const struct ask *a = l->a;

	l->request.len = 0;
	buf_printf(&l->request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s",
	    a->post.len > 0 ? "POST" : "GET", a->path, a->target.host,
	    a->headers);
	if (a->post.len > 0)
		buf_printf(&l->request,
		    "Content-Type: %s\r\nContent-Length: %zu\r\n", a->type,
		    a->post.len);
	if (etag[0] != '\0')
		buf_printf(&l->request, "If-None-Match: %s\r\n", etag);
	if (a->echo)
		buf_printf(&l->request,
		    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Key: " WS_KEY "\r\nOrigin: %s://%s\r\n",
		    a->tls ? "https" : "http", a->target.host);
	buf_printf(&l->request, "\r\n");
	buf_add(&l->request, a->post.p, a->post.len);
}

static void
build_frame(struct loop *l)
{
	struct message m = { .run = 1, .seq = 1 };
	size_t i;

	for (i = 0; i < l->a->shape.size; i++)
		buf_add(&l->text, "x", 1);
	message_make(l->text.p, &l->a->shape, &m);
	ws_add_masked(&l->frame, WS_TEXT, l->text.p, l->text.len);
}

/* Send all of it: the peer has read everything before. */
static void
asker_send(struct loop *l, struct asker *k)
{
	const struct buf *b = k->open ? &l->frame : &l->request;

	k->sent_ns = clock_ns();
	if (tls_send(k->tls, k->fd, b->p, b->len) != (ssize_t)b->len)
		l->a->bad++;
}

/* Go on with the handshake of TLS; send when it is done.  It is short enough
 * for the socket, so reading is all that it can wait for. */
static void
asker_shake(struct loop *l, struct asker *k)
{
	uint32_t events;
	int rc = tls_shake(k->tls, &events);

	if (rc == 0)
		return;
	k->shaking = 0;
	if (rc == 1)
		asker_send(l, k);
	else
		l->a->bad++;
}

static void
asker_connect(struct loop *l, struct asker *k)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = k };

	tls_free(k->tls);
	k->tls = NULL;
	if (k->fd != -1)
		close(k->fd);
	ws_free(&k->ws);
	k->open = 0;
	http_begin(&k->http, 0);
	k->fd = target_xconnect(&l->a->target);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, k->fd, &ev) == -1)
		err(1, "epoll_ctl");
	if (l->a->tls) {
		/* Handshakes of others go on meanwhile. */
		if (fcntl(k->fd, F_SETFL, O_NONBLOCK) == -1)
			err(1, "fcntl");
		k->tls = tls_new(k->fd);
		k->shaking = 1;
		asker_shake(l, k);
		return;
	}
	asker_send(l, k);
}

static void
count_status(struct ask *a, int status)
{
	if (status < 0 || status >= ASK_STATUSES)
		status = 0;
	a->statuses[status]++;
}

/* An answer or echo is there. */
static void
count_answer(struct ask *a, const struct asker *k)
{
	uint64_t late = (clock_ns() - k->sent_ns) / LATE_UNIT_NS;

	if (a->answers == a->late_room) {
		a->late_room = a->late_room == 0 ? 65536 : a->late_room * 2;
		a->late = reallocarray(a->late, a->late_room, sizeof(*a->late));
		if (a->late == NULL)
			err(1, "%zu answers", a->late_room);
	}
	a->late[a->answers++] = late > UINT32_MAX ? UINT32_MAX : (uint32_t)late;
}

/* Count echoes in the bytes, and answer each with the next message. */
static void
feed_echo(struct loop *l, struct asker *k, const char *p, size_t n)
{
	enum ws_event event;

	while ((event = ws_next(&k->ws, &p, &n)) != WS_MORE) {
		if (event == WS_BAD) {
			l->a->bad++;
			return;
		}
		if (event == WS_CONTROL)
			continue;
		if (k->ws.message.len == l->text.len &&
		    memcmp(k->ws.message.p, l->text.p, l->text.len) == 0)
			count_answer(l->a, k);
		else
			l->a->bad++;
		asker_send(l, k);
	}
}

/* Count answers in the bytes; 1 if the connection must be opened again. */
static int
feed_http(struct loop *l, struct asker *k, const char *p, size_t n)
{
	enum http_event event;
	const char *body;
	size_t len;
	int close_it = 0;

	while (
	    (event = http_next(&k->http, &p, &n, &body, &len)) != HTTP_MORE) {
		if (event == HTTP_BAD) {
			l->a->bad++;
			return 1;
		}
		if (event == HTTP_HEAD) {
			count_status(l->a, k->http.status);
			close_it = k->http.close;
			if (k->http.status == 101 &&
			    strcmp(k->http.accept, WS_ACCEPT) == 0) {
				k->open = 1;
				asker_send(l, k);
			}
		} else if (event == HTTP_BODY && k->open) {
			feed_echo(l, k, body, len);
		} else if (event == HTTP_END && l->a->echo) {
			l->a->bad++; /* the handshake was refused */
			return 1;
		} else if (event == HTTP_END) {
			count_answer(l->a, k);
			if (close_it)
				return 1;
			asker_send(l, k);
		}
	}
	return 0;
}

static void
asker_read(struct loop *l, struct asker *k)
{
	static char in[65536];
	ssize_t n;

	if (k->shaking) {
		asker_shake(l, k);
		if (k->shaking)
			return;
	}
	do {
		n = k->tls == NULL ? recv(k->fd, in, sizeof(in), MSG_DONTWAIT)
				   : tls_recv(k->tls, k->fd, in, sizeof(in));
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || feed_http(l, k, in, (size_t)n)) {
			l->a->reconnects++;
			asker_connect(l, k);
			return;
		}
	} while (tls_pending(k->tls));
}

/* Ask once and return the ETag of the answer in etag, or an empty one. */
static void
fetch_etag(struct loop *l, char *etag, size_t size)
{
	struct http http = { 0 };
	char in[4096];
	const char *p = in, *body;
	size_t n, len;
	ssize_t got;
	int fd = target_xconnect(&l->a->target);
	struct ssl_st *tls = l->a->tls ? tls_new(fd) : NULL;

	if (tls_send(tls, fd, l->request.p, l->request.len) == -1)
		err(1, "send");
	got = tls_recv(tls, fd, in, sizeof(in));
	tls_free(tls);
	close(fd);
	if (got <= 0)
		errx(1, "no answer from %s", l->a->target.host);
	n = (size_t)got;
	http_begin(&http, 0);
	if (http_next(&http, &p, &n, &body, &len) != HTTP_HEAD ||
	    strlen(http.etag) >= size)
		errx(1, "no HTTP from %s", l->a->target.host);
	memcpy(etag, http.etag, strlen(http.etag) + 1);
	if (etag[0] == '\0')
		warnx("%s: no ETag (status %d)", l->a->path, http.status);
}

static void
turn(struct loop *l)
{
	struct epoll_event events[EVENTS];
	int i, n;

	n = epoll_wait(l->epoll, events, EVENTS, TURN_MS);
	for (i = 0; i < n; i++)
		asker_read(l, events[i].data.ptr);
}

static void
turn_for(struct loop *l, double seconds)
{
	uint64_t end_ns = clock_ns() + (uint64_t)(seconds * 1e9);

	while (clock_ns() < end_ns)
		turn(l);
}

static void
measure(struct ask *a, struct usage *u)
{
	size_t i;

	for (i = 0; i < a->ngroups; i++) {
		group_refresh(&a->groups[i]);
		group_measure_cpu(&a->groups[i], &u[i]);
	}
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void
ask_run(struct ask *a)
{
	struct loop l = { .a = a };
	char etag[128] = "";
	uint64_t begin_ns;
	size_t i;

	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.askers = calloc(a->connections, sizeof(*l.askers));
	if (l.epoll == -1 || l.askers == NULL)
		err(1, "%zu connections", a->connections);
	build_request(&l, "");
	build_frame(&l);
	if (a->etag) {
		fetch_etag(&l, etag, sizeof(etag));
		build_request(&l, etag);
	}
	for (i = 0; i < a->connections; i++) {
		l.askers[i].fd = -1;
		asker_connect(&l, &l.askers[i]);
	}
	turn_for(&l, a->seconds / 10); /* not counted: caches get warm */
	a->answers = a->reconnects = a->bad = 0;
	memset(a->statuses, 0, sizeof(a->statuses));
	measure(a, a->begin_use);
	begin_ns = clock_ns();
	turn_for(&l, a->seconds);
	a->took_s = (double)(clock_ns() - begin_ns) / 1e9;
	measure(a, a->end_use);
	qsort(a->late, a->answers, sizeof(*a->late), compare);
	for (i = 0; i < a->connections; i++) {
		tls_free(l.askers[i].tls);
		close(l.askers[i].fd);
		ws_free(&l.askers[i].ws);
	}
	free(l.askers);
	buf_free(&l.request);
	buf_free(&l.frame);
	buf_free(&l.text);
	close(l.epoll);
}

/* Microseconds of CPU of group i per answer. */
static double
cpu_per_answer(const struct ask *a, size_t i)
{
	if (a->answers == 0)
		return 0;
	return (double)(a->end_use[i].cpu_ns - a->begin_use[i].cpu_ns) / 1e3 /
	       (double)a->answers;
}

/* Milliseconds within which share (0 to 1) of the answers came. */
static double
percentile(const struct ask *a, double share)
{
	size_t at = (size_t)(share * (double)a->answers);

	if (a->answers == 0)
		return 0;
	if (at >= a->answers)
		at = a->answers - 1;
	return a->late[at] * (LATE_UNIT_NS / 1e6);
}

void
ask_print(const struct ask *a, FILE *f)
{
	size_t i;

	fprintf(f, "%s: %.0f %s/s on %zu connections in %.1f s\n", a->label,
	    (double)a->answers / a->took_s, a->echo ? "echoes" : "requests",
	    a->connections, a->took_s);
	fprintf(f, "latency      p50 %.2f p99 %.2f max %.2f ms\n",
	    percentile(a, 0.5), percentile(a, 0.99), percentile(a, 1));
	fprintf(f, "statuses    ");
	for (i = 0; i < ASK_STATUSES; i++) {
		if (a->statuses[i] > 0)
			fprintf(f, " %zu: %llu", i,
			    (unsigned long long)a->statuses[i]);
	}
	fprintf(f, "; bad %llu, reconnects %llu\n", (unsigned long long)a->bad,
	    (unsigned long long)a->reconnects);
	for (i = 0; i < a->ngroups; i++)
		fprintf(f, "%-12s %.2f us of CPU per answer\n",
		    a->groups[i].name, cpu_per_answer(a, i));
}

void
ask_print_json(const struct ask *a, FILE *f)
{
	const char *comma = "";
	size_t i;

	fprintf(f,
	    "{\"label\":\"%s\",\"connections\":%zu,\"seconds\":%.3f,"
	    "\"answers\":%llu,\"per_second\":%.1f,\"bad\":%llu,"
	    "\"reconnects\":%llu,\"latency_ms\":{\"p50\":%.3f,"
	    "\"p99\":%.3f},\"statuses\":{",
	    a->label, a->connections, a->took_s, (unsigned long long)a->answers,
	    (double)a->answers / a->took_s, (unsigned long long)a->bad,
	    (unsigned long long)a->reconnects, percentile(a, 0.5),
	    percentile(a, 0.99));
	for (i = 0; i < ASK_STATUSES; i++) {
		if (a->statuses[i] == 0)
			continue;
		fprintf(f, "%s\"%zu\":%llu", comma, i,
		    (unsigned long long)a->statuses[i]);
		comma = ",";
	}
	fprintf(f, "},\"groups\":{");
	for (i = 0; i < a->ngroups; i++)
		fprintf(f, "%s\"%s\":{\"cpu_us\":%.4f}", i > 0 ? "," : "",
		    a->groups[i].name, cpu_per_answer(a, i));
	fprintf(f, "}}\n");
}
