/* SPDX-License-Identifier: MIT */
/* Bytes that grow: for requests and for what is not complete yet. */
#include "config.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/buf.h"

void
buf_add(struct buf *b, const void *p, size_t len)
{
	size_t room = b->room;

	if (len == 0)
		return;
	if (b->len + len > room) {
		room = (b->len + len) * 3 / 2 + 64;
		b->p = realloc(b->p, room);
		if (b->p == NULL)
			err(1, "%zu bytes", room);
		b->room = room;
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text))
		errx(1, "text too long: %.60s...", text);
	buf_add(b, text, (size_t)len);
}

void
buf_drop(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	b->len -= len;
	memmove(b->p, b->p + len, b->len);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}
