/* SPDX-License-Identifier: MIT */
/* The opening handshake: heads in one piece and one byte at a time. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/handshake.h"
#include "shared/config_file.h"
#include "shared/req.h"
#include "shared/str.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST                                                                   \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY                    \
	"Sec-WebSocket-Version: 13\r\n"
#define HEAD "GET /push/ws?channel=a HTTP/1.1\r\nHost: example.org\r\n"

static struct config config; /* the defaults */

/* Reads all in pieces of `step` bytes; *used counts what was taken. */
static enum handshake_event
read_all(struct handshake *hs, const char *text, size_t len, size_t step,
    size_t *used)
{
	enum handshake_event event = HANDSHAKE_MORE;
	size_t n;

	for (*used = 0; *used < len && event == HANDSHAKE_MORE; *used += n) {
		size_t left = len - *used;

		event = handshake_read(hs, text + *used,
		    left < step ? left : step, &n);
	}
	return event;
}

/* Whole handshakes: the head, and what handshake_check says of it. */
static const struct {
	const char *what, *head;
	int status; /* 0 = opened */
} checks[] = {
	{ "a browser's", HEAD REST "\r\n", 0 },
	{ "names in any case",
	    "GET / HTTP/1.1\r\nhOST: a\r\nuPGRADE: WebSocket\r\n"
	    "cONNECTION: keep-alive, UPGRADE\r\n" KEY
	    "sec-websocket-version:13\r\n\r\n",
	    0 },
	{ "lists over two lines",
	    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
	    "Upgrade: websocket\r\nConnection: keep-alive\r\n"
	    "Connection: upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n\r\n",
	    0 },
	{ "POST", "POST / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n" REST "\r\n", 400 },
	{ "no Host", "GET / HTTP/1.1\r\n" REST "\r\n", 400 },
	{ "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n" REST "\r\n", 400 },
	{ "two Hosts", HEAD "Host: b\r\n" REST "\r\n", 400 },
	{ "no Upgrade",
	    HEAD "Connection: Upgrade\r\n" KEY
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    426 },
	{ "another Upgrade",
	    HEAD "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    426 },
	{ "no Connection",
	    HEAD "Upgrade: websocket\r\n" KEY
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    426 },
	{ "Connection: close",
	    HEAD "Upgrade: websocket\r\nConnection: close\r\n" KEY
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    426 },
	{ "version 8",
	    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY
		 "Sec-WebSocket-Version: 8\r\n\r\n",
	    426 },
	{ "no version",
	    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY "\r\n",
	    426 },
	{ "no key",
	    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    400 },
	{ "a short key",
	    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: abc\r\n"
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    400 },
	{ "two keys", HEAD REST KEY "\r\n", 400 },
	{ "a key by a name with underscores",
	    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec_WebSocket_Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		 "Sec-WebSocket-Version: 13\r\n\r\n",
	    400 },
};

static void
test_checks(size_t step)
{
	for (size_t i = 0; i < N(checks); i++) {
		struct handshake *hs = handshake_new();
		const char *why = "", *head = checks[i].head;
		struct req req = { 0 };
		char accept[29];
		size_t used;

		if (is_int(read_all(hs, head, strlen(head), step, &used),
			HANDSHAKE_DONE, "%s: whole", checks[i].what)) {
			is_int((long long)used, (long long)strlen(head),
			    "and all of it is used");
			handshake_fill(hs, &req, &config, "127.0.0.1");
			is_int(handshake_check(&req, accept, &why),
			    checks[i].status, "%s: its status", checks[i].what);
			if (checks[i].status == 0)
				is_str(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
				    "the accept value");
			else
				ok(*why != '\0', "a reason");
		}
		req_free(&req);
		handshake_free(hs);
	}
}

/* What is no HTTP, or not yet.  The variables are filled of what is refused. */
static const struct {
	const char *what, *text;
	enum handshake_event want;
} reads[] = {
	{ "nothing but a line", "GET / HTTP/1.1\r\n", HANDSHAKE_MORE },
	{ "all but the last byte", HEAD REST "\r", HANDSHAKE_MORE },
	{ "a TLS hello", "\x16\x03\x01\x02", HANDSHAKE_BAD },
	{ "no method", " / HTTP/1.1\r\n\r\n", HANDSHAKE_BAD },
	{ "an unknown method", "FROB / HTTP/1.1\r\n\r\n", HANDSHAKE_BAD },
	{ "no version", "GET /\r\n\r\n", HANDSHAKE_DONE },
	{ "another protocol", "GET / RTSP/1.0\r\n\r\n", HANDSHAKE_BAD },
	{ "a control byte in a name", "GET / HTTP/1.1\r\nHo\x01st: a\r\n\r\n",
	    HANDSHAKE_BAD },
	{ "a gap in a name", "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
	    HANDSHAKE_BAD },
	{ "a line without a colon", "GET / HTTP/1.1\r\nHost\r\n\r\n",
	    HANDSHAKE_BAD },
	{ "a control byte in a value", "GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n",
	    HANDSHAKE_BAD },
	{ "a gap before the first colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n",
	    HANDSHAKE_BAD },
	{ "the same in the second line",
	    "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", HANDSHAKE_BAD },
	{ "two lengths",
	    "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
	    "\r\n",
	    HANDSHAKE_BAD },
};

static void
test_reads(size_t step)
{
	for (size_t i = 0; i < N(reads); i++) {
		struct handshake *hs = handshake_new();
		struct req req = { 0 };
		size_t used;

		is_int(read_all(hs, reads[i].text, strlen(reads[i].text), step,
			   &used),
		    reads[i].want, "%s, by %zu bytes", reads[i].what, step);
		if (reads[i].want != HANDSHAKE_MORE) {
			handshake_fill(hs, &req, &config, "10.1.1.1");
			is_str(req_var(&req, "REMOTE_ADDR"), "10.1.1.1",
			    "and its variables are filled");
		}
		req_free(&req);
		handshake_free(hs);
	}
}

/* Frames that came with the head are not the head's. */
static void
test_rest(size_t step)
{
	static const char text[] = HEAD REST "\r\n\x81\x80\1\2\3\4GET /";
	struct handshake *hs = handshake_new();
	size_t used;

	is_int(read_all(hs, text, sizeof(text) - 1, step, &used),
	    HANDSHAKE_DONE, "a head and frames");
	is_str(text + used, "\x81\x80\1\2\3\4GET /",
	    "what stands behind it is left");
	handshake_free(hs);
}

static void
test_limits(size_t step)
{
	struct handshake *hs = handshake_new();
	struct str text = { 0 };
	size_t used;

	str_addz(&text, HEAD "X: ");
	while (text.len < 16384 - 4)
		str_addz(&text, "x");
	str_addz(&text, "\r\n\r\n");
	is_int(read_all(hs, text.p, text.len, step, &used), HANDSHAKE_DONE,
	    "a head of 16384 bytes, by %zu", step);
	handshake_free(hs);
	hs = handshake_new();
	text.len -= 4;
	str_addz(&text, "x\r\n\r\n");
	is_int(read_all(hs, text.p, text.len, step, &used), HANDSHAKE_TOO_LONG,
	    "one of 16385");
	handshake_free(hs);
	str_clear(&text);
	str_addz(&text, HEAD);
	for (int i = 1; i < 100; i++)
		str_addf(&text, "X-%d: %d\r\n", i, i);
	str_addz(&text, "\r\n");
	hs = handshake_new();
	is_int(read_all(hs, text.p, text.len, step, &used), HANDSHAKE_DONE,
	    "100 headers");
	handshake_free(hs);
	text.len -= 2;
	str_addz(&text, "X-100: 1\r\n\r\n");
	hs = handshake_new();
	is_int(read_all(hs, text.p, text.len, step, &used), HANDSHAKE_TOO_LONG,
	    "101 headers");
	handshake_free(hs);
	str_clear(&text);
	str_addz(&text, "GET /");
	while (text.len < 20000)
		str_addz(&text, "x");
	hs = handshake_new();
	is_int(read_all(hs, text.p, text.len, step, &used), HANDSHAKE_TOO_LONG,
	    "a long line");
	handshake_free(hs);
	str_free(&text);
}

/* A head, who sent it, and a variable that comes of it. */
static const struct {
	const char *headers, *peer, *name, *want;
} vars[] = {
	{ "", "127.0.0.1", "REMOTE_ADDR", "127.0.0.1" },
	{ "", "10.1.1.1", "REMOTE_ADDR", "10.1.1.1" },
	{ "", "unix", "REMOTE_ADDR", "unix" },
	{ "X-Forwarded-For: 5.6.7.8\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "5.6.7.8" },
	{ "X-Forwarded-For: 5.6.7.8\r\n", "unix", "REMOTE_ADDR", "5.6.7.8" },
	{ "X-Forwarded-For: 5.6.7.8\r\n", "10.1.1.1", "REMOTE_ADDR",
	    "10.1.1.1" },
	{ "X-Forwarded-For: 127.0.0.1, 5.6.7.8\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "5.6.7.8" },
	{ "X-Forwarded-For: 5.6.7.8, 127.0.0.1\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "5.6.7.8" },
	{ "X-Forwarded-For: 9.9.9.9, 5.6.7.8,::1\r\n", "::1", "REMOTE_ADDR",
	    "5.6.7.8" },
	{ "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 5.6.7.8\r\n",
	    "127.0.0.1", "REMOTE_ADDR", "5.6.7.8" },
	{ "X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "127.0.0.1" },
	{ "X-Forwarded-For: 127.0.0.1, ::1\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "127.0.0.1" },
	{ "X-Forwarded-For:\r\n", "127.0.0.1", "REMOTE_ADDR", "127.0.0.1" },
	{ "X-Forwarded-For: ,\r\n", "127.0.0.1", "REMOTE_ADDR", "127.0.0.1" },
	{ "X-Forwarded-For: , 127.0.0.1\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "127.0.0.1" },
	{ "X-Forwarded-For:\r\nX-Forwarded-For:  127.0.0.1 \r\n", "127.0.0.1",
	    "REMOTE_ADDR", "127.0.0.1" },
	{ "X-Forwarded-For:\r\n  127.0.0.1\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "127.0.0.1" },
	{ "X_Forwarded_For: 5.6.7.8\r\n", "127.0.0.1", "REMOTE_ADDR",
	    "127.0.0.1" },
	{ "X_Forwarded_For: 5.6.7.8\r\n", "127.0.0.1", "HTTP_X_FORWARDED_FOR",
	    "" },
	{ "Or_igin: x\r\nOrigin: https://a\r\n", "127.0.0.1", "HTTP_ORIGIN",
	    "https://a" },
	{ "X-Remote-User: anna\r\n", "127.0.0.1", "REMOTE_USER", "anna" },
	{ "X-Remote-User: anna\r\n", "unix", "REMOTE_USER", "anna" },
	{ "X-Remote-User: anna\r\n", "10.1.1.1", "REMOTE_USER", "" },
	{ "X-Remote-User: anna\r\nX-Forwarded-For: 127.0.0.1\r\n", "10.1.1.1",
	    "REMOTE_USER", "" },
	{ "X-Remote-User:\r\n", "127.0.0.1", "REMOTE_USER", "" },
	{ "X_Remote_User: anna\r\n", "127.0.0.1", "REMOTE_USER", "" },
	{ "Remote-User: anna\r\n", "127.0.0.1", "REMOTE_USER", "" },
	{ "Sec-WebSocket-Extensions: a; b=\"c\"\r\n"
	  "Sec-WebSocket-Extensions: d\r\n",
	    "127.0.0.1", "HTTP_SEC_WEBSOCKET_EXTENSIONS", "a; b=\"c\", d" },
	{ "", "127.0.0.1", "HTTP_HOST", "example.org" },
	{ "X-Forwarded-Host: a.example\r\n", "127.0.0.1", "HTTP_HOST",
	    "a.example" },
	{ "X-Forwarded-Host: a.example\r\n", "10.1.1.1", "HTTP_HOST",
	    "example.org" },
	{ "X-Forwarded-Host: evil.example, a.example\r\n", "unix", "HTTP_HOST",
	    "a.example" },
	{ "X-Forwarded-Host:\r\n", "127.0.0.1", "HTTP_HOST", "example.org" },
	{ "", "127.0.0.1", "REQUEST_METHOD", "GET" },
	{ "", "127.0.0.1", "SERVER_PROTOCOL", "HTTP/1.1" },
	{ "", "127.0.0.1", "SCRIPT_NAME", "/push/ws" },
	{ "", "127.0.0.1", "QUERY_STRING", "channel=a" },
	{ "Cookie: a=b\r\n", "127.0.0.1", "HTTP_COOKIE", "a=b" },
	{ "A: 1\r\na: 2\r\nB: 3\r\nA: 4\r\n", "127.0.0.1", "HTTP_A",
	    "1, 2, 4" },
	{ "X-Empty:\r\n", "127.0.0.1", "HTTP_X_EMPTY", "" },
	{ "Last-Event-ID: ab-7\r\n", "127.0.0.1", "HTTP_LAST_EVENT_ID",
	    "ab-7" },
	{ "Proxy: http://evil\r\n", "127.0.0.1", "HTTPS", "" },
};

static void
test_vars(size_t step)
{
	for (size_t i = 0; i < N(vars); i++) {
		struct handshake *hs = handshake_new();
		struct str text = { 0 };
		struct req req = { 0 };
		size_t used;

		str_addf(&text, HEAD "%s\r\n", vars[i].headers);
		if (is_int(read_all(hs, text.p, text.len, step, &used),
			HANDSHAKE_DONE, "variables, row %zu, by %zu", i,
			step)) {
			handshake_fill(hs, &req, &config, vars[i].peer);
			is_str(req_var(&req, vars[i].name), vars[i].want,
			    "%s, row %zu", vars[i].name, i);
		}
		req_free(&req);
		str_free(&text);
		handshake_free(hs);
	}
}

static void
test_tokens(void)
{
	static const struct {
		const char *list, *token;
		bool has;
	} rows[] = { { "", "a", false }, { "a", "a", true }, { "A", "a", true },
		{ "b, a", "a", true }, { "b,a", "a", true },
		{ "b\ta ,c", "a", true }, { ", ,a", "a", true },
		{ "ab", "a", false }, { "a-b", "a", false },
		{ "b", "a", false },
		{ "tidings.json, x", "tidings.json", true },
		{ "tidings.jsonx", "tidings.json", false },
		{ "keep-alive, Upgrade", "upgrade", true } };

	for (size_t i = 0; i < N(rows); i++)
		ok(handshake_has_token(rows[i].list, rows[i].token) ==
			rows[i].has,
		    "'%s' in '%s'", rows[i].token, rows[i].list);
}

/* Subprotocols are compared letter by letter (RFC 6455, section 4.2.2). */
static void
test_offers(void)
{
	static const struct {
		const char *list;
		bool offers;
	} rows[] = { { "", false }, { "tidings.json", true },
		{ "x, tidings.json", true }, { "tidings.json,x", true },
		{ " , tidings.json ,", true }, { "Tidings.json", false },
		{ "tidings.JSON", false }, { "tidings.jsonx", false },
		{ "xtidings.json", false }, { "tidings", false },
		{ "tidings.json.", false },
		{ "TIDINGS.JSON, tidings.json", true } };

	for (size_t i = 0; i < N(rows); i++)
		ok(handshake_offers(rows[i].list, "tidings.json") ==
			rows[i].offers,
		    "tidings.json of '%s'", rows[i].list);
}

int
main(void)
{
	static const size_t steps[] = { SIZE_MAX, 1, 7 };
	char error[200];

	if (config_load(&config, NULL, error, sizeof(error)) == -1)
		bail("%s", error);
	for (size_t i = 0; i < N(steps); i++) {
		test_checks(steps[i]);
		test_reads(steps[i]);
		test_rest(steps[i]);
		test_limits(steps[i]);
		test_vars(steps[i]);
	}
	test_tokens();
	test_offers();
	handshake_free(NULL);
	config_free(&config);
	return done();
}
