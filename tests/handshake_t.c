/* SPDX-License-Identifier: MIT */
/* The opening handshake: heads in one piece and one byte at a time. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/handshake.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/req.h"
#include "shared/wire/http.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST                                                                   \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY                    \
	"Sec-WebSocket-Version: 13\r\n"
#define HEAD "GET /push/ws?channel=a HTTP/1.1\r\nHost: example.org\r\n"

static struct config config; /* the defaults */

/* What comes of a head: 0 if it is fine, or the status of the refusal. */
static int
shake(const char *text, size_t step, const char *peer, struct req *req,
    char *accept)
{
	struct http_in in = { 0 };
	enum http_event event = HTTP_EV_MORE;
	size_t len = strlen(text), at, used;
	const char *why = NULL;
	int status;

	for (at = 0; at < len && event == HTTP_EV_MORE; at += used)
		event = http_read(&in, text + at,
		    len - at < step ? len - at : step, &used);
	/* The daemon fills the variables of what it refuses too. */
	handshake_fill(&in, req, &config, peer);
	status = event == HTTP_EV_MORE  ? -1
		 : event == HTTP_EV_BAD ? in.status
					: handshake_check(req, accept, &why);
	if (event == HTTP_EV_HEAD)
		ok((status == 0) == (why == NULL), "a refusal has a reason");
	http_in_free(&in);
	return status;
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
	{ "whitespace around the values",
	    "GET / HTTP/1.1\r\nHost:  a\t\r\nUpgrade:websocket \r\n"
	    "Connection: \tUpgrade\t \r\n"
	    "Sec-WebSocket-Key:   dGhlIHNhbXBsZSBub25jZQ==  \t\r\n"
	    "Sec-WebSocket-Version: 13 \r\n\r\n",
	    0 },
	{ "whitespace around an Origin", HEAD REST "Origin: x \t\r\n\r\n", 0 },
	{ "a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n" REST "\r\n",
	    400 },
	{ "a Host with a comma", "GET / HTTP/1.1\r\nHost: a,b\r\n" REST "\r\n",
	    400 },
	{ "a Host with a port that is none",
	    "GET / HTTP/1.1\r\nHost: a:b\r\n" REST "\r\n", 400 },
	{ "HTTX/1.1", "GET / HTTX/1.1\r\nHost: a\r\n" REST "\r\n", 400 },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n" REST "\r\n", 505 },
	{ "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n" REST "\r\n", 0 },
	{ "an absolute target",
	    "GET http://b/push/ws HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 0 },
	{ "one with a name in front",
	    "GET http://b@c/ HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 400 },
	{ "one of another scheme",
	    "GET ws://b/ HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 400 },
	{ "DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "PUT", "PUT / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "PATCH", "PATCH / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 405 },
	{ "get", "get / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 501 },
	{ "GETS", "GETS / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 501 },
	{ "FROB", "FROB / HTTP/1.1\r\nHost: a\r\n" REST "\r\n", 501 },
	{ "a body of no bytes", HEAD REST "Content-Length: 0\r\n\r\n", 0 },
	{ "a body", HEAD REST "Content-Length: 1\r\n\r\n", 400 },
	{ "a body of ten bytes", HEAD REST "Content-Length: 010\r\n\r\n", 400 },
	{ "a body in chunks", HEAD REST "Transfer-Encoding: chunked\r\n\r\n",
	    400 },
	{ "a body of another coding",
	    HEAD REST "Transfer-Encoding: gzip\r\n\r\n", 501 },
	{ "a subprotocol", HEAD REST "Sec-WebSocket-Protocol: a\r\n\r\n", 0 },
	{ "two of them", HEAD REST "Sec-WebSocket-Protocol: a ,\tb.c\r\n\r\n",
	    0 },
	{ "two lines of them",
	    HEAD REST "Sec-WebSocket-Protocol: a\r\n"
		      "Sec-WebSocket-Protocol: b\r\n\r\n",
	    0 },
	{ "a subprotocol with a gap",
	    HEAD REST "Sec-WebSocket-Protocol: a b\r\n\r\n", 400 },
	{ "one that is quoted",
	    HEAD REST "Sec-WebSocket-Protocol: \"a\"\r\n\r\n", 400 },
	{ "one with a slash", HEAD REST "Sec-WebSocket-Protocol: a/b\r\n\r\n",
	    400 },
	{ "one with a parameter",
	    HEAD REST "Sec-WebSocket-Protocol: a;b=c\r\n\r\n", 400 },
	{ "one that is no ASCII",
	    HEAD REST "Sec-WebSocket-Protocol: \xc3\xa9\r\n\r\n", 400 },
	{ "none in the header", HEAD REST "Sec-WebSocket-Protocol:\r\n\r\n",
	    400 },
	{ "nothing but commas", HEAD REST "Sec-WebSocket-Protocol: , ,\r\n\r\n",
	    400 },
	{ "one fine and one not",
	    HEAD REST "Sec-WebSocket-Protocol: tidings.json\r\n"
		      "Sec-WebSocket-Protocol: a b\r\n\r\n",
	    400 },
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
		struct req req = { 0 };
		char accept[29] = "";

		is_int(shake(checks[i].head, step, "127.0.0.1", &req, accept),
		    checks[i].status, "%s, by %zu", checks[i].what, step);
		if (checks[i].status == 0)
			is_str(accept,
			    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the accept value");
		req_free(&req);
	}
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
	{ "", "127.0.0.1", "REQUEST_SCHEME", "" },
	{ "X-Forwarded-Proto: https\r\n", "127.0.0.1", "REQUEST_SCHEME",
	    "https" },
	{ "X-Forwarded-Proto: http, https\r\n", "unix", "REQUEST_SCHEME",
	    "https" },
	{ "X-Forwarded-Proto: https\r\n", "10.1.1.1", "REQUEST_SCHEME", "" },
	{ "X-Forwarded-Proto:\r\n", "127.0.0.1", "REQUEST_SCHEME", "" },
	{ "Content-Length: 0\r\n", "127.0.0.1", "CONTENT_LENGTH", "0" },
	{ "Content-Length: 0\r\n", "127.0.0.1", "HTTP_CONTENT_LENGTH", "" },
	{ "Content-Type: a/b\r\n", "127.0.0.1", "CONTENT_TYPE", "a/b" },
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
		struct str text = { 0 };
		struct req req = { 0 };
		char accept[29];

		str_addf(&text, HEAD REST "%s\r\n", vars[i].headers);
		is_int(shake(text.p, step, vars[i].peer, &req, accept), 0,
		    "variables, row %zu, by %zu", i, step);
		is_str(req_var(&req, vars[i].name), vars[i].want, "%s, row %zu",
		    vars[i].name, i);
		req_free(&req);
		str_free(&text);
	}
}

/* The authority of an absolute-form is the host, whatever Host says. */
static void
test_absolute(size_t step)
{
	static const struct {
		const char *target, *headers, *peer, *host, *path;
	} rows[] = { { "/ws?c", "", "10.1.1.1", "a", "/ws" },
		{ "http://b:1/ws?c", "", "10.1.1.1", "b:1", "/ws" },
		{ "https://b/ws?c", "", "unix", "b", "/ws" },
		{ "http://b?c", "", "unix", "b", "/" },
		{ "http://b/ws?c", "X-Forwarded-Host: d\r\n", "10.1.1.1", "b",
		    "/ws" },
		{ "http://b/ws?c", "X-Forwarded-Host: d\r\n", "unix", "d",
		    "/ws" } };

	for (size_t i = 0; i < N(rows); i++) {
		struct str text = { 0 };
		struct req req = { 0 };
		char accept[29];

		str_addf(&text, "GET %s HTTP/1.1\r\nHost: a\r\n" REST "%s\r\n",
		    rows[i].target, rows[i].headers);
		is_int(shake(text.p, step, rows[i].peer, &req, accept), 0,
		    "absolute-form, row %zu by %zu", i, step);
		is_str(req_var(&req, "HTTP_HOST"), rows[i].host, "the host");
		is_str(req_var(&req, "SCRIPT_NAME"), rows[i].path, "the path");
		is_str(req_var(&req, "QUERY_STRING"), "c", "the query");
		ok(req.own_port == (strcmp(rows[i].host, "d") != 0),
		    "asked on a port of our own, unless the proxy says whom");
		req_free(&req);
		str_free(&text);
	}
}

/* Of what is refused there is the address, the method, and nothing else. */
static void
test_refused(size_t step)
{
	static const char *const heads[] = { "GET / HTTP/1.1\r\nA : b\r\n",
		" GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nOrigin: a\r\n B",
		"GET /push/ws?channel=a HTTP/1.1\r\nOrigin: a\r\n\r\n" };

	for (size_t i = 0; i < N(heads); i++) {
		struct req req = { 0 };
		char accept[29];

		is_int(shake(heads[i], step, "10.1.1.1", &req, accept), 400,
		    "refused, row %zu by %zu", i, step);
		is_str(req_var(&req, "REMOTE_ADDR"), "10.1.1.1", "its address");
		is_str(req_var(&req, "HTTP_ORIGIN"), "", "no Origin");
		is_str(req_var(&req, "HTTP_HOST"), "", "no Host");
		is_str(req_var(&req, "QUERY_STRING"), "", "no query");
		is_str(req_var(&req, "REQUEST_METHOD"), i == 1 ? "" : "GET",
		    "the method");
		req_free(&req);
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
		test_vars(steps[i]);
		test_absolute(steps[i]);
		test_refused(steps[i]);
	}
	test_tokens();
	test_offers();
	config_free(&config);
	return done();
}
