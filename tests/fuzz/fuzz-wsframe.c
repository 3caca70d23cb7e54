/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames: whole and in small pieces the same is heard, up to the
 * byte.  The first byte says how small, and whether permessage-deflate is on.
 * A pause says nothing about the bytes, so it is not heard.
 */
#include "config.h"

#include <sys/socket.h>

#include <string.h>

#include "daemon/wsconn.h"
#include "shared/base/str.h"
#include "shared/wire/wsframe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define MAX     2000 /* bytes of a message */
#define DEFLATE 0x80 /* in the first byte */
#define HEAD                                                                   \
	"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"                 \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                      \
	"Sec-WebSocket-Protocol: tidings.json\r\n"
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

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

/* As daemon/wsread: what a pause has left is kept elsewhere. */
static uint8_t *
keep_rest(struct ws_in *in, uint8_t *copy)
{
	size_t n = in->feed_len;
	uint8_t *rest = xmalloc(n);

	memcpy(rest, n == 0 ? copy : in->feed, n);
	free(copy);
	ws_feed(in, rest, n);
	return rest;
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
			if (event == WS_EV_PAUSE)
				copy = keep_rest(&in, copy);
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

/* Behind a handshake, to the daemon: an echo, or operations. */
static void
speak(const uint8_t *data, size_t len, size_t step, struct str *said)
{
	struct str text = { 0 };
	int fd[2];

	str_addf(&text, HEAD "%s\r\n", data[0] & 0x40 ? "/ws" : "/ws/echo",
	    data[0] & DEFLATE ? OFFER : "");
	host_pair(fd, SOCK_STREAM);
	wsconn_new(host(&program_wsd), fd[0]);
	host_speak(fd[1], text.p, text.len, SIZE_MAX, said);
	MUST(strncmp(said->p, "HTTP/1.1 101 ", 13) == 0);
	str_clear(said);
	host_speak(fd[1], data + 1, len - 1, step, said);
	host_close(fd[1]);
	str_free(&text);
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
	str_clear(&first);
	str_clear(&second);
	speak(data, len, SIZE_MAX, &first);
	speak(data, len, 1 + data[0] % 16, &second);
	/* What the writer answers comes when it does. */
	MUST(data[0] & 0x40 || first.len == second.len);
	MUST(data[0] & 0x40 || memcmp(first.p, second.p, first.len) == 0);
	key = xstrndup((const char *)data, len);
	if (ws_accept(key, accept))
		MUST(strlen(accept) == 28);
	free(key);
	str_free(&first);
	str_free(&second);
	return 0;
}
