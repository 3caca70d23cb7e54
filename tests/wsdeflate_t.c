/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate: which offer is agreed to and how it is answered, and
 * messages there and back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "shared/base/str.h"
#include "shared/wire/wsdeflate.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define PD       "permessage-deflate"
#define ANSWER   PD "; server_no_context_takeover; client_no_context_takeover"
#define NONE     ""
#define BROKEN   NULL

static const struct {
	const char *rule; /* section of RFC 7692, and what it says */
	const char *offers;
	const char *answer; /* NONE, or BROKEN: the text is no list */
} rows[] = {
	{ "no header", "", NONE },
	{ "5 nothing that we know", "x-webkit-deflate-frame", NONE },
	{ "5 the first that is fine",
	    "bbf-usp-protocol, " PD ", " PD "; "
	    "server_max_window_bits=10",
	    ANSWER },
	{ "5 ours behind one with parameters", "x; a; b=c; d=\"e\", " PD,
	    ANSWER },
	{ "5 a name is no prefix", PD "d", NONE },
	{ "5 nor is half a name one", "permessage", NONE },
	{ "7.1 names in any case",
	    "Permessage-Deflate; "
	    "SERVER_Max_Window_Bits=9",
	    ANSWER "; server_max_window_bits=9" },
	{ "7.1 an unknown parameter", PD "; foo", NONE },
	{ "7.1 an unknown one with a value", PD "; foo=1", NONE },
	{ "7.1 an unknown one, then an offer without", PD "; foo, " PD,
	    ANSWER },
	{ "7.1 a long name and value",
	    PD "; server_max_window_bits_server_max_window_bits=10", NONE },
	{ "7.1 a name is not cut",
	    PD "; server_no_context_takeover_server_no_context_takeover",
	    NONE },
	{ "7.1 the same twice",
	    PD "; client_max_window_bits; client_max_window_bits", NONE },
	{ "7.1 the same twice in another case",
	    PD "; client_no_context_takeover; Client_No_Context_Takeover",
	    NONE },
	{ "7.1 the same twice, then once",
	    PD "; server_max_window_bits=9; server_max_window_bits=9, " PD
	       "; server_max_window_bits=9",
	    ANSWER "; server_max_window_bits=9" },
	{ "7.1.1.1 server_no_context_takeover",
	    PD "; server_no_context_takeover", ANSWER },
	{ "7.1.1.1 has no value", PD "; server_no_context_takeover=1", NONE },
	{ "7.1.1.2 client_no_context_takeover",
	    PD "; client_no_context_takeover", ANSWER },
	{ "7.1.1.2 has no value", PD "; client_no_context_takeover=true",
	    NONE },
	{ "7.1.2.1 server_max_window_bits", PD "; server_max_window_bits=12",
	    ANSWER "; server_max_window_bits=12" },
	{ "7.1.2.1 the least we can", PD "; server_max_window_bits=9",
	    ANSWER "; server_max_window_bits=9" },
	{ "7.1.2.1 the most", PD "; server_max_window_bits=15",
	    ANSWER "; server_max_window_bits=15" },
	{ "7.1.2.1 8 is more than we can", PD "; server_max_window_bits=8",
	    NONE },
	{ "7.1.2.1 8, then 9",
	    PD "; server_max_window_bits=8, " PD "; server_max_window_bits=9",
	    ANSWER "; server_max_window_bits=9" },
	{ "7.1.2.1 7", PD "; server_max_window_bits=7", NONE },
	{ "7.1.2.1 16", PD "; server_max_window_bits=16", NONE },
	{ "7.1.2.1 0", PD "; server_max_window_bits=0", NONE },
	{ "7.1.2.1 a leading zero", PD "; server_max_window_bits=010", NONE },
	{ "7.1.2.1 more than digits", PD "; server_max_window_bits=10a", NONE },
	{ "7.1.2.1 a sign", PD "; server_max_window_bits=+10", NONE },
	{ "7.1.2.1 100", PD "; server_max_window_bits=100", NONE },
	{ "7.1.2.1 4294967306", PD "; server_max_window_bits=4294967306",
	    NONE },
	{ "7.1.2.1 no value", PD "; server_max_window_bits", NONE },
	{ "7.1.2.2 client_max_window_bits as a hint",
	    PD "; client_max_window_bits", ANSWER },
	{ "7.1.2.2 8", PD "; client_max_window_bits=8",
	    ANSWER "; client_max_window_bits=8" },
	{ "7.1.2.2 15", PD "; client_max_window_bits=15",
	    ANSWER "; client_max_window_bits=15" },
	{ "7.1.2.2 7", PD "; client_max_window_bits=7", NONE },
	{ "7.1.2.2 16", PD "; client_max_window_bits=16", NONE },
	{ "7.1.2.2 a leading zero", PD "; client_max_window_bits=09", NONE },
	{ "7.1.3 all of it, in any order",
	    PD "; client_max_window_bits=10; server_no_context_takeover; "
	       "server_max_window_bits=11; client_no_context_takeover",
	    ANSWER "; server_max_window_bits=11; client_max_window_bits=10" },
	{ "7.1.3 the offer with a fallback",
	    PD "; client_max_window_bits; server_max_window_bits=10, " PD
	       "; client_max_window_bits",
	    ANSWER "; server_max_window_bits=10" },
	{ "RFC 6455, 9.1 blanks", "  " PD "\t; client_max_window_bits = 10 ,",
	    ANSWER "; client_max_window_bits=10" },
	{ "RFC 6455, 9.1 no blanks",
	    PD ";client_max_window_bits=10;server_max_window_bits=9",
	    ANSWER "; server_max_window_bits=9; client_max_window_bits=10" },
	{ "RFC 6455, 9.1 a quoted value", PD "; server_max_window_bits=\"10\"",
	    ANSWER "; server_max_window_bits=10" },
	{ "RFC 6455, 9.1 quoted with an escape",
	    PD "; server_max_window_bits=\"1\\0\"",
	    ANSWER "; server_max_window_bits=10" },
	{ "RFC 9110, 5.6.1 empty elements", ", ," PD ",,", ANSWER },
	{ "RFC 6455, 9.1 a list of nothing", " , ", NONE },
	{ "RFC 6455, 9.1 a parameter without a name", PD ";", BROKEN },
	{ "RFC 6455, 9.1 two semicolons", PD ";; a", BROKEN },
	{ "RFC 6455, 9.1 no extension before a parameter", "; a", BROKEN },
	{ "RFC 6455, 9.1 no name before a value", PD "; =10", BROKEN },
	{ "RFC 6455, 9.1 no value", PD "; server_max_window_bits=", BROKEN },
	{ "RFC 6455, 9.1 two words", PD " " PD, BROKEN },
	{ "RFC 6455, 9.1 two words in a parameter", PD "; a b", BROKEN },
	{ "RFC 6455, 9.1 two values", PD "; a=b=c", BROKEN },
	{ "RFC 6455, 9.1 a quote that does not end", PD "; a=\"10", BROKEN },
	{ "RFC 6455, 9.1 an escape that does not end", PD "; a=\"1\\", BROKEN },
	{ "RFC 6455, 9.1 a quoted value that is no token", PD "; a=\"b c\"",
	    BROKEN },
	{ "RFC 6455, 9.1 an empty quoted value", PD "; a=\"\"", BROKEN },
	{ "RFC 6455, 9.1 words behind a quote", PD "; a=\"b\"c", BROKEN },
	{ "RFC 6455, 9.1 a quoted name", "\"" PD "\"", BROKEN },
	{ "RFC 6455, 9.1 no token", PD "; a=(b)", BROKEN },
	{ "RFC 6455, 9.1 bytes above 127", PD "; a=\xc3\xa9", BROKEN },
	{ "RFC 6455, 9.1 broken behind one that is fine", PD ", @", BROKEN },
};

