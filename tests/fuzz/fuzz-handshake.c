/* SPDX-License-Identifier: MIT */
/*
 * Heads of WebSocket handshakes, whole and in small pieces, and frames behind
 * them: to the reader of heads and the checks alone, where what comes of them
 * can be looked at, and on a socket to the daemon's own connection.  The first
 * byte says how small the pieces are, and who sent it.
 */
#include "config.h"

#include <sys/socket.h>

#include <string.h>

#include "daemon/handshake.h"
#include "daemon/wsconn.h"
#include "shared/access/access.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/req.h"
#include "shared/intake/server.h"
#include "shared/wire/http.h"
#include "shared/wire/wsdeflate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

static enum http_event
read_all(struct http_in *in, const uint8_t *data, size_t len, size_t step,
    size_t *at)
{
	enum http_event event = HTTP_EV_MORE;

	for (*at = 0; *at < len && event == HTTP_EV_MORE;) {
		size_t n = len - *at < step ? len - *at : step, used;
		uint8_t *copy = xmalloc(n);

		memcpy(copy, data + *at, n);
		event = http_read(in, copy, n, &used);
		free(copy);
		MUST(used <= n && (used == n || event != HTTP_EV_MORE));
		*at += used;
	}
	MUST(in->seen <= HTTP_HEAD_MAX && in->nfields <= HTTP_FIELDS_MAX);
	return event;
}

/* Nothing that was refused tells more than its address and its method. */
static void
check_refused(const struct http_in *in, const struct req *req)
{
	MUST(in->status >= 400 && in->status <= 505 && in->why != NULL);
	MUST(strcmp(req_reason(in->status), "Unknown") != 0);
	for (size_t i = 0; i < req->vars.n; i++)
		MUST(strncmp(req->vars.var[i].name, "HTTP_", 5) != 0 ||
		     req->vars.var[i].value[0] == '\0');
}

/* What is read out of the variables, whether the handshake is fine or not. */
static void
check_vars(struct req *req, bool trusted)
{
	const char *user = req_var(req, "REMOTE_USER");
	const char *told = req_var(req, "HTTP_X_REMOTE_USER");
	const char *protocols = req_var(req, "HTTP_SEC_WEBSOCKET_PROTOCOL");
	struct ws_deflate agreed;

	MUST(strcmp(user, trusted ? told : "") == 0);
	MUST(trusted || strcmp(req_var(req, "REMOTE_ADDR"), "1.2.3.4") == 0);
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
	/* Nobody has a key here: it is loopback or nothing. */
	MUST(access_may_publish(req_subject(req), NULL) != ACCESS_YES ||
	     trusted);
	MUST(access_may_publish(req_subject(req), "") == ACCESS_BAD_KEY ||
	     access_may_publish(req_subject(req), "") == ACCESS_BAD_ORIGIN);
}

/* What is taken keeps to the letter of the RFC. */
static void
check_taken(const struct req *req, const struct http_in *in)
{
	struct str values = { 0 };

	MUST(req_is(req, "GET") && http_method(in)[3] == '\0');
	MUST(in->body_len == 0 && !in->chunked && !in->is_1_0);
	MUST(http_host_valid(req_var(req, "HTTP_HOST")));
	MUST(req_var(req, "SCRIPT_NAME")[0] == '/');
	if (http_join(in, "Sec-WebSocket-Protocol", &values) > 0)
		MUST(http_tokens_valid(values.p));
	MUST(http_join(in, "Host", &values) == 1);
	str_free(&values);
}

static void
read_alone(const uint8_t *data, size_t len, size_t step, const char *peer)
{
	const struct config *config = &host(&program_wsd)->config;
	struct http_in whole = { 0 }, parts = { 0 };
	struct req first = { .config = config }, second = { .config = config };
	const char *why = NULL;
	char accept[29];
	size_t used, again;
	enum http_event a = read_all(&whole, data, len, SIZE_MAX, &used);
	enum http_event b = read_all(&parts, data, len, step, &again);
	int status;

	MUST(a == b && used == again && whole.status == parts.status);
	handshake_fill(&whole, &first, config, peer);
	handshake_fill(&parts, &second, config, peer);
	MUST(first.vars.arena.len == second.vars.arena.len);
	MUST(memcmp(first.vars.arena.p, second.vars.arena.p,
		 first.vars.arena.len) == 0);
	if (a == HTTP_EV_BAD)
		check_refused(&whole, &first);
	if (a == HTTP_EV_HEAD)
		check_vars(&first, strcmp(peer, "unix") == 0);
	status = handshake_check(&first, accept, &why);
	MUST((status == 0) == (why == NULL));
	MUST(a != HTTP_EV_BAD || status != 0);
	if (a == HTTP_EV_HEAD && status == 0)
		check_taken(&first, &whole);
	req_free(&first);
	req_free(&second);
	http_in_free(&whole);
	http_in_free(&parts);
}

/* Sends it to a connection of the daemon. */
static void
speak(const uint8_t *data, size_t len, size_t step, struct str *said)
{
	int fd[2];

	host_pair(fd, SOCK_STREAM);
	wsconn_new(host(&program_wsd), fd[0]);
	host_speak(fd[1], data, len, step, said);
	host_close(fd[1]);
	MUST(said->len == 0 || strncmp(said->p, "HTTP/1.1 ", 9) == 0);
}

int
fuzz_handshake(const uint8_t *data, size_t len)
{
	struct str whole = { 0 }, parts = { 0 };
	size_t step;

	if (len == 0)
		return 0;
	step = 1 + data[0] % 16;
	read_alone(data + 1, len - 1, step,
	    data[0] & 0x80 ? "unix" : "1.2.3.4");
	speak(data + 1, len - 1, SIZE_MAX, &whole);
	speak(data + 1, len - 1, step, &parts);
	/* The line tells the status; the rest has a date, and pieces. */
	MUST(whole.len == 0 ? parts.len == 0 : parts.len >= 12);
	MUST(whole.len == 0 || memcmp(whole.p, parts.p, 12) == 0);
	str_free(&whole);
	str_free(&parts);
	return 0;
}
