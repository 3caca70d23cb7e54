/* SPDX-License-Identifier: MIT */
/* Encoded bytes, counted references. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/chunk.h"
#include "shared/wire/fcgi.h"

struct chunk *
chunk_new(const void *bytes, size_t len)
{
	struct chunk *c = xmalloc(sizeof(*c) + len);

	c->refs = 1;
	c->raw = false;
	c->len = (uint32_t)len;
	if (len <= FCGI_CONTENT_MAX)
		fcgi_put_header(c->record, FCGI_STDOUT, 1, len);
	if (len > 0)
		memcpy(c->bytes, bytes, len);
	return c;
}

struct chunk *
chunk_take(struct str *s)
{
	struct chunk *c = chunk_new(s->p, s->len);

	str_free(s);
	return c;
}

struct chunk *
chunk_ref(struct chunk *c)
{
	c->refs++;
	return c;
}

void
chunk_unref(struct chunk *c)
{
	if (c != NULL && --c->refs == 0)
		free(c);
}
