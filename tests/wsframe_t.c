/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames, a row for each rule of RFC 6455.  Every row is read in one
 * piece and one byte at a time and must come to the same.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/chunk.h"
#include "shared/wire/wsframe.h"
#include "tests/tap/frames.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define MAX      1000 /* bytes of a message here */

/* What comes and what is heard of it; see tests/tap/frames.h. */
static const struct {
	const char *rule;    /* section and what it says */
	struct frame rec[8]; /* what comes */
	const char *want;    /* what is heard */
} rows[] = {
	{ "5.6 text", { F(0x81, "hello") }, "M1:hello " },
	{ "5.6 binary", { F(0x82, "\xff\x01") }, "M2:\xff\x01 " },
	{ "5.6 empty text", { F(0x81, "") }, "M1: " },
	{ "5.6 empty binary", { F(0x82, "") }, "M2: " },
	{ "5.6 one after the other",
	    { F(0x81, "a"), F(0x82, "b"), F(0x81, "") }, "M1:a M2:b M1: " },
	{ "5.2 RSV1 without an extension", { F(0xc1, "a") }, "B1002 " },
	{ "5.2 RSV2", { F(0xa1, "a") }, "B1002 " },
	{ "5.2 RSV3", { F(0x91, "a") }, "B1002 " },
	{ "5.2 RSV on a control frame", { F(0xc9, "a") }, "B1002 " },
	{ "5.2 RSV on a continuation", { F(0x01, "a"), F(0xc0, "b") },
	    "B1002 " },
	{ "5.2 opcode 3", { F(0x83, "a") }, "B1002 " },
	{ "5.2 opcode 4", { F(0x84, "a") }, "B1002 " },
	{ "5.2 opcode 5", { F(0x85, "a") }, "B1002 " },
	{ "5.2 opcode 6", { F(0x86, "a") }, "B1002 " },
	{ "5.2 opcode 7", { F(0x87, "a") }, "B1002 " },
	{ "5.2 opcode 11", { F(0x8b, "a") }, "B1002 " },
	{ "5.2 opcode 12", { F(0x8c, "a") }, "B1002 " },
	{ "5.2 opcode 13", { F(0x8d, "a") }, "B1002 " },
	{ "5.2 opcode 14", { F(0x8e, "a") }, "B1002 " },
	{ "5.2 opcode 15", { F(0x8f, "a") }, "B1002 " },
	{ "5.4 fragments", { F(0x01, "a"), F(0x00, "b"), F(0x80, "c") },
	    "M1:abc " },
	{ "5.4 binary fragments", { F(0x02, "a"), F(0x80, "b") }, "M2:ab " },
	{ "5.4 empty fragments", { F(0x01, ""), F(0x00, ""), F(0x80, "") },
	    "M1: " },
	{ "5.4 an empty last fragment", { F(0x01, "a"), F(0x80, "") },
	    "M1:a " },
	{ "5.4 control frames between fragments",
	    { F(0x01, "a"), F(0x89, "1"), F(0x00, "b"), F(0x8a, "2"),
		F(0x80, "c") },
	    "P:1 O:2 M1:abc " },
	{ "5.4 close between fragments", { F(0x01, "a"), F(0x88, "\x03\xe8") },
	    "C1000: " },
	{ "5.4 a continuation of nothing", { F(0x80, "a") }, "B1002 " },
	{ "5.4 an unfinished continuation of nothing", { F(0x00, "a") },
	    "B1002 " },
	{ "5.4 a continuation after the message is whole",
	    { F(0x81, "a"), F(0x80, "b") }, "M1:a B1002 " },
	{ "5.4 text inside a fragmented message",
	    { F(0x01, "a"), F(0x81, "b") }, "B1002 " },
	{ "5.4 binary inside a fragmented message",
	    { F(0x01, "a"), F(0x02, "b") }, "B1002 " },
	{ "5.5 a fragmented ping", { F(0x09, "a") }, "B1002 " },
	{ "5.5 a fragmented pong", { F(0x0a, "a") }, "B1002 " },
	{ "5.5 a fragmented close", { F(0x08, "\x03\xe8") }, "B1002 " },
	{ "5.5.1 close without a code", { F(0x88, "") }, "C1005: " },
	{ "5.5.1 close with half a code", { F(0x88, "\x03") }, "B1002 " },
	{ "5.5.1 close with a reason",
	    { F(0x88, "\x03\xe9"
		      "bye \xc3\xa9") },
	    "C1001:bye \xc3\xa9 " },
	{ "5.5.1 the reason is UTF-8",
	    { F(0x88, "\x03\xe8"
		      "a\xff") },
	    "B1007 " },
	{ "5.5.1 the reason is whole UTF-8",
	    { F(0x88, "\x03\xe8"
		      "a\xc3") },
	    "B1007 " },
	{ "5.5.2 ping", { F(0x89, "abc") }, "P:abc " },
	{ "5.5.2 empty ping", { F(0x89, "") }, "P: " },
	{ "5.5.2 ping with any bytes", { F(0x89, "\xff\xfe") }, "P:\xff\xfe " },
	{ "5.5.2 two pings", { F(0x89, "a"), F(0x89, "") }, "P:a P: " },
	{ "5.5.3 unasked pong", { F(0x8a, "abc") }, "O:abc " },
	{ "7.4.1 a code that must not be sent", { F(0x88, "\x03\xed") },
	    "B1002 " },
	{ "8.1 text is UTF-8", { F(0x81, "a\xff") }, "B1007 " },
	{ "8.1 an overlong form", { F(0x81, "\xc0\xaf") }, "B1007 " },
	{ "8.1 a surrogate", { F(0x81, "\xed\xa0\x80") }, "B1007 " },
	{ "8.1 text that ends in a character", { F(0x81, "a\xc3") }, "B1007 " },
	{ "8.1 fragments that end in a character",
	    { F(0x01, "a\xe2"), F(0x80, "\x82") }, "B1007 " },
	{ "8.1 a character across fragments",
	    { F(0x01, "a\xf0\x9f"), F(0x00, "\x98"), F(0x80, "\x80z") },
	    "M1:a\xf0\x9f\x98\x80z " },
	{ "8.1 at once, not at the end of the message", { F(0x01, "a\xff") },
	    "B1007 " },
	{ "8.1 in a later fragment at once",
	    { F(0x01, "a"), F(0x00, "\xc3\x28") }, "B1007 " },
	{ "8.1 not for binary", { F(0x02, "\xff"), F(0x80, "\xfe") },
	    "M2:\xff\xfe " },
};

