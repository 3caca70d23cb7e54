/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate: what is agreed in the handshake, and zlib's streams for
 * single messages.  Streams are reset, not made anew: one deflater for each
 * size of window, and one inflater that is at rest.
 *
 * An offer of server_max_window_bits=8 is declined, because zlib makes no raw
 * stream with a window of 256 bytes.
 *
 * Refused: keeping the window between messages.  It deflates a little better,
 * and costs each client a deflater of its own, 256 KB, and each broadcast a
 * compression per client.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZLIB_CONST
#include <zlib.h>

#include "shared/base/str.h"
#include "shared/wire/wsdeflate.h"

#define BITS_MIN  9
#define BITS_MAX  15
#define TAIL_LEN  4     /* 00 00 ff ff, which is not sent */
#define MEM_LEVEL 8     /* zlib's default */
#define STEP      16384 /* bytes inflated in one go, at least */
#define AT_BLOCK  128   /* in data_type: between two blocks */
#define PARAM_LEN 40    /* longer names and values are none that we know */

static const unsigned char tail[TAIL_LEN] = { 0x00, 0x00, 0xff, 0xff };

struct ws_inflate {
	z_stream z; /* of zlib */
	bool ended; /* at the end of a block that is marked as the last one */
};

static z_stream *deflaters[BITS_MAX + 1]; /* by window bits */
static int levels[BITS_MAX + 1];          /* of each */
static struct ws_inflate *at_rest;        /* or NULL */

/* RFC 9110, section 5.6.2. */
static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* Takes a token; one that does not fit is cut, and so is none we know. */
static bool
take_token(const char **p, char *out)
{
	size_t len = 0;

	for (; is_token_char(**p); ++*p)
		if (len < PARAM_LEN - 1)
			out[len++] = **p;
	out[len] = '\0';
	return len > 0;
}

/* A quoted string, which must hold a token (RFC 6455, section 9.1). */
static bool
take_quoted(const char **p, char *out)
{
	size_t len = 0;

	for (++*p; **p != '"'; ++*p) {
		if (**p == '\\')
			++*p;
		if (!is_token_char(**p))
			return false;
		if (len < PARAM_LEN - 1)
			out[len++] = **p;
	}
	++*p;
	out[len] = '\0';
	return len > 0;
}

/* The parameters of one offer. */
struct offer {
	bool server_no_takeover, client_no_takeover;
	bool server_bits, client_bits; /* is there */
	int server_value;              /* 8 to 15 */
	int client_value;              /* 8 to 15, 0 = no value */
	bool declined;                 /* something in it is not for us */
};

/* 8 to 15 in decimal without leading zeros (section 7.1.2), or 0. */
static int
window_bits(const char *value)
{
	if ((value[0] == '8' || value[0] == '9') && value[1] == '\0')
		return value[0] - '0';
	if (value[0] == '1' && value[1] >= '0' && value[1] <= '5' &&
	    value[2] == '\0')
		return 10 + value[1] - '0';
	return 0;
}

/* A parameter may stand once, and in its own form (section 7.1). */
static void
note_param(struct offer *offer, const char *name, const char *value)
{
	bool *seen;
	bool good = value == NULL;

	if (strcasecmp(name, "server_no_context_takeover") == 0) {
		seen = &offer->server_no_takeover;
	} else if (strcasecmp(name, "client_no_context_takeover") == 0) {
		seen = &offer->client_no_takeover;
	} else if (strcasecmp(name, "server_max_window_bits") == 0) {
		seen = &offer->server_bits;
		offer->server_value = value == NULL ? 0 : window_bits(value);
		good = offer->server_value >= BITS_MIN;
	} else if (strcasecmp(name, "client_max_window_bits") == 0) {
		seen = &offer->client_bits;
		offer->client_value = value == NULL ? 0 : window_bits(value);
		good = value == NULL || offer->client_value != 0;
	} else {
		offer->declined = true;
		return;
	}
	if (*seen || !good)
		offer->declined = true;
	*seen = true;
}

/* The parameters up to the comma.  Returns false if they are malformed. */
static bool
take_params(const char **p, struct offer *offer)
{
	char name[PARAM_LEN], value[PARAM_LEN];

	for (*p = skip_blanks(*p); **p == ';'; *p = skip_blanks(*p)) {
		bool has_value = false;

		*p = skip_blanks(*p + 1);
		if (!take_token(p, name))
			return false;
		*p = skip_blanks(*p);
		if (**p == '=') {
			*p = skip_blanks(*p + 1);
			has_value = true;
			if (**p == '"' ? !take_quoted(p, value)
				       : !take_token(p, value))
				return false;
		}
		note_param(offer, name, has_value ? value : NULL);
	}
	return **p == '\0' || **p == ',';
}

static void
agree(const struct offer *offer, struct ws_deflate *agreed)
{
	agreed->window_bits =
	    offer->server_bits ? (uint8_t)offer->server_value : BITS_MAX;
	agreed->tell_server = offer->server_bits;
	agreed->client_bits = (uint8_t)offer->client_value;
}

bool
ws_deflate_choose(const char *offers, struct ws_deflate *agreed)
{
	const char *p = offers;
	char name[PARAM_LEN];

	*agreed = (struct ws_deflate){ 0 };
	for (;;) {
		struct offer offer = { 0 };

		p += strspn(p, " \t,");
		if (*p == '\0')
			return true;
		if (!take_token(&p, name) || !take_params(&p, &offer))
			return false;
		if (agreed->window_bits == 0 && !offer.declined &&
		    strcasecmp(name, "permessage-deflate") == 0)
			agree(&offer, agreed);
	}
}

