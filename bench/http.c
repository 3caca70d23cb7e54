/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 responses, read as they come (RFC 9112).
 *
 * A parser without I/O: bytes in, events out. Bodies by length, chunked, or
 * until the end; after 101 everything is body. A header longer than the line
 * buffer is cut; none that matters here is that long. Responses to HEAD are
 * not known here, since the benchmark sends none.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/http.h"

void
http_begin(struct http *h, int cgi)
{
	h->state = cgi ? HTTP_IN_HEADER : HTTP_IN_STATUS;
	h->cgi = cgi;
	h->status = cgi ? 200 : 0;
	h->close = h->chunked = 0;
	h->need = -1;
	h->len = 0;
	h->etag[0] = h->modified[0] = h->accept[0] = '\0';
	h->extensions[0] = '\0';
}

/* Collect a line without its end: 1 when complete, 0 when not yet. */
static int
take_line(struct http *h, const char **p, size_t *n)
{
	const char *end = memchr(*p, '\n', *n);
	size_t len = end == NULL ? *n : (size_t)(end - *p);
	size_t room = sizeof(h->line) - 1 - h->len;
	size_t kept = len < room ? len : room;

	memcpy(h->line + h->len, *p, kept);
	h->len += kept;
	if (end != NULL)
		len++;
	*p += len;
	*n -= len;
	if (end == NULL)
		return 0;
	if (h->len > 0 && h->line[h->len - 1] == '\r')
		h->len--;
	h->line[h->len] = '\0';
	h->len = 0;
	return 1;
}

static void
keep(char *to, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		len = 0; /* better none than half of one */
	memcpy(to, value, len);
	to[len] = '\0';
}

static void
read_header(struct http *h)
{
	char *value = strchr(h->line, ':');

	if (value == NULL)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(h->line, "Content-Length") == 0)
		h->need = atoll(value);
	else if (strcasecmp(h->line, "Transfer-Encoding") == 0)
		h->chunked = strcasestr(value, "chunked") != NULL;
	else if (strcasecmp(h->line, "Connection") == 0)
		h->close = strcasestr(value, "close") != NULL;
	else if (strcasecmp(h->line, "ETag") == 0)
		keep(h->etag, sizeof(h->etag), value);
	else if (strcasecmp(h->line, "Last-Modified") == 0)
		keep(h->modified, sizeof(h->modified), value);
	else if (strcasecmp(h->line, "Sec-WebSocket-Accept") == 0)
		keep(h->accept, sizeof(h->accept), value);
	else if (strcasecmp(h->line, "Sec-WebSocket-Extensions") == 0)
		keep(h->extensions, sizeof(h->extensions), value);
	else if (h->cgi && strcasecmp(h->line, "Status") == 0)
		h->status = atoi(value);
}

/* After the empty line: how long the body is (RFC 9112, 6.3). */
static void
end_head(struct http *h)
{
	if (h->status == 204 || h->status == 304)
		h->state = HTTP_COMPLETE;
	else if (h->status == 101)
		h->need = -1, h->state = HTTP_IN_BODY;
	else if (h->chunked)
		h->state = HTTP_IN_CHUNK_SIZE;
	else if (h->need == 0)
		h->state = HTTP_COMPLETE;
	else
		h->state = HTTP_IN_BODY;
}

/* Use one line; HTTP_MORE means that there is nothing to tell yet. */
static enum http_event
use_line(struct http *h)
{
	switch (h->state) {
	case HTTP_IN_STATUS:
		if (strncmp(h->line, "HTTP/1.", 7) != 0)
			return HTTP_BAD;
		h->status = atoi(h->line + 8);
		h->close = h->line[7] == '0';
		h->state = HTTP_IN_HEADER;
		return HTTP_MORE;
	case HTTP_IN_HEADER:
		if (h->line[0] != '\0') {
			read_header(h);
			return HTTP_MORE;
		}
		end_head(h);
		return HTTP_HEAD;
	case HTTP_IN_CHUNK_SIZE:
		h->need = strtoll(h->line, NULL, 16);
		h->state = h->need > 0 ? HTTP_IN_CHUNK : HTTP_IN_TRAILER;
		return h->need < 0 ? HTTP_BAD : HTTP_MORE;
	case HTTP_IN_CHUNK_END:
		h->state = HTTP_IN_CHUNK_SIZE;
		return h->line[0] == '\0' ? HTTP_MORE : HTTP_BAD;
	case HTTP_IN_TRAILER:
		if (h->line[0] == '\0')
			h->state = HTTP_COMPLETE;
		return HTTP_MORE;
	default:
		return HTTP_BAD;
	}
}

static enum http_event
take_body(struct http *h, const char **p, size_t *n, const char **body,
    size_t *len)
{
	*body = *p;
	*len = *n;
	if (h->need >= 0 && *len > (uint64_t)h->need)
		*len = (size_t)h->need;
	*p += *len;
	*n -= *len;
	if (h->need >= 0 && (h->need -= (int64_t)*len) == 0)
		h->state = h->state == HTTP_IN_CHUNK ? HTTP_IN_CHUNK_END
						     : HTTP_COMPLETE;
	return HTTP_BODY;
}

enum http_event
http_next(struct http *h, const char **p, size_t *n, const char **body,
    size_t *len)
{
	enum http_event event;

	if (h->state == HTTP_COMPLETE) {
		http_begin(h, h->cgi);
		return HTTP_END;
	}
	while (*n > 0 && h->state != HTTP_BROKEN) {
		if (h->state == HTTP_IN_BODY || h->state == HTTP_IN_CHUNK)
			return take_body(h, p, n, body, len);
		if (!take_line(h, p, n))
			break;
		event = use_line(h);
		if (event == HTTP_BAD)
			h->state = HTTP_BROKEN;
		if (event != HTTP_MORE)
			return event;
		if (h->state == HTTP_COMPLETE)
			return http_next(h, p, n, body, len);
	}
	return h->state == HTTP_BROKEN ? HTTP_BAD : HTTP_MORE;
}