static void
test_rows(size_t step)
{
	for (size_t i = 0; i < N(rows); i++) {
		struct ws_in in = { .max_message = MAX };
		struct str bytes = { 0 }, heard = { 0 };

		for (size_t j = 0; j < N(rows[i].rec); j++)
			if (rows[i].rec[j].data != NULL)
				add_frame(&bytes, rows[i].rec[j].first,
				    rows[i].rec[j].data, rows[i].rec[j].len,
				    -1);
		str_addz(&heard, "");
		read_all(&in, &bytes, step, &heard);
		is_mem(heard.p, heard.len, rows[i].want, strlen(rows[i].want),
		    "%s, by %zu bytes", rows[i].rule, step);
		ws_in_free(&in);
		str_free(&bytes);
		str_free(&heard);
	}
}

/* Section 5.1: a frame that is not masked. */
static void
test_unmasked(size_t step)
{
	static const struct str frames[] = {
		{ (char *)(uintptr_t) "\x81\x01\x61", 3, 0 },
		{ (char *)(uintptr_t) "\x89\x01\x61", 3, 0 },
		{ (char *)(uintptr_t) "\x88\x02\x03\xe8", 4, 0 },
		{ (char *)(uintptr_t) "\x81\x00", 2, 0 },
	};

	for (size_t i = 0; i < N(frames); i++) {
		struct ws_in in = { .max_message = MAX };
		struct str heard = { 0 };

		read_all(&in, &frames[i], step, &heard);
		is_str(heard.p, "B1002 ", "5.1 unmasked, row %zu", i);
		ws_in_free(&in);
		str_free(&heard);
	}
}

/* Section 5.2: lengths in their shortest form, and limits. */
static void
test_lengths(size_t step)
{
	static const struct {
		size_t len, max;  /* payload, max_message */
		int first, form;  /* of the frame */
		const char *want; /* first bytes of what is heard */
	} lens[] = {
		{ 0, MAX, 0x82, 0, "M2:" },
		{ 125, MAX, 0x82, 0, "M2:" },
		{ 126, MAX, 0x82, 2, "M2:" },
		{ 127, MAX, 0x82, 2, "M2:" },
		{ 65535, 70000, 0x82, 2, "M2:" },
		{ 65536, 70000, 0x82, 8, "M2:" },
		{ 70000, 70000, 0x82, 8, "M2:" },
		{ 70001, 70000, 0x82, 8, "B1009" },
		{ MAX, MAX, 0x82, 2, "M2:" },
		{ MAX + 1, MAX, 0x82, 2, "B1009" },
		{ 0, MAX, 0x82, 2, "B1002" },
		{ 125, MAX, 0x82, 2, "B1002" },
		{ 125, MAX, 0x82, 8, "B1002" },
		{ 126, MAX, 0x82, 8, "B1002" },
		{ 65535, 70000, 0x82, 8, "B1002" },
		{ 125, MAX, 0x89, 0, "P:" },
		{ 126, MAX, 0x89, 2, "B1002" },
		{ 126, MAX, 0x8a, 2, "B1002" },
		{ 126, MAX, 0x88, 2, "B1002" },
		{ 65536, 70000, 0x89, 8, "B1002" },
	};
	char *zeros = xcalloc(1, 80000);

	for (size_t i = 0; i < N(lens); i++) {
		struct ws_in in = { .max_message = lens[i].max };
		struct str bytes = { 0 }, heard = { 0 };

		add_frame(&bytes, lens[i].first, zeros, lens[i].len,
		    lens[i].form);
		read_all(&in, &bytes, step, &heard);
		ok(heard.p != NULL && strncmp(heard.p, lens[i].want,
					  strlen(lens[i].want)) == 0,
		    "5.2 length, row %zu, by %zu bytes", i, step);
		if (lens[i].want[0] == 'M')
			is_int((long long)heard.len, (long long)lens[i].len + 4,
			    "all of it");
		ws_in_free(&in);
		str_free(&bytes);
		str_free(&heard);
	}
	free(zeros);
}