void
ws_deflate_answer(const struct ws_deflate *agreed, struct str *out)
{
	str_addz(out, "permessage-deflate; server_no_context_takeover; "
		      "client_no_context_takeover");
	if (agreed->tell_server)
		str_addf(out, "; server_max_window_bits=%d",
		    agreed->window_bits);
	if (agreed->client_bits != 0)
		str_addf(out, "; client_max_window_bits=%d",
		    agreed->client_bits);
}

static void
drop_deflater(int bits)
{
	if (deflaters[bits] == NULL)
		return;
	deflateEnd(deflaters[bits]);
	free(deflaters[bits]);
	deflaters[bits] = NULL;
}

/* A deflater that stands at its beginning; NULL: memory is exhausted. */
static z_stream *
deflater(int bits, int level)
{
	z_stream *z = deflaters[bits];

	if (z != NULL && levels[bits] == level) {
		deflateReset(z);
		return z;
	}
	drop_deflater(bits);
	z = xcalloc(1, sizeof(*z));
	if (deflateInit2(z, level, Z_DEFLATED, -bits, MEM_LEVEL,
		Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		return NULL;
	}
	deflaters[bits] = z;
	levels[bits] = level;
	return z;
}

bool
ws_deflate_message(const void *bytes, size_t len, int bits, int level,
    struct str *out)
{
	z_stream *z;
	size_t room = len + TAIL_LEN - 1;

	if (len == 0 || len > UINT32_MAX / 2)
		return false;
	z = deflater(bits, level);
	if (z == NULL)
		return false;
	z->next_in = bytes;
	z->avail_in = (uInt)len;
	z->next_out = (Bytef *)str_room(out, room);
	z->avail_out = (uInt)room;
	/* What does not fit is not smaller. */
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in > 0 ||
	    z->avail_out == 0) {
		out->p[out->len] = '\0';
		return false;
	}
	out->len += room - z->avail_out - TAIL_LEN;
	out->p[out->len] = '\0';
	return true;
}

void
ws_deflate_free(void)
{
	for (int bits = BITS_MIN; bits <= BITS_MAX; bits++)
		drop_deflater(bits);
	if (at_rest != NULL) {
		inflateEnd(&at_rest->z);
		free(at_rest);
		at_rest = NULL;
	}
}

struct ws_inflate *
ws_inflate_begin(void)
{
	struct ws_inflate *inflater = at_rest;

	if (inflater != NULL) {
		at_rest = NULL;
		inflater->ended = false;
		inflateReset(&inflater->z);
		return inflater;
	}
	inflater = xcalloc(1, sizeof(*inflater));
	if (inflateInit2(&inflater->z, -BITS_MAX) != Z_OK) {
		free(inflater);
		return NULL;
	}
	return inflater;
}

void
ws_inflate_end(struct ws_inflate *inflater)
{
	if (inflater == NULL)
		return;
	if (at_rest == NULL) {
		at_rest = inflater;
		return;
	}
	inflateEnd(&inflater->z);
	free(inflater);
}

/*
 * A block may be marked as the last one and yet be followed by more (section
 * 7.2.3.4), which may point back into what came before.
 */
static bool
go_on_after_last_block(z_stream *z)
{
	unsigned char window[1 << BITS_MAX];
	uInt len = sizeof(window);

	return inflateGetDictionary(z, window, &len) == Z_OK &&
	       inflateReset(z) == Z_OK &&
	       inflateSetDictionary(z, window, len) == Z_OK;
}

enum ws_inflate_status
ws_inflate_add(struct ws_inflate *inflater, const void *bytes, size_t len,
    struct str *out, size_t max)
{
	z_stream *z = &inflater->z;
	unsigned char more; /* a byte of room, to tell that there is more */
	int rc;

	if (out->len > max)
		return WS_INFLATE_TOO_BIG;
	z->next_in = bytes;
	z->avail_in = (uInt)len;
	inflater->ended = inflater->ended && len == 0;
	do {
		size_t room = max - out->len < STEP ? max - out->len : STEP;

		if (room == 0) {
			z->next_out = &more;
			z->avail_out = 1;
		} else {
			z->next_out = (Bytef *)str_room(out, room);
			z->avail_out = (uInt)room;
		}
		rc = inflate(z, Z_SYNC_FLUSH);
		if (room == 0 && z->avail_out == 0)
			return WS_INFLATE_TOO_BIG;
		if (room > 0)
			out->len += room - z->avail_out;
		if (rc == Z_STREAM_END && !go_on_after_last_block(z))
			return WS_INFLATE_BAD;
		if (rc == Z_STREAM_END && z->avail_in == 0)
			inflater->ended = true;
		if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END)
			return WS_INFLATE_BAD;
	} while (z->avail_in > 0 || z->avail_out == 0);
	if (out->p != NULL)
		out->p[out->len] = '\0';
	return WS_INFLATE_OK;
}

enum ws_inflate_status
ws_inflate_last(struct ws_inflate *inflater, struct str *out, size_t max)
{
	enum ws_inflate_status status;

	if (inflater->ended)
		return WS_INFLATE_OK;
	status = ws_inflate_add(inflater, tail, TAIL_LEN, out, max);
	/* What was cut off took the tail for something else. */
	if (status == WS_INFLATE_OK && !inflater->ended &&
	    (inflater->z.data_type & AT_BLOCK) == 0)
		return WS_INFLATE_BAD;
	return status;
}