static void
test_offers(void)
{
	for (size_t i = 0; i < N(rows); i++) {
		struct ws_deflate agreed, again;
		struct str answer = { 0 };
		bool good = ws_deflate_choose(rows[i].offers, &agreed);

		if (rows[i].answer == BROKEN) {
			ok(!good, "%s", rows[i].rule);
			continue;
		}
		str_addz(&answer, "");
		if (agreed.window_bits != 0)
			ws_deflate_answer(&agreed, &answer);
		ok(good, "%s: a list", rows[i].rule);
		is_str(answer.p, rows[i].answer, "%s", rows[i].rule);
		ok(ws_deflate_choose(answer.p, &again) &&
			again.window_bits == agreed.window_bits &&
			again.client_bits == agreed.client_bits,
		    "%s: the answer says what was agreed", rows[i].rule);
		str_free(&answer);
	}
}

/* Bytes of three kinds: all the same, text, noise. */
static void
fill(struct str *s, int kind, size_t len)
{
	static const char text[] = "{\"channel\":\"news\",\"data\":\"x\"}\n";
	uint32_t seed = 1;
	char *to = str_room(s, len);

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		to[i] = kind == 0   ? 'a'
			: kind == 1 ? text[i % (sizeof(text) - 1)]
				    : (char)(seed >> 24);
	}
	s->len += len;
}

