/* SPDX-License-Identifier: MIT */
/*
 * One subscriber of the benchmark, over any transport.
 *
 * Bytes go through the layers FastCGI (if asked for), HTTP, and the
 * transport's own framing until a message comes out, which is counted. Nothing
 * here waits: the caller has the epoll loop and the clock for resting clients.
 * A message that would be found by searching the raw bytes, but is not framed
 * as its transport demands, does not count as received.
 */
#include "config.h"

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/client.h"

#define READ_LEN   65536 /* bytes read at once */
#define TELL_MAX   5     /* refusals printed in a run */
#define SCRIPT_END "</script>"

static const char *const accepts[FORM__MAX] = {
	[FORM_SSE] = "text/event-stream",
	[FORM_IFRAME] = "text/html",
	[FORM_POLL] = "application/json",
	[FORM_LONGPOLL] = "application/json",
	[FORM_WS] = "*/*",
	[FORM_WSJSON] = "*/*",
};

static int
is_ws(const struct plan *plan)
{
	return plan->form == FORM_WS || plan->form == FORM_WSJSON;
}

static int
is_polling(const struct plan *plan)
{
	return plan->form == FORM_POLL || plan->form == FORM_LONGPOLL;
}

void
client_init(struct client *c, const struct plan *plan, size_t index)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->index = index;
	seen_init(&c->seen, plan->tally);
}

