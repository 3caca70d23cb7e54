/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames (RFC 6455), the client's half.
 *
 * A parser without I/O. Reserved bits are refused, but for the one of
 * permessage-deflate (RFC 7692, 6) where that was agreed on, and so are masked
 * frames from a server (5.1). A mask is the same for all frames: it is there
 * because servers must cope with it, not to protect anything.
 */
#include "config.h"

#include <string.h>

#include "bench/ws.h"

#define FRAME_MAX (64u << 20) /* bytes, above that the stream is garbage */

static const uint8_t mask[4] = { 0x5a, 0xc3, 0x17, 0xee };

/* Bytes that a head has, as far as its first two bytes tell. */
static unsigned
head_size(const struct ws *w)
{
	if (w->headlen < 2)
		return 2;
	switch (w->head[1] & 0x7f) {
	case 126:
		return 4;
	case 127:
		return 10;
	default:
		return 2;
	}
}

/* Read the complete head; -1 if it breaks the protocol. */
static int
read_head(struct ws *w)
{
	int packed = (w->head[0] & 0x40) != 0;
	unsigned i;

	w->opcode = w->head[0] & 0x0f;
	w->fin = w->head[0] >> 7;
	w->need = w->head[1] & 0x7f;
	if (w->need >= 126) {
		w->need = 0;
		for (i = 2; i < w->headlen; i++)
			w->need = w->need << 8 | w->head[i];
	}
	w->headlen = 0;
	w->within = 1;
	if ((w->head[0] & 0x30) != 0 || (w->head[1] & 0x80) != 0)
		return -1;
	if (w->need > FRAME_MAX)
		return -1;
	if (w->opcode >= WS_CLOSE)
		return w->fin && w->need <= 125 && !packed ? 0 : -1;
	if (w->begun != (w->opcode == WS_CONTINUATION))
		return -1;
	if (packed && (w->begun || !w->may_pack))
		return -1;
	if (!w->begun)
		w->packed = packed;
	w->begun = !w->fin;
	return 0;
}

/* The payload is complete. */
static enum ws_event
end_frame(struct ws *w)
{
	w->within = 0;
	if (w->opcode < WS_CLOSE && !w->fin)
		return WS_MORE;
	w->delivered = 1;
	return w->opcode >= WS_CLOSE ? WS_CONTROL : WS_MESSAGE;
}

static void
forget_delivered(struct ws *w)
{
	if (!w->delivered)
		return;
	w->delivered = 0;
	if (w->opcode >= WS_CLOSE)
		w->control.len = 0;
	else
		w->message.len = 0;
}

/* Take bytes of the head: 1 when it is complete, -1 if it is bad. */
static int
take_head(struct ws *w, const char **p, size_t *n)
{
	while (*n > 0 && w->headlen < head_size(w)) {
		w->head[w->headlen++] = (uint8_t) * (*p)++;
		(*n)--;
	}
	if (w->headlen < head_size(w))
		return 0;
	return read_head(w) == -1 ? -1 : 1;
}

enum ws_event
ws_next(struct ws *w, const char **p, size_t *n)
{
	enum ws_event event;
	size_t len;
	int got;

	forget_delivered(w);
	while (*n > 0) {
		if (!w->within) {
			got = take_head(w, p, n);
			if (got != 1)
				return got == -1 ? WS_BAD : WS_MORE;
		}
		len = *n < w->need ? *n : (size_t)w->need;
		buf_add(w->opcode >= WS_CLOSE ? &w->control : &w->message, *p,
		    len);
		*p += len;
		*n -= len;
		w->need -= len;
		if (w->need > 0)
			return WS_MORE;
		event = end_frame(w);
		if (event != WS_MORE)
			return event;
	}
	return WS_MORE;
}

void
ws_free(struct ws *w)
{
	buf_free(&w->message);
	buf_free(&w->control);
	memset(w, 0, sizeof(*w));
}

static void
add_head(struct buf *b, int opcode, int masked, size_t len)
{
	uint8_t head[10] = { 0 };
	int i, extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	head[0] = (uint8_t)(0x80 | opcode);
	head[1] = (uint8_t)(extra == 0 ? len : extra == 2 ? 126 : 127);
	if (masked)
		head[1] |= 0x80;
	for (i = 0; i < extra; i++)
		head[2 + i] = (uint8_t)((uint64_t)len >> 8 * (extra - 1 - i));
	buf_add(b, head, (size_t)(2 + extra));
}

void
ws_add_masked(struct buf *b, int opcode, const char *p, size_t len)
{
	size_t i, start;

	add_head(b, opcode, 1, len);
	buf_add(b, mask, sizeof(mask));
	start = b->len;
	buf_add(b, p, len);
	for (i = 0; i < len; i++)
		b->p[start + i] ^= (char)mask[i % 4];
}

void
ws_add_plain(struct buf *b, int opcode, const char *p, size_t len)
{
	add_head(b, opcode, 0, len);
	buf_add(b, p, len);
}