/* zlib alone, with a window of so many bits, gets `want`. */
static bool
inflates_to(const struct str *deflated, int bits, const struct str *want)
{
	struct str bytes = { 0 }, out = { 0 };
	z_stream z = { 0 };
	bool good;

	str_add(&bytes, deflated->p, deflated->len);
	str_add(&bytes, "\0\0\xff\xff", 4);
	if (inflateInit2(&z, -bits) != Z_OK)
		bail("zlib");
	z.next_in = (Bytef *)bytes.p;
	z.avail_in = (uInt)bytes.len;
	z.next_out = (Bytef *)str_room(&out, want->len + 1);
	z.avail_out = (uInt)want->len + 1;
	good = inflate(&z, Z_SYNC_FLUSH) == Z_OK && z.avail_in == 0 &&
	       z.total_out == want->len &&
	       memcmp(out.p, want->p, want->len) == 0;
	inflateEnd(&z);
	str_free(&bytes);
	str_free(&out);
	return good;
}

/* Our own inflater gets `want`, in pieces of `step` bytes. */
static bool
comes_back(const struct str *deflated, size_t step, const struct str *want)
{
	struct ws_inflate *inflater = ws_inflate_begin();
	enum ws_inflate_status status = WS_INFLATE_OK;
	struct str out = { 0 };
	bool good;

	for (size_t at = 0; at < deflated->len && status == WS_INFLATE_OK;
	     at += step)
		status = ws_inflate_add(inflater, deflated->p + at,
		    deflated->len - at < step ? deflated->len - at : step, &out,
		    want->len);
	if (status == WS_INFLATE_OK)
		status = ws_inflate_last(inflater, &out, want->len);
	good = status == WS_INFLATE_OK && out.len == want->len &&
	       memcmp(out.p, want->p, out.len) == 0;
	ws_inflate_end(inflater);
	str_free(&out);
	return good;
}

/* Every window and level, of messages below and above each window. */
static void
test_round_trip(void)
{
	static const size_t lens[] = { 20, 300, 511, 513, 5000, 33000, 100000 };

	for (int bits = 9; bits <= 15; bits++) {
		int wrong = 0, small = 0;

		for (int level = 1; level <= 9; level++)
			for (size_t i = 0; i < N(lens) * 2; i++) {
				struct str data = { 0 }, out = { 0 };

				fill(&data, (int)i % 2, lens[i / 2]);
				if (!ws_deflate_message(data.p, data.len, bits,
					level, &out)) {
					small += data.len >= 300;
					str_free(&data);
					str_free(&out);
					continue;
				}
				wrong += out.len >= data.len ||
					 !inflates_to(&out, bits, &data) ||
					 !comes_back(&out, SIZE_MAX, &data) ||
					 !comes_back(&out, 1, &data);
				str_free(&data);
				str_free(&out);
			}
		is_int(wrong, 0, "there and back by %d bits", bits);
		is_int(small, 0, "what repeats gets smaller by %d bits", bits);
	}
}

