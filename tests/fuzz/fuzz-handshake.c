/* SPDX-License-Identifier: MIT */
/*
 * Heads of WebSocket handshakes, whole and in small pieces.  The first byte
 * says how small, and who sent it.
 */
#include "config.h"

#include <string.h>

#include "daemon/handshake.h"
#include "shared/config_file.h"
#include "shared/req.h"
#include "shared/str.h"
#include "shared/wsdeflate.h"
#include "tests/fuzz/fuzz.h"

static enum handshake_event
read_all(struct handshake *hs, const uint8_t *data, size_t len, size_t step,
    size_t *at)
{
	enum handshake_event event = HANDSHAKE_MORE;

	for (*at = 0; *at < len && event == HANDSHAKE_MORE;) {
		size_t n = len - *at < step ? len - *at : step, used;
		uint8_t *copy = xmalloc(n);

		memcpy(copy, data + *at, n);
		event = handshake_read(hs, copy, n, &used);
		free(copy);
		MUST(used <= n);
		*at += used;
	}
	return event;
}

static bool
is_refused(enum handshake_event event)
{
	return event == HANDSHAKE_BAD || event == HANDSHAKE_TOO_LONG;
}

/* What is read out of the variables once the handshake is fine. */
static void
check_vars(const struct req *req, bool trusted)
{
	const char *user = req_var(req, "REMOTE_USER");
	const char *told = req_var(req, "HTTP_X_REMOTE_USER");
	const char *protocols = req_var(req, "HTTP_SEC_WEBSOCKET_PROTOCOL");
	struct ws_deflate agreed;

	MUST(strcmp(user, trusted ? told : "") == 0);
	if (handshake_offers(protocols, "tidings.json")) {
		MUST(strstr(protocols, "tidings.json") != NULL);
		MUST(handshake_has_token(protocols, "TIDINGS.json"));
	}
	if (ws_deflate_choose(req_var(req, "HTTP_SEC_WEBSOCKET_EXTENSIONS"),
		&agreed)) {
		MUST(agreed.window_bits == 0 ||
		     (agreed.window_bits >= 9 && agreed.window_bits <= 15));
		MUST(agreed.client_bits == 0 ||
		     (agreed.client_bits >= 8 && agreed.client_bits <= 15));
	}
}

int
fuzz_handshake(const uint8_t *data, size_t len)
{
	static struct config config;
	struct handshake *whole = handshake_new(), *parts = handshake_new();
	struct req first = { 0 }, second = { 0 };
	char accept[29], error[100];
	const char *why, *peer = len > 0 && data[0] & 0x80 ? "unix" : "1.2.3.4";
	enum handshake_event a, b;
	size_t used, again;

	if (config.database == NULL)
		MUST(config_load(&config, NULL, error, sizeof(error)) == 0);
	if (len > 0) {
		size_t step = 1 + data[0] % 16;

		a = read_all(whole, data + 1, len - 1, SIZE_MAX, &used);
		b = read_all(parts, data + 1, len - 1, step, &again);
		/* Of two faults the cut decides which one is seen first. */
		MUST(a == b || (is_refused(a) && is_refused(b)));
		/* The daemon fills those that it refuses too. */
		handshake_fill(whole, &first, &config, peer);
		handshake_fill(parts, &second, &config, peer);
		if (a == HANDSHAKE_DONE) {
			MUST(used == again);
			MUST(first.arena.len == second.arena.len);
			MUST(memcmp(first.arena.p, second.arena.p,
				 first.arena.len) == 0);
			MUST(handshake_check(&first, accept, &why) ==
			     handshake_check(&second, accept, &why));
			check_vars(&first, strcmp(peer, "unix") == 0);
		}
	}
	req_free(&first);
	req_free(&second);
	handshake_free(whole);
	handshake_free(parts);
	return 0;
}
