/* SPDX-License-Identifier: MIT */
/*
 * FastCGI records (FastCGI 1.0, section 3), as the web server sees them.
 *
 * With them the load generator can be a program's only peer: the program's own
 * cost is then measured against the bare loop with one and the same reader.
 */
#include "config.h"

#include <string.h>

#include "bench/fcgi.h"

#define TYPE_BEGIN  1
#define TYPE_END    3
#define TYPE_PARAMS 4
#define TYPE_STDIN  5
#define TYPE_STDOUT 6
#define TYPE_STDERR 7

static enum fcgi_event
take_content(struct fcgi *f, const char **p, size_t *n, const char **data,
    size_t *len)
{
	*data = *p;
	*len = *n < f->need ? *n : f->need;
	*p += *len;
	*n -= *len;
	f->need -= (unsigned)*len;
	return f->head[1] == TYPE_STDOUT ? FCGI_DATA : FCGI_MORE;
}

static void
take_padding(struct fcgi *f, const char **p, size_t *n)
{
	size_t len = *n < f->skip ? *n : f->skip;

	*p += len;
	*n -= len;
	f->skip -= (unsigned)len;
}

/* Take bytes of the head; 1 when it is complete. */
static int
take_head(struct fcgi *f, const char **p, size_t *n)
{
	while (*n > 0 && f->headlen < sizeof(f->head)) {
		f->head[f->headlen++] = (uint8_t) * (*p)++;
		(*n)--;
	}
	if (f->headlen < sizeof(f->head))
		return 0;
	f->need = (unsigned)f->head[4] << 8 | f->head[5];
	f->skip = f->head[6];
	return 1;
}

enum fcgi_event
fcgi_next(struct fcgi *f, const char **p, size_t *n, const char **data,
    size_t *len)
{
	while (*n > 0) {
		if (f->need > 0) {
			if (take_content(f, p, n, data, len) == FCGI_DATA)
				return FCGI_DATA;
			continue;
		}
		if (f->skip > 0) {
			take_padding(f, p, n);
			continue;
		}
		f->headlen %= sizeof(f->head);
		if (!take_head(f, p, n))
			break;
		if (f->head[0] != 1)
			return FCGI_BAD;
		if (f->head[1] == TYPE_END)
			return FCGI_END;
	}
	return FCGI_MORE;
}

static void
add_record(struct buf *b, int type, const void *p, size_t len)
{
	uint8_t head[8] = { 1, (uint8_t)type, 0, 1, (uint8_t)(len >> 8),
		(uint8_t)len };

	buf_add(b, head, sizeof(head));
	buf_add(b, p, len);
}

static void
add_param(struct buf *b, const char *name, const char *value)
{
	size_t len[2] = { strlen(name), strlen(value) };
	uint8_t head[8];
	size_t n = 0;
	int i;

	for (i = 0; i < 2; i++) {
		if (len[i] > 127) {
			head[n++] = (uint8_t)(0x80 | len[i] >> 24);
			head[n++] = (uint8_t)(len[i] >> 16);
			head[n++] = (uint8_t)(len[i] >> 8);
		}
		head[n++] = (uint8_t)len[i];
	}
	buf_add(b, head, n);
	buf_add(b, name, len[0]);
	buf_add(b, value, len[1]);
}

void
fcgi_add_get(struct buf *b, const char *host, const char *path,
    const char *last_event_id)
{
	static const uint8_t begin[8] = { 0, 1 }; /* responder, then close */
	const char *query = strchr(path, '?');
	struct buf params = { 0 };
	struct buf script = { 0 };

	buf_add(&script, path,
	    query == NULL ? strlen(path) : (size_t)(query - path));
	buf_add(&script, "", 1);
	add_param(&params, "GATEWAY_INTERFACE", "CGI/1.1");
	add_param(&params, "REQUEST_METHOD", "GET");
	add_param(&params, "REQUEST_URI", path);
	add_param(&params, "SCRIPT_NAME", script.p);
	add_param(&params, "QUERY_STRING", query == NULL ? "" : query + 1);
	add_param(&params, "SERVER_PROTOCOL", "HTTP/1.1");
	add_param(&params, "SERVER_NAME", host);
	add_param(&params, "REMOTE_ADDR", "127.0.0.1");
	add_param(&params, "HTTP_HOST", host);
	if (last_event_id[0] != '\0')
		add_param(&params, "HTTP_LAST_EVENT_ID", last_event_id);
	add_record(b, TYPE_BEGIN, begin, sizeof(begin));
	add_record(b, TYPE_PARAMS, params.p, params.len);
	add_record(b, TYPE_PARAMS, NULL, 0);
	add_record(b, TYPE_STDIN, NULL, 0);
	buf_free(&params);
	buf_free(&script);
}

void
fcgi_add_stdout(struct buf *b, const char *p, size_t len)
{
	add_record(b, TYPE_STDOUT, p, len);
}
