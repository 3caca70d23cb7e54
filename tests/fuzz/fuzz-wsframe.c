/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames: whole and in small pieces the same is heard, up to the
 * byte.  The first byte says how small, and whether permessage-deflate is on.
 * A pause says nothing about the bytes, so it is not heard.
 */
#include "config.h"

#include <string.h>

#include "shared/str.h"
#include "shared/wsframe.h"
#include "tests/fuzz/fuzz.h"

#define MAX     2000 /* bytes of a message */
#define DEFLATE 0x80 /* in the first byte */

static void
hear(struct str *heard, const struct ws_in *in, enum ws_event event)
{
	if (event == WS_EV_PAUSE)
		return;
	str_addf(heard, "%d %d %d:", event, in->opcode, in->code);
	if (event == WS_EV_MESSAGE) {
		MUST(in->opcode != WS_TEXT ||
		     utf8_valid(in->message.p, in->message.len));
		str_add(heard, in->message.p, in->message.len);
	} else if (event != WS_EV_BAD) {
		MUST(in->control.len <= 125);
		str_add(heard, in->control.p, in->control.len);
	}
}

static void
read_all(const uint8_t *data, size_t len, size_t step, bool deflate,
    struct str *heard)
{
	struct ws_in in = { .max_message = MAX, .deflate = deflate };
	enum ws_event event = WS_EV_MORE;

	for (size_t at = 0; at < len && event == WS_EV_MORE;) {
		size_t n = len - at < step ? len - at : step;
		uint8_t *copy = xmalloc(n);

		memcpy(copy, data + at, n);
		at += n;
		ws_feed(&in, copy, n);
		while ((event = ws_read(&in)) != WS_EV_MORE) {
			MUST(in.message.len <= MAX);
			hear(heard, &in, event);
			if (event == WS_EV_BAD || event == WS_EV_CLOSE)
				break;
		}
		free(copy);
	}
	ws_in_free(&in);
	MUST(in.inflater == NULL && in.message.p == NULL);
}

int
fuzz_wsframe(const uint8_t *data, size_t len)
{
	struct str first = { 0 }, second = { 0 };
	char accept[29], *key;
	bool deflate;

	if (len < 1)
		return 0;
	deflate = (data[0] & DEFLATE) != 0;
	read_all(data + 1, len - 1, SIZE_MAX, deflate, &first);
	read_all(data + 1, len - 1, 1 + data[0] % 16, deflate, &second);
	MUST(first.len == second.len);
	MUST(first.len == 0 || memcmp(first.p, second.p, first.len) == 0);
	key = xstrndup((const char *)data, len);
	if (ws_accept(key, accept))
		MUST(strlen(accept) == 28);
	free(key);
	str_free(&first);
	str_free(&second);
	return 0;
}
