/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate: the three bytes in front say how small the pieces are,
 * the level, and how much may be inflated; what follows is read as offers, as a
 * message to deflate, and as a deflated one.
 */
#include "config.h"

#include <string.h>
#include <zlib.h>

#include "shared/base/str.h"
#include "shared/wire/wsdeflate.h"
#include "tests/fuzz/fuzz.h"

#define HEAD 3 /* bytes that are no data */

/* An answer is an offer of just what was agreed. */
static void
check_offers(const uint8_t *data, size_t len)
{
	char *offers = xstrndup((const char *)data, len);
	struct ws_deflate agreed, again;
	struct str answer = { 0 };

	if (ws_deflate_choose(offers, &agreed) && agreed.window_bits != 0) {
		MUST(agreed.window_bits >= 9 && agreed.window_bits <= 15);
		ws_deflate_answer(&agreed, &answer);
		MUST(ws_deflate_choose(answer.p, &again));
		MUST(again.window_bits == agreed.window_bits);
		MUST(again.tell_server == agreed.tell_server);
		MUST(again.client_bits == agreed.client_bits);
	}
	str_free(&answer);
	free(offers);
}

/* A client with a window of so many bits and no more gets the message. */
static void
check_window(const struct str *deflated, int bits, const uint8_t *data,
    size_t len)
{
	z_stream z = { 0 };
	struct str bytes = { 0 };
	uint8_t *out = xmalloc(len + 1);

	str_add(&bytes, deflated->p, deflated->len);
	str_add(&bytes, "\0\0\xff\xff", 4);
	MUST(inflateInit2(&z, -bits) == Z_OK);
	z.next_in = (Bytef *)bytes.p;
	z.avail_in = (uInt)bytes.len;
	z.next_out = out;
	z.avail_out = (uInt)len + 1;
	MUST(inflate(&z, Z_SYNC_FLUSH) == Z_OK);
	MUST(z.avail_in == 0 && z.total_out == len);
	MUST(memcmp(out, data, len) == 0);
	inflateEnd(&z);
	free(out);
	str_free(&bytes);
}

static void
check_round_trip(const uint8_t *data, size_t len, int level)
{
	struct str deflated = { 0 };

	for (int bits = 9; bits <= 15; bits++) {
		str_clear(&deflated);
		str_addz(&deflated, "before");
		if (!ws_deflate_message(data, len, bits, level, &deflated)) {
			MUST(strcmp(deflated.p, "before") == 0);
			continue;
		}
		MUST(deflated.len - 6 < len);
		memmove(deflated.p, deflated.p + 6, deflated.len -= 6);
		check_window(&deflated, bits, data, len);
	}
	str_free(&deflated);
}

static enum ws_inflate_status
inflate_all(const uint8_t *data, size_t len, size_t step, struct str *out,
    size_t max)
{
	struct ws_inflate *inflater = ws_inflate_begin();
	enum ws_inflate_status status = WS_INFLATE_OK;

	MUST(inflater != NULL);
	for (size_t at = 0; at < len && status == WS_INFLATE_OK;) {
		size_t n = len - at < step ? len - at : step;
		uint8_t *copy = xmalloc(n);

		memcpy(copy, data + at, n);
		at += n;
		status = ws_inflate_add(inflater, copy, n, out, max);
		MUST(out->len <= max);
		free(copy);
	}
	if (status == WS_INFLATE_OK)
		status = ws_inflate_last(inflater, out, max);
	MUST(out->len <= max);
	ws_inflate_end(inflater);
	return status;
}

static void
check_inflate(const uint8_t *data, size_t len, size_t step, size_t max)
{
	struct str whole = { 0 }, parts = { 0 };
	enum ws_inflate_status status =
	    inflate_all(data, len, SIZE_MAX, &whole, max);

	MUST(inflate_all(data, len, step, &parts, max) == status);
	MUST(whole.len == parts.len);
	MUST(whole.len == 0 || memcmp(whole.p, parts.p, whole.len) == 0);
	MUST(status != WS_INFLATE_TOO_BIG || whole.len == max);
	str_free(&whole);
	str_free(&parts);
}

int
fuzz_deflate(const uint8_t *data, size_t len)
{
	if (len < HEAD)
		return 0;
	check_offers(data + HEAD, len - HEAD);
	check_round_trip(data + HEAD, len - HEAD, 1 + data[1] % 9);
	check_inflate(data + HEAD, len - HEAD, 1 + data[0] % 16,
	    (size_t)data[2] * 256);
	return 0;
}
