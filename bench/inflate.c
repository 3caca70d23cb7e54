/* SPDX-License-Identifier: MIT */
/*
 * Inflating of permessage-deflate (RFC 7692), the client's half.
 *
 * Where the server begins anew with each message all connections share one
 * stream; else each has its own, with the window of what came before.
 */
#include "config.h"

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "bench/inflate.h"

#define PIECE       4096       /* bytes inflated at once */
#define MESSAGE_MAX (64 << 20) /* bytes, above that it is garbage */

static struct z_stream_s *shared; /* of those who keep nothing */
static struct buf text;           /* the last message */

static struct z_stream_s *
new_stream(void)
{
	struct z_stream_s *z = calloc(1, sizeof(*z));

	if (z == NULL || inflateInit2(z, -MAX_WBITS) != Z_OK)
		err(1, "inflate");
	return z;
}

int
inflate_begin(struct inflate *f, const char *extensions)
{
	inflate_end(f);
	if (strncmp(extensions, "permessage-deflate", 18) != 0)
		return -1;
	f->keeps = strstr(extensions, "server_no_context_takeover") == NULL;
	if (f->keeps)
		f->stream = new_stream();
	else if (shared == NULL)
		shared = new_stream();
	return 0;
}

/* Inflate some bytes to the end of text; -1 if they are no good. */
static int
add_bytes(struct z_stream_s *z, const char *p, size_t len)
{
	char out[PIECE];
	int rc;

	z->next_in = (unsigned char *)(uintptr_t)p;
	z->avail_in = (unsigned)len;
	do {
		z->next_out = (unsigned char *)out;
		z->avail_out = sizeof(out);
		rc = inflate(z, Z_SYNC_FLUSH);
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return -1;
		buf_add(&text, out, sizeof(out) - z->avail_out);
		if (text.len > MESSAGE_MAX)
			return -1;
	} while (z->avail_out == 0);
	return z->avail_in == 0 ? 0 : -1;
}

const struct buf *
inflate_message(struct inflate *f, const struct buf *packed)
{
	struct z_stream_s *z = f->keeps ? f->stream : shared;

	text.len = 0;
	if (!f->keeps)
		inflateReset(z);
	if (add_bytes(z, packed->p, packed->len) == -1 ||
	    add_bytes(z, "\x00\x00\xff\xff", 4) == -1)
		return NULL;
	return &text;
}

void
inflate_end(struct inflate *f)
{
	if (f->stream != NULL)
		inflateEnd(f->stream);
	free(f->stream);
	memset(f, 0, sizeof(*f));
}