static void
client_close(struct client *c)
{
	tls_free(c->tls);
	c->tls = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

void
client_free(struct client *c)
{
	client_close(c);
	seen_free(&c->seen);
	sse_free(&c->sse);
	ws_free(&c->ws);
	inflate_end(&c->inflate);
	buf_free(&c->body);
}

/* The connection is of no more use; come back later, if that is the plan. */
static void
client_lose(struct client *c, struct plan *plan, const char *why)
{
	int again = is_polling(plan) || plan->resume;

	client_close(c);
	plan->lost++;
	if (plan->told < TELL_MAX && !(again && c->met)) {
		plan->told++;
		warnx("client %zu: %s", c->index, why);
	}
	c->state = again ? CLIENT_RESTING : CLIENT_FAILED;
}

static void
add_ws_lines(struct buf *b, const struct plan *plan)
{
	buf_printf(b,
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n"
	    "Origin: %s://%s\r\n",
	    plan->tls ? "https" : "http", plan->target->host);
	if (plan->form == FORM_WSJSON)
		buf_printf(b, "Sec-WebSocket-Protocol: tidings.json\r\n");
	if (plan->deflate)
		buf_printf(b,
		    "Sec-WebSocket-Extensions: " INFLATE_OFFER "\r\n");
}

static void
add_request(struct buf *b, const struct client *c, const struct plan *plan)
{
	buf_printf(b, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\n%s",
	    plan->path, plan->target->host, accepts[plan->form], plan->headers);
	if (is_ws(plan))
		add_ws_lines(b, plan);
	if (is_polling(plan) && c->etag[0] != '\0')
		buf_printf(b, "If-None-Match: %s\r\n", c->etag);
	else if (c->cursor[0] != '\0')
		buf_printf(b, "Last-Event-ID: %s\r\n", c->cursor);
	if (is_polling(plan) && c->modified[0] != '\0')
		buf_printf(b, "If-Modified-Since: %s\r\n", c->modified);
	buf_printf(b, "\r\n");
}

/* Send the request. It is small and the socket empty, so it goes at once. */
static void
client_ask(struct client *c, struct plan *plan)
{
	struct buf b = { 0 };
	ssize_t n;

	if (plan->fcgi)
		fcgi_add_get(&b, plan->target->host, plan->path, c->cursor);
	else
		add_request(&b, c, plan);
	n = tls_send(c->tls, c->fd, b.p, b.len);
	if (n == (ssize_t)b.len) {
		plan->requests++;
		c->state = CLIENT_ASKED;
	} else {
		client_lose(c, plan, n == -1 ? strerror(errno) : "short write");
	}
	buf_free(&b);
}

static void
client_open(struct client *c, struct plan *plan)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = c };

	memset(&c->fcgi, 0, sizeof(c->fcgi));
	http_begin(&c->http, plan->fcgi);
	sse_free(&c->sse);
	ws_free(&c->ws);
	inflate_end(&c->inflate);
	c->body.len = 0;
	c->fd = target_connect(plan->target, c->index);
	if (c->fd == -1) {
		client_lose(c, plan, strerror(errno));
		return;
	}
	if (epoll_ctl(plan->epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
	c->state = CLIENT_CONNECTING;
}

void
client_go(struct client *c, struct plan *plan)
{
	if (c->fd == -1)
		client_open(c, plan);
	else
		client_ask(c, plan);
}

/* Wait for these events from now on. */
static void
client_await(struct client *c, const struct plan *plan, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(plan->epoll, EPOLL_CTL_MOD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

/* Go on with the handshake of TLS; ask when it is done. */
static void
client_shake(struct client *c, struct plan *plan)
{
	uint32_t events = EPOLLIN;
	int rc = tls_shake(c->tls, &events);

	if (rc == -1) {
		client_lose(c, plan, "no TLS");
		return;
	}
	client_await(c, plan, events);
	if (rc == 1)
		client_ask(c, plan);
}

static void
client_connected(struct client *c, struct plan *plan)
{
	socklen_t len = sizeof(errno);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		client_lose(c, plan, strerror(error));
		return;
	}
	if (plan->tls) {
		c->tls = tls_new(c->fd);
		c->state = CLIENT_SHAKING;
		client_shake(c, plan);
		return;
	}
	client_await(c, plan, EPOLLIN);
	client_ask(c, plan);
}

/* Copy the string that follows the last key in the text to c->cursor. */
static void
keep_cursor(struct client *c, const char *p, size_t len, const char *key)
{
	const char *found = NULL, *at = p, *end;

	while ((at = memmem(at, len - (size_t)(at - p), key, strlen(key))) !=
	       NULL) {
		at += strlen(key);
		found = at;
	}
	if (found == NULL)
		return;
	end = memchr(found, '"', len - (size_t)(found - p));
	if (end == NULL || (size_t)(end - found) >= sizeof(c->cursor))
		return;
	memcpy(c->cursor, found, (size_t)(end - found));
	c->cursor[end - found] = '\0';
}

/* Count all messages in the text. */
static void
count_all(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	enum message_state state;
	struct message m;
	size_t used;

	while ((state = message_find(p, len, &plan->shape, &m, &used)) !=
	       MESSAGE_NONE) {
		if (state == MESSAGE_OK)
			tally_count(plan->tally, &c->seen, &m, now_ns);
		else
			plan->tally->damaged++;
		p += used;
		len -= used;
	}
}

/* Count a message that must be all of the text. */
static void
count_one(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	struct message m;
	size_t used;

	if (len == plan->shape.size &&
	    message_find(p, len, &plan->shape, &m, &used) == MESSAGE_OK)
		tally_count(plan->tally, &c->seen, &m, now_ns);
	else
		plan->tally->damaged++;
}

static void
feed_sse(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	while (sse_next(&c->sse, &p, &len)) {
		if (strcmp(c->sse.event, "tidings.reset") == 0)
			plan->tally->resets++;
		else
			count_one(c, plan, c->sse.data.p, c->sse.data.len - 1,
			    now_ns);
		memcpy(c->cursor, c->sse.id, sizeof(c->cursor));
	}
}

/* An iframe's page never ends: each finished script is one message. */
static void
feed_iframe(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	const char *end;
	size_t used;

	buf_add(&c->body, p, len);
	while ((end = memmem(c->body.p, c->body.len, SCRIPT_END,
		    strlen(SCRIPT_END))) != NULL) {
		used = (size_t)(end - c->body.p) + strlen(SCRIPT_END);
		count_all(c, plan, c->body.p, used, now_ns);
		keep_cursor(c, c->body.p, used, "\"id\":\"");
		buf_drop(&c->body, used);
	}
}

static void
use_ws_message(struct client *c, struct plan *plan, uint64_t now_ns)
{
	const struct buf *b = &c->ws.message;

	if (c->ws.packed) {
		plan->packed++;
		b = inflate_message(&c->inflate, b);
		if (b == NULL) {
			plan->tally->damaged++;
			return;
		}
	}
	if (plan->form == FORM_WS) {
		count_one(c, plan, b->p, b->len, now_ns);
		return;
	}
	count_all(c, plan, b->p, b->len, now_ns);
	keep_cursor(c, b->p, b->len, "\"id\":\"");
}

static void
feed_ws(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	struct buf pong = { 0 };

	for (;;) {
		switch (ws_next(&c->ws, &p, &len)) {
		case WS_MORE:
			return;
		case WS_MESSAGE:
			use_ws_message(c, plan, now_ns);
			break;
		case WS_CONTROL:
			if (c->ws.opcode == WS_CLOSE) {
				client_lose(c, plan, "closed by the server");
				return;
			}
			if (c->ws.opcode != WS_PING)
				break;
			ws_add_masked(&pong, WS_PONG, c->ws.control.p,
			    c->ws.control.len);
			(void)tls_send(c->tls, c->fd, pong.p, pong.len);
			buf_free(&pong);
			break;
		case WS_BAD:
			client_lose(c, plan, "bad WebSocket frame");
			return;
		}
	}
}

/* The head of a response is there. */
static void
use_head(struct client *c, struct plan *plan)
{
	const struct http *h = &c->http;
	char why[64];
	int good = h->status == 200;

	snprintf(why, sizeof(why), "answered %d", h->status);
	if (is_ws(plan))
		good = h->status == 101 && strcmp(h->accept, WS_ACCEPT) == 0;
	else if (is_polling(plan))
		good = good || h->status == 304;
	if (good && plan->deflate &&
	    inflate_begin(&c->inflate, h->extensions) == -1) {
		snprintf(why, sizeof(why), "no permessage-deflate");
		good = 0;
	}
	if (!good) {
		client_lose(c, plan, why);
		return;
	}
	c->met = 1;
	c->ws.may_pack = plan->deflate;
	c->close = h->close;
	c->state = CLIENT_HELD;
	if (h->status == 200) {
		memcpy(c->etag, h->etag, sizeof(c->etag));
		memcpy(c->modified, h->modified, sizeof(c->modified));
	}
}

static void
use_body(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	switch (plan->form) {
	case FORM_SSE:
		feed_sse(c, plan, p, len, now_ns);
		break;
	case FORM_IFRAME:
		feed_iframe(c, plan, p, len, now_ns);
		break;
	case FORM_POLL:
	case FORM_LONGPOLL:
		buf_add(&c->body, p, len);
		break;
	default:
		feed_ws(c, plan, p, len, now_ns);
		break;
	}
}

/* A polling client has its whole answer. */
static void
use_answer(struct client *c, struct plan *plan, uint64_t now_ns)
{
	const struct buf *b = &c->body;

	if (!is_polling(plan)) {
		client_lose(c, plan, "ended by the server");
		return;
	}
	if (b->len > 0) {
		count_all(c, plan, b->p, b->len, now_ns);
		keep_cursor(c, b->p, b->len, "\"cursor\":\"");
		if (memmem(b->p, b->len, "\"reset\":true", 12) != NULL)
			plan->tally->resets++;
	}
	c->body.len = 0;
	c->state = CLIENT_ANSWERED;
	if (c->close)
		client_close(c);
}

static void
feed_http(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	enum http_event event;
	const char *body;
	size_t n;

	do {
		event = http_next(&c->http, &p, &len, &body, &n);
		if (event == HTTP_HEAD)
			use_head(c, plan);
		else if (event == HTTP_BODY)
			use_body(c, plan, body, n, now_ns);
		else if (event == HTTP_END)
			use_answer(c, plan, now_ns);
		else if (event == HTTP_BAD)
			client_lose(c, plan, "not HTTP");
	} while (event != HTTP_MORE && c->fd != -1);
}

static void
feed_fcgi(struct client *c, struct plan *plan, const char *p, size_t len,
    uint64_t now_ns)
{
	const char *data;
	size_t n;

	while (c->fd != -1) {
		switch (fcgi_next(&c->fcgi, &p, &len, &data, &n)) {
		case FCGI_MORE:
			return;
		case FCGI_DATA:
			feed_http(c, plan, data, n, now_ns);
			break;
		case FCGI_END:
			c->close = 1;
			use_answer(c, plan, now_ns);
			return;
		case FCGI_BAD:
			client_lose(c, plan, "not FastCGI");
			return;
		}
	}
}

/* Read once; 0 if there was nothing. */
static int
client_read(struct client *c, struct plan *plan)
{
	static char in[READ_LEN];
	uint64_t now_ns;
	ssize_t n;

	n = tls_recv(c->tls, c->fd, in, sizeof(in));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		client_lose(c, plan, n == 0 ? "closed" : strerror(errno));
		return 0;
	}
	now_ns = clock_ns();
	plan->bytes += (uint64_t)n;
	if (plan->fcgi)
		feed_fcgi(c, plan, in, (size_t)n, now_ns);
	else
		feed_http(c, plan, in, (size_t)n, now_ns);
	return 1;
}

void
client_event(struct client *c, struct plan *plan)
{
	if (c->state == CLIENT_CONNECTING)
		client_connected(c, plan);
	else if (c->state == CLIENT_SHAKING)
		client_shake(c, plan);
	else if (c->fd != -1)
		client_read(c, plan);
	while (c->state != CLIENT_SHAKING && tls_pending(c->tls) &&
	       client_read(c, plan))
		continue;
}
