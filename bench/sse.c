/* SPDX-License-Identifier: MIT */
/*
 * Event streams (WHATWG HTML, 9.2.6), read as they come.
 *
 * Lines end in LF or CRLF; the lone CR that the standard allows too is not
 * known, since no server here sends it.
 */
#include "config.h"

#include <string.h>

#include "bench/sse.h"

static void
keep(char *to, size_t size, const char *value, size_t len)
{
	if (len >= size)
		len = 0; /* better none than half of one */
	memcpy(to, value, len);
	to[len] = '\0';
}

static void
use_field(struct sse *s, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	const char *value = colon == NULL ? line + len : colon + 1;
	size_t name = colon == NULL ? len : (size_t)(colon - line);

	if (value < line + len && *value == ' ')
		value++;
	len -= (size_t)(value - line);
	if (name == 4 && memcmp(line, "data", 4) == 0) {
		buf_add(&s->data, value, len);
		buf_add(&s->data, "\n", 1);
	} else if (name == 5 && memcmp(line, "event", 5) == 0) {
		keep(s->event, sizeof(s->event), value, len);
	} else if (name == 2 && memcmp(line, "id", 2) == 0) {
		keep(s->id, sizeof(s->id), value, len);
	}
}

/* Use the finished line; 1 if it ends an event that has data. */
static int
use_line(struct sse *s, const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > 0) {
		use_field(s, line, len);
		return 0;
	}
	if (s->data.len == 0)
		s->event[0] = '\0';
	return s->data.len > 0;
}

int
sse_next(struct sse *s, const char **p, size_t *n)
{
	const char *end, *line;
	size_t len;
	int got;

	if (s->done) {
		s->done = 0;
		s->data.len = 0;
		s->event[0] = '\0';
	}
	while ((end = memchr(*p, '\n', *n)) != NULL) {
		line = *p;
		len = (size_t)(end - line);
		*p += len + 1;
		*n -= len + 1;
		if (s->line.len > 0) {
			buf_add(&s->line, line, len);
			line = s->line.p;
			len = s->line.len;
		}
		got = use_line(s, line, len);
		s->line.len = 0;
		if (got)
			return s->done = 1;
	}
	buf_add(&s->line, *p, *n);
	*p += *n;
	*n = 0;
	return 0;
}

void
sse_free(struct sse *s)
{
	buf_free(&s->line);
	buf_free(&s->data);
	memset(s, 0, sizeof(*s));
}