/* Lengths of 64 bits that no memory has; nothing may be allocated for them. */
static void
test_huge(void)
{
	static const char *const heads[] = {
		"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff....a",
		"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00....a",
		"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff....a",
		"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00....a"
	};

	for (size_t i = 0; i < N(heads); i++) {
		struct ws_in in = { .max_message = SIZE_MAX / 4 };
		struct str heard = { 0 }, bytes = { 0 };

		if (i == 3)
			in.max_message = MAX;
		str_add(&bytes, heads[i], 15);
		read_all(&in, &bytes, 1, &heard);
		ok(heard.p != NULL && heard.p[0] == 'B',
		    "5.2 a huge length, row %zu", i);
		ws_in_free(&in);
		str_free(&heard);
		str_free(&bytes);
	}
}

/* Fragments count together; a refused message is not collected first. */
static void
test_sum_of_fragments(size_t step)
{
	struct ws_in in = { .max_message = 100 };
	struct str bytes = { 0 }, heard = { 0 };
	char data[60] = { 0 };

	add_frame(&bytes, 0x02, data, 60, -1);
	add_frame(&bytes, 0x00, data, 40, -1);
	add_frame(&bytes, 0x80, data, 0, -1);
	add_frame(&bytes, 0x02, data, 60, -1);
	add_frame(&bytes, 0x80, data, 41, -1);
	read_all(&in, &bytes, step, &heard);
	ok(heard.len > 100 && strcmp(heard.p + heard.len - 6, "B1009 ") == 0,
	    "fragments of 100 bytes pass, of 101 do not, by %zu", step);
	ws_in_free(&in);
	str_free(&bytes);
	str_free(&heard);
}

/* Invalid text is refused with the very byte that spoils it. */
static void
test_early(void)
{
	static const char text[] = "abc\xe2\x82\xac\xed\xa0\x80 and more";
	struct ws_in in = { .max_message = MAX };
	struct str bytes = { 0 }, heard = { 0 };
	size_t at;

	add_frame(&bytes, 0x81, text, sizeof(text) - 1, -1);
	at = read_all(&in, &bytes, 1, &heard);
	is_str(heard.p, "B1007 ", "8.1 ill-formed text");
	is_int((long long)at, 6 + 8, "with the byte that makes it so");
	ws_in_free(&in);
	str_free(&bytes);
	str_free(&heard);
}

static void
test_codes(void)
{
	unsigned wrong = 0;

	for (unsigned code = 0; code <= 70000; code++) {
		bool want = (code >= 1000 && code <= 1003) ||
			    (code >= 1007 && code <= 1014) ||
			    (code >= 3000 && code <= 4999);

		if (ws_code_valid(code) != want) {
			wrong++;
			diag("code %u", code);
		}
	}
	is_int(wrong, 0, "7.4 every code from 0 to 70000");
	for (unsigned code = 0; code <= 5000; code++) {
		struct ws_in in = { .max_message = MAX };
		struct str bytes = { 0 }, heard = { 0 };
		char payload[2] = { (char)(code >> 8), (char)code };
		char want[32];

		snprintf(want, sizeof(want),
		    ws_code_valid(code) ? "C%u: " : "B1002 ", code);
		add_frame(&bytes, 0x88, payload, 2, -1);
		read_all(&in, &bytes, SIZE_MAX, &heard);
		wrong += heard.p == NULL || strcmp(heard.p, want) != 0;
		ws_in_free(&in);
		str_free(&bytes);
		str_free(&heard);
	}
	is_int(wrong, 0, "7.4 a close frame with each code from 0 to 5000");
}