/* A window of 512 bytes finds nothing that lies further back. */
static void
test_window(void)
{
	struct str data = { 0 }, narrow = { 0 }, wide = { 0 };

	fill(&data, 2, 600);
	str_room(&data, 600);
	str_add(&data, data.p, 600);
	ok(ws_deflate_message(data.p, data.len, 15, 6, &wide),
	    "what repeats after 600 bytes: a window of 32 KB finds it");
	if (ws_deflate_message(data.p, data.len, 9, 6, &narrow))
		ok(narrow.len > wide.len + 300, "one of 512 bytes does not");
	else
		ok(true, "one of 512 bytes does not");
	str_free(&data);
	str_free(&narrow);
	str_free(&wide);
}

/* What would not be smaller is not deflated. */
static void
test_not_smaller(void)
{
	static const size_t lens[] = { 0, 1, 2, 3, 10, 1000, 70000 };

	for (size_t i = 0; i < N(lens); i++) {
		struct str data = { 0 }, out = { 0 };

		str_addz(&out, "before");
		fill(&data, 2, lens[i]);
		ok(!ws_deflate_message(data.p, data.len, 15, 9, &out),
		    "%zu bytes of noise", lens[i]);
		is_str(out.p, "before", "nothing is appended");
		str_free(&data);
		str_free(&out);
	}
}

/* One deflater after another message, another level, another window. */
static void
test_reuse(void)
{
	struct str data = { 0 }, first = { 0 }, again = { 0 };

	fill(&data, 1, 3000);
	ws_deflate_message(data.p, data.len, 15, 6, &first);
	for (int i = 0; i < 20; i++) {
		str_clear(&again);
		ws_deflate_message("noise noise!", 12, 15, 6, &again);
		if (i % 3 == 0)
			ws_deflate_message(data.p, 100, 9, 6, &again);
		if (i % 5 == 0)
			ws_deflate_message(data.p, 100, 15, 1, &again);
		str_clear(&again);
		ws_deflate_message(data.p, data.len, 15, 6, &again);
		if (again.len != first.len ||
		    memcmp(again.p, first.p, first.len) != 0)
			break;
		if (i == 10)
			ws_deflate_free();
	}
	is_mem(again.p, again.len, first.p, first.len,
	    "a message is deflated the same whatever was before");
	str_free(&data);
	str_free(&first);
	str_free(&again);
}

/* As much as is allowed and no byte more, also where nothing is. */
static void
test_max(void)
{
	struct str data = { 0 }, deflated = { 0 };

	fill(&data, 0, 40000);
	ws_deflate_message(data.p, data.len, 15, 6, &deflated);
	for (size_t max = 39998; max <= 40002; max++) {
		struct ws_inflate *inflater = ws_inflate_begin();
		struct str out = { 0 };
		enum ws_inflate_status status = ws_inflate_add(inflater,
		    deflated.p, deflated.len, &out, max);

		if (status == WS_INFLATE_OK)
			status = ws_inflate_last(inflater, &out, max);
		is_int(status, max < 40000 ? WS_INFLATE_TOO_BIG : WS_INFLATE_OK,
		    "40000 bytes of at most %zu", max);
		is_int((long long)out.len,
		    (long long)(max < 40000 ? max : 40000),
		    "and no more is inflated");
		ws_inflate_end(inflater);
		str_free(&out);
	}
	str_free(&data);
	str_free(&deflated);
}

/* Many at once, ended in any order; NULL is fine. */
static void
test_inflaters(void)
{
	struct ws_inflate *inflaters[20];
	struct str hello = { 0 }, want = { 0 };

	for (size_t i = 0; i < N(inflaters); i++) {
		struct str out = { 0 };

		inflaters[i] = ws_inflate_begin();
		ws_inflate_add(inflaters[i], "\xf2\x48\xcd", 3, &out, 100);
		str_free(&out);
	}
	for (size_t i = 0; i < N(inflaters); i++)
		ws_inflate_end(inflaters[i * 7 % N(inflaters)]);
	ws_inflate_end(NULL);
	str_add(&hello, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
	str_addz(&want, "Hello");
	ok(comes_back(&hello, 2, &want), "one that was left half way starts");
	str_free(&hello);
	str_free(&want);
}

int
main(void)
{
	test_offers();
	test_round_trip();
	test_window();
	test_not_smaller();
	test_reuse();
	test_max();
	test_inflaters();
	ws_deflate_free();
	ws_deflate_free();
	return done();
}
