/* SPDX-License-Identifier: MIT */
/*
 * Heads of HTTP requests, whole, by one byte and by seven: RFC 9112 and what of
 * RFC 9110 stands in a head.  wsd took "HTTX/1.1" for HTTP and any Host for
 * one.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/http.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define LINE     "GET / HTTP/1.1\r\n"
#define HOST     "Host: a\r\n"

static const size_t steps[] = { SIZE_MAX, 1, 7 };

static enum http_event
read_all(struct http_in *in, const char *text, size_t len, size_t step,
    size_t *used)
{
	enum http_event event = HTTP_EV_MORE;
	size_t n;

	for (*used = 0; *used < len && event == HTTP_EV_MORE; *used += n) {
		size_t left = len - *used;
		char *copy = xmalloc(left < step ? left : step);

		memcpy(copy, text + *used, left < step ? left : step);
		event = http_read(in, copy, left < step ? left : step, &n);
		free(copy);
	}
	return event;
}

/* What comes of it: 0 is a whole head, -1 one that may go on, or a status. */
static const struct {
	const char *text;
	int want;
} heads[] = {
	{ "", -1 },
	{ LINE HOST "\r\n", 0 },
	{ LINE HOST "\r", -1 },
	{ LINE HOST, -1 },
	{ LINE, -1 },
	/* Section 2.2: lines. */
	{ "\r\n" LINE HOST "\r\n", 0 },
	{ "\r\n\r\n" LINE HOST "\r\n", 0 },
	{ "\r" LINE HOST "\r\n", 400 },
	{ "\n" LINE HOST "\r\n", 400 },
	{ "GET / HTTP/1.1\n" HOST "\r\n", 400 },
	{ LINE "Host: a\n\r\n", 400 },
	{ LINE HOST "\n", 400 },
	{ LINE HOST "\rX", 400 },
	{ "GET / HTTP/1.1\rX", 400 },
	{ LINE " Host: a\r\n\r\n", 400 },
	{ LINE "\tHost: a\r\n\r\n", 400 },
	/* Section 3: the request line. */
	{ " GET / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ " / HTTP/1.1\r\n", 400 },
	{ "GET", -1 },
	{ "GET\r\n", 400 },
	{ "GET \r\n", 400 },
	{ "GET /\r\n", 400 },
	{ "GET / \r\n", 400 },
	{ "GET  / HTTP/1.1\r\n", 400 },
	{ "GET /  HTTP/1.1\r\n", 400 },
	{ "GET\t/ HTTP/1.1\r\n", 400 },
	{ "GET /\tHTTP/1.1\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n", 400 },
	{ "GET / HTTP/1.1x\r\n", 400 },
	{ "G(T / HTTP/1.1\r\n", 400 },
	{ "G\xc3\xa9T / HTTP/1.1\r\n", 400 },
	{ "\x16\x03\x01\x02", 400 },
	{ "FROB / HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "!#$%&'*+-.^_`|~09AZaz / HTTP/1.1\r\n" HOST "\r\n", 0 },
	/* Section 2.3: the version. */
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "GET / HTTP/1.2\r\n" HOST "\r\n", 0 },
	{ "GET / HTTP/1.9\r\n" HOST "\r\n", 0 },
	{ "GET / HTTP/1.a\r\n", 400 },
	{ "GET / HTTP/1.10\r\n", 400 },
	{ "GET / HTTP/11.1\r\n", 400 },
	{ "GET / HTTP/1\r\n", 400 },
	{ "GET / HTTP/.1\r\n", 400 },
	{ "GET / HTTP/0.9\r\n", 505 },
	{ "GET / HTTP/2.0\r\n", 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
	{ "GET / HTTX/1.1\r\n", 400 },
	{ "GET / http/1.1\r\n", 400 },
	{ "GET / Http/1.1\r\n", 400 },
	{ "GET / RTSP/1.0\r\n", 400 },
	{ "GET / HTTP 1.1\r\n", 400 },
	{ "GET / /HTTP/1.1\r\n", 400 },
	/* Section 3.2: the target. */
	{ "GET /a?b#c HTTP/1.1\r\n", 400 },
	{ "GET /\x01 HTTP/1.1\r\n", 400 },
	{ "GET /\x7f HTTP/1.1\r\n", 400 },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET /a b HTTP/1.1\r\n", 400 },
	{ "GET a HTTP/1.1\r\n", 400 },
	{ "GET ?a HTTP/1.1\r\n", 400 },
	{ "GET * HTTP/1.1\r\n", 400 },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "CONNECT a:b HTTP/1.1\r\n", 400 },
	{ "GET a:443 HTTP/1.1\r\n", 400 },
	{ "GET //a HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET http://a HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET HTTPS://a:1/b HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET http://[::1]:80/ HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET http://a/ HTTP/1.1\r\n\r\n", 400 },
	{ "GET http:// HTTP/1.1\r\n", 400 },
	{ "GET http:///a HTTP/1.1\r\n", 400 },
	{ "GET http://?a HTTP/1.1\r\n", 400 },
	{ "GET http:/a HTTP/1.1\r\n", 400 },
	{ "GET http://a:b/ HTTP/1.1\r\n", 400 },
	{ "GET http://b@a/ HTTP/1.1\r\n", 400 },
	{ "GET http://b:c@a/ HTTP/1.1\r\n", 400 },
	{ "GET ws://a/ HTTP/1.1\r\n", 400 },
	{ "GET ftp://a/ HTTP/1.1\r\n", 400 },
	{ "GET javascript:x HTTP/1.1\r\n", 400 },
	/* Section 5: fields. */
	{ LINE HOST "A:\r\n\r\n", 0 },
	{ LINE HOST "A:b\r\n\r\n", 0 },
	{ LINE HOST "A:   \t\r\n\r\n", 0 },
	{ LINE HOST "A: \x80\xff\r\n\r\n", 0 },
	{ LINE HOST "A: b\tc\r\n\r\n", 0 },
	{ LINE HOST "A : b\r\n\r\n", 400 },
	{ LINE HOST "A\t: b\r\n\r\n", 400 },
	{ LINE "A : b\r\n" HOST "\r\n", 400 },
	{ LINE HOST "A b: c\r\n\r\n", 400 },
	{ LINE HOST "A\r\n\r\n", 400 },
	{ LINE HOST ": b\r\n\r\n", 400 },
	{ LINE HOST "A(: b\r\n\r\n", 400 },
	{ LINE HOST "A\xc3\xa9: b\r\n\r\n", 400 },
	{ LINE HOST "A: \x01\r\n\r\n", 400 },
	{ LINE HOST "A: \x7f\r\n\r\n", 400 },
	{ LINE HOST "A: b\rc\r\n\r\n", 400 },
	{ LINE HOST "A: b\r\n c\r\n\r\n", 400 },
	{ LINE HOST "A: b\r\n\tc\r\n\r\n", 400 },
	{ LINE HOST "A:\r\n \r\n\r\n", 400 },
	/* Section 3.2: the Host. */
	{ LINE "\r\n", 400 },
	{ "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400 },
	{ "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
	{ LINE "Host:\r\n\r\n", 400 },
	{ LINE HOST "Host: a\r\n\r\n", 400 },
	{ LINE HOST "Host: b\r\n\r\n", 400 },
	{ LINE "Host: a,b\r\n\r\n", 400 },
	{ LINE "Host: \ta:80 \t\r\n\r\n", 0 },
	/* Section 6: the body. */
	{ LINE HOST "Content-Length: 0\r\n\r\n", 0 },
	{ LINE HOST "Content-Length: 12\r\n\r\n", 0 },
	{ LINE HOST "Content-Length:\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: x\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: +1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: -1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1 2\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1, 1\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 99999999999999999999\r\n\r\n", 400 },
	{ LINE HOST "Transfer-Encoding: chunked\r\n\r\n", 0 },
	{ LINE HOST "Transfer-Encoding: CHUNKED\r\n\r\n", 0 },
	{ LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ LINE HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 501 },
	{ LINE HOST "Transfer-Encoding:\r\n\r\n", 501 },
	{ LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
	    400 },
	{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
};

static void
test_heads(size_t step)
{
	for (size_t i = 0; i < N(heads); i++) {
		struct http_in in = { 0 };
		size_t used, len = strlen(heads[i].text);
		enum http_event event =
		    read_all(&in, heads[i].text, len, step, &used);
		int got = event == HTTP_EV_MORE ? -1 : in.status;

		is_int(got, heads[i].want, "row %zu by %zu: %.60s", i, step,
		    heads[i].text);
		ok((event == HTTP_EV_BAD) == (in.why != NULL),
		    "there is a sentence if it is refused");
		ok(event != HTTP_EV_BAD ||
			(in.nfields == 0 && http_path(&in)[0] == '\0' &&
			    http_authority(&in)[0] == '\0'),
		    "and nothing else of it");
		http_in_free(&in);
	}
}

/* A NUL can't stand in a table of strings. */
static void
test_nul(size_t step)
{
	static const char *const parts[][2] = { { "GE", "T / HTTP/1.1\r\n" },
		{ "GET /", " HTTP/1.1\r\n" }, { "GET / HTTP", "1.1\r\n" },
		{ LINE, HOST "\r\n" }, { LINE "Ho", "st: a\r\n\r\n" },
		{ LINE "Host: a", "\r\n\r\n" }, { LINE "Host:", "a\r\n\r\n" },
		{ LINE HOST "\r", "\n" } };

	for (size_t i = 0; i < N(parts); i++) {
		struct http_in in = { 0 };
		struct str text = { 0 };
		size_t used;

		str_addz(&text, parts[i][0]);
		str_add(&text, "", 1);
		str_addz(&text, parts[i][1]);
		is_int(read_all(&in, text.p, text.len, step, &used),
		    HTTP_EV_BAD, "a NUL, row %zu by %zu", i, step);
		is_int((long long)used, (long long)strlen(parts[i][0]) + 1,
		    "is noticed at once");
		str_free(&text);
		http_in_free(&in);
	}
}

/* What is read of a head. */
static const struct {
	const char *text, *method, *path, *authority, *name, *values;
	size_t n; /* lines of that name */
} parts[] = {
	{ LINE HOST "\r\n", "GET", "/", "", "host", "a", 1 },
	{ LINE HOST "\r\n", "GET", "/", "", "x", "", 0 },
	{ "POST /a/b?c=d&e HTTP/1.1\r\n" HOST "A: 1\r\nb: 2\r\na: 3\r\n\r\n",
	    "POST", "/a/b?c=d&e", "", "A", "1, 3", 2 },
	{ LINE HOST "A: \t b \tc\t \r\n\r\n", "GET", "/", "", "a", "b \tc", 1 },
	{ LINE HOST "A:b\r\n\r\n", "GET", "/", "", "a", "b", 1 },
	{ LINE HOST "A: \r\n\r\n", "GET", "/", "", "a", "", 1 },
	{ LINE HOST "A: \r\nA: b\r\n\r\n", "GET", "/", "", "a", ", b", 2 },
	{ LINE HOST "A: b:c: d\r\n\r\n", "GET", "/", "", "a", "b:c: d", 1 },
	{ "GET http://b.example:81/c?d HTTP/1.1\r\n" HOST "\r\n", "GET", "/c?d",
	    "b.example:81", "Host", "a", 1 },
	{ "GET https://b HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "b", "Host",
	    "a", 1 },
	{ "GET http://b?c=/ HTTP/1.1\r\n" HOST "\r\n", "GET", "/?c=/", "b",
	    "Host", "a", 1 },
	{ "GET /http://b HTTP/1.1\r\n" HOST "\r\n", "GET", "/http://b", "",
	    "Host", "a", 1 },
	{ "\r\nOPTIONS * HTTP/1.0\r\n\r\n", "OPTIONS", "*", "", "Host", "", 0 },
};

static void
test_parts(size_t step)
{
	for (size_t i = 0; i < N(parts); i++) {
		struct http_in in = { 0 };
		struct str values = { 0 };
		size_t used, len = strlen(parts[i].text);

		is_int(read_all(&in, parts[i].text, len, step, &used),
		    HTTP_EV_HEAD, "parts, row %zu by %zu", i, step);
		is_str(http_method(&in), parts[i].method, "the method");
		is_str(http_path(&in), parts[i].path, "the path");
		is_str(http_authority(&in), parts[i].authority,
		    "whom it names");
		is_int((long long)http_join(&in, parts[i].name, &values),
		    (long long)parts[i].n, "how often %s", parts[i].name);
		is_str(values.p, parts[i].values, "and its values");
		str_free(&values);
		http_in_free(&in);
	}
}

/* How the body is framed, and what stands behind the head. */
static void
test_framing(size_t step)
{
	static const struct {
		const char *fields;
		long long len;
		bool chunked;
	} rows[] = { { "", 0, false }, { "Content-Length: 0\r\n", 0, false },
		{ "Content-Length: 5 \r\n", 5, false },
		{ "Content-Length: 999999999999999\r\n", 999999999999999,
		    false },
		{ "Transfer-Encoding: chunked\r\n", 0, true } };

	for (size_t i = 0; i < N(rows); i++) {
		struct http_in in = { 0 };
		struct str text = { 0 };
		size_t used;

		str_addf(&text, "POST / HTTP/1.1\r\n" HOST "%s\r\nGET /",
		    rows[i].fields);
		is_int(read_all(&in, text.p, text.len, step, &used),
		    HTTP_EV_HEAD, "framing, row %zu by %zu", i, step);
		is_str(text.p + used, "GET /", "what follows is left");
		is_int(in.body_len, rows[i].len, "the length");
		ok(in.chunked == rows[i].chunked, "chunked or not");
		str_free(&text);
		http_in_free(&in);
	}
}

static const struct {
	const char *host;
	bool valid;
} hosts[] = { { "a", true }, { "a.example", true }, { "a.example:80", true },
	{ "a:", true }, { "a:65535", true }, { "a:65536", false },
	{ "a:100000", false }, { "a:00080", true }, { "a:8o", false },
	{ "a:-1", false }, { "a:80:80", false }, { "127.0.0.1:8080", true },
	{ "[::1]", true }, { "[::1]:80", true }, { "[::ffff:1.2.3.4]", true },
	{ "[::1", false }, { "[]", false }, { "[::1]x", false },
	{ "[::g]", false }, { "::1", false }, { "", false }, { ":80", false },
	{ "a b", false }, { " a", false }, { "a,b", false }, { "a, a", false },
	{ "a/b", false }, { "a?b", false }, { "a#b", false }, { "a@b", false },
	{ "a\\b", false }, { "\"a\"", false }, { "<a>", false },
	{ "a^b", false }, { "a`b", false }, { "a|b", false }, { "a{b}", false },
	{ "a%41", true }, { "a%4", false }, { "a%", false }, { "a%zz", false },
	{ "a_b-c~d!$&'()*+;=", true }, { "\xc3\xa9", false },
	{ "a\tb", false } };

static const struct {
	const char *list;
	bool valid;
} lists[] = { { "", false }, { " ", false }, { ",", false }, { " , ,", false },
	{ "a", true }, { "a,b", true }, { "a, b", true },
	{ " ,a ,\tb , ", true }, { "a,,b", true }, { "a b", false },
	{ "a;b", false }, { "\"a\"", false }, { "a, \"b\"", false },
	{ "a/b", false }, { "(a)", false }, { "a=b", false },
	{ "a,b c", false }, { "\xc3\xa9", false }, { "tidings.json", true },
	{ "a, a", true } };

static void
test_limits(size_t step)
{
	static const struct {
		const char *before, *filler, *after;
		int want;
	} rows[] = { { LINE HOST "X: ", "x", "\r\n\r\n", 431 },
		{ LINE HOST, "x", ": y\r\n\r\n", 431 },
		{ "GET /", "x", " HTTP/1.1\r\n" HOST "\r\n", 414 },
		{ "G", "G", " / HTTP/1.1\r\n" HOST "\r\n", 501 },
		{ "", "\r\n", LINE HOST "\r\n", 431 } };

	for (size_t i = 0; i < N(rows); i++) {
		for (size_t over = 0; over < 2; over++) {
			struct http_in in = { 0 };
			struct str text = { 0 };
			size_t used, size = HTTP_HEAD_MAX + over * 2;

			str_addz(&text, rows[i].before);
			while (text.len + strlen(rows[i].filler) +
				   strlen(rows[i].after) <=
			       size)
				str_addz(&text, rows[i].filler);
			str_addz(&text, rows[i].after);
			read_all(&in, text.p, text.len, step, &used);
			/* The last bytes are another state's. */
			if (over == 0)
				is_int(in.status, 0,
				    "%zu bytes, row %zu by %zu", text.len, i,
				    step);
			else
				ok(in.status == rows[i].want ||
					in.status == 431,
				    "%zu bytes are too many: %d", text.len,
				    in.status);
			http_in_free(&in);
			str_clear(&text);
			str_addz(&text, rows[i].before);
			while (text.len < HTTP_HEAD_MAX)
				str_addz(&text, rows[i].filler);
			if (over == 1) {
				read_all(&in, text.p, text.len, step, &used);
				is_int(in.status, rows[i].want,
				    "and so without an end");
				is_int((long long)used, HTTP_HEAD_MAX,
				    "noticed by then");
			}
			str_free(&text);
			http_in_free(&in);
		}
	}
}

static void
test_lines(size_t step)
{
	struct http_in in = { 0 };
	struct str text = { 0 };
	size_t used;

	str_addz(&text, LINE HOST);
	for (int i = 1; i < HTTP_FIELDS_MAX; i++)
		str_addf(&text, "X-%d: %d\r\n", i, i);
	str_addz(&text, "\r\n");
	is_int(read_all(&in, text.p, text.len, step, &used), HTTP_EV_HEAD,
	    "as many lines as there may be");
	http_in_free(&in);
	text.len -= 2;
	str_addz(&text, "X:\r\n\r\n");
	read_all(&in, text.p, text.len, step, &used);
	is_int(in.status, 431, "one more");
	http_in_free(&in);
	str_free(&text);
}

int
main(void)
{
	for (size_t i = 0; i < N(steps); i++) {
		test_heads(steps[i]);
		test_nul(steps[i]);
		test_parts(steps[i]);
		test_framing(steps[i]);
		test_limits(steps[i]);
		test_lines(steps[i]);
	}
	for (size_t i = 0; i < N(hosts); i++)
		ok(http_host_valid(hosts[i].host) == hosts[i].valid,
		    "the Host '%s'", hosts[i].host);
	for (size_t i = 0; i < N(lists); i++)
		ok(http_tokens_valid(lists[i].list) == lists[i].valid,
		    "tokens '%s'", lists[i].list);
	return done();
}