/* What we send. */
static void
test_sending(void)
{
	static const size_t lens[] = { 0, 1, 125, 126, 65535, 65536 };
	char *data = xcalloc(1, 70000), reason[300];
	struct chunk *c;

	for (size_t i = 0; i < N(lens); i++) {
		size_t n = lens[i], head = n < 126 ? 2 : n < 65536 ? 4 : 10;

		memset(data, 'x', n);
		c = ws_frame(WS_BINARY, data, n);
		is_int(c->len, (long long)(head + n),
		    "length of a frame of %zu", n);
		is_int(c->bytes[0], 0x82, "FIN and opcode");
		is_int(c->bytes[1],
		    n < 126     ? (int)n
		    : n < 65536 ? 126
				: 127,
		    "the first byte of its length, unmasked");
		is_mem(c->bytes + head, c->len - head, data, n, "its payload");
		chunk_unref(c);
	}
	c = ws_close_frame(WS_CODE_NONE, "not sent");
	is_mem(c->bytes, c->len, "\x88\x00", 2, "close without a code");
	chunk_unref(c);
	c = ws_close_frame(WS_CODE_AWAY, "bye");
	is_mem(c->bytes, c->len,
	    "\x88\x05\x03\xe9"
	    "bye",
	    7, "with a reason");
	chunk_unref(c);
	memset(reason, 'x', sizeof(reason));
	reason[122] = '\xc3';
	reason[123] = '\xa9';
	reason[sizeof(reason) - 1] = '\0';
	c = ws_close_frame(WS_CODE_POLICY, reason);
	is_int(c->len, 2 + 2 + 122, "a long reason is cut before a character");
	chunk_unref(c);
	free(data);
}

static void
test_accept(void)
{
	static const struct {
		const char *key, *want; /* NULL = refused */
	} keys[] = {
		/* RFC 6455, section 1.3. */
		{ "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		{ "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" },
		{ "", NULL },
		{ "dGhlIHNhbXBsZSBub25jZQ=", NULL },
		{ "dGhlIHNhbXBsZSBub25jZQ", NULL },
		{ "dGhlIHNhbXBsZSBub25jZQ== ", NULL },
		{ "dGhlIHNhbXBsZSBub25jZTEy", NULL },
		{ "dGhlIHNhbXBsZSBub25jZQ=a", NULL },
		{ "dGhlIHNhbXBsZSBub25j!Q==", NULL },
		{ "dGhl SHNhbXBsZSBub25jZQ=", NULL },
		{ "dGhlIHNhbXBsZSBub25jZSE=", NULL },
		{ "========================", NULL },
		{ "                        ", NULL },
	};
	char out[29];

	for (size_t i = 0; i < N(keys); i++) {
		bool good;

		memset(out, '!', sizeof(out));
		good = ws_accept(keys[i].key, out);
		if (keys[i].want == NULL)
			ok(!good, "4.2.1 ws_accept refuses row %zu", i);
		else if (ok(good, "4.2.2 ws_accept takes row %zu", i))
			is_str(out, keys[i].want, "4.2.2 its value");
	}
}

/* Between frames nothing is held; inside a message only the message. */
static void
test_idle(void)
{
	struct ws_in in = { .max_message = MAX };
	struct str bytes = { 0 }, heard = { 0 };

	for (int i = 0; i < 100; i++) {
		add_frame(&bytes, 0x81, "hello", 5, -1);
		add_frame(&bytes, 0x89, "x", 1, -1);
	}
	read_all(&in, &bytes, 7, &heard);
	is_int((long long)heard.len, 100 * (9 + 4), "all were heard");
	ok(in.wslay == NULL, "an idle reader has no frame reader");
	ok(in.message.p == NULL, "no message");
	ok(in.control.p == NULL, "no control payload");
	str_clear(&bytes);
	add_frame(&bytes, 0x01, "half", 4, -1);
	read_all(&in, &bytes, SIZE_MAX, &heard);
	ok(in.wslay == NULL, "nor one between two fragments");
	is_mem(in.message.p, in.message.len, "half", 4, "which are kept");
	ws_in_free(&in);
	ok(in.message.p == NULL, "until it is freed");
	str_free(&bytes);
	str_free(&heard);
}

int
main(void)
{
	static const size_t steps[] = { SIZE_MAX, 1, 2, 5 };

	for (size_t i = 0; i < N(steps); i++) {
		test_rows(steps[i]);
		test_unmasked(steps[i]);
		test_lengths(steps[i]);
		test_sum_of_fragments(steps[i]);
	}
	test_huge();
	test_early();
	test_codes();
	test_sending();
	test_accept();
	test_idle();
	return done();
}
