/* SPDX-License-Identifier: MIT */
/* Frames as a client sends them, and what a reader makes of them. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/wsframe.h"
#include "tests/tap/frames.h"

void
add_frame(struct str *out, int first, const void *data, size_t len, int form)
{
	static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	const unsigned char *b = data;
	char *to;

	if (form == -1)
		form = len < 126 ? 0 : len < 65536 ? 2 : 8;
	str_addf(out, "%c%c", first,
	    0x80 | (form == 0      ? (int)len
		       : form == 2 ? 126
				   : 127));
	for (int shift = (form - 1) * 8; shift >= 0; shift -= 8)
		str_addf(out, "%c", (int)((uint64_t)len >> shift & 0xff));
	str_add(out, mask, 4);
	to = str_room(out, len);
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(b[i] ^ mask[i & 3]);
	out->len += len;
}

static void
hear(struct str *heard, const struct ws_in *in, enum ws_event event)
{
	const struct str *data = &in->control;

	switch (event) {
	case WS_EV_MESSAGE:
		str_addf(heard, "M%d:", in->opcode);
		data = &in->message;
		break;
	case WS_EV_PING:
		str_addz(heard, "P:");
		break;
	case WS_EV_PONG:
		str_addz(heard, "O:");
		break;
	case WS_EV_CLOSE:
		str_addf(heard, "C%d:", in->code);
		if (data->len >= 2)
			str_add(heard, data->p + 2, data->len - 2);
		data = NULL;
		break;
	case WS_EV_BAD:
		str_addf(heard, "B%d", in->code);
		if (in->why == NULL || in->why[0] == '\0')
			str_addz(heard, " without a reason");
		data = NULL;
		break;
	case WS_EV_MORE:
	case WS_EV_PAUSE:
		return;
	}
	if (data != NULL)
		str_add(heard, data->p, data->len);
	str_addz(heard, " ");
}

size_t
read_all(struct ws_in *in, const struct str *bytes, size_t step,
    struct str *heard)
{
	size_t at = 0;

	while (at < bytes->len) {
		size_t left = bytes->len - at;
		enum ws_event event;
		char *copy;

		if (left > step)
			left = step;
		copy = xmalloc(left);
		memcpy(copy, bytes->p + at, left);
		at += left;
		ws_feed(in, copy, left);
		while ((event = ws_read(in)) != WS_EV_MORE) {
			hear(heard, in, event);
			if (event == WS_EV_BAD || event == WS_EV_CLOSE)
				break;
		}
		free(copy);
		if (event != WS_EV_MORE)
			break;
	}
	return at;
}
