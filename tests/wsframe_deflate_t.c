/* SPDX-License-Identifier: MIT */
/*
 * Deflated WebSocket messages, a row for each rule of RFC 7692.  Every row is
 * read in one piece and one byte at a time and must come to the same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "shared/base/str.h"
#include "shared/wire/chunk.h"
#include "shared/wire/wsdeflate.h"
#include "shared/wire/wsframe.h"
#include "tests/tap/frames.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define MAX      1000 /* bytes of a message in the rows */
#define OVERHEAD 1100 /* by which a deflated message may be longer */
#define HELLO    "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define STORED2  "\x00\x02\x00\xfd\xff" /* two bytes follow as they are */

static const struct {
	const char *rule;    /* section and what it says */
	struct frame rec[8]; /* what comes */
	const char *want;    /* what is heard; see tests/tap/frames.h */
} rows[] = {
	{ "6 a deflated text", { F(0xc1, HELLO) }, "M1:Hello " },
	{ "6 a deflated binary message", { F(0xc2, HELLO) }, "M2:Hello " },
	{ "6 a plain message all the same", { F(0x81, "plain") }, "M1:plain " },
	{ "6 plain and deflated by turns",
	    { F(0x81, "a"), F(0xc1, HELLO), F(0x82, "b"), F(0xc2, HELLO) },
	    "M1:a M1:Hello M2:b M2:Hello " },
	{ "6 RSV2 beside RSV1", { F(0xe1, HELLO) }, "B1002 " },
	{ "6 RSV3 beside RSV1", { F(0xd1, HELLO) }, "B1002 " },
	{ "6 RSV2 alone", { F(0xa1, "a") }, "B1002 " },
	{ "6 RSV1 on a reserved opcode", { F(0xc3, HELLO) }, "B1002 " },
	{ "6.1 fragments", { F(0x41, "\xf2\x48\xcd"), F(0x80, "\xc9\xc9\7\0") },
	    "M1:Hello " },
	{ "6.1 binary fragments",
	    { F(0x42, "\xf2"), F(0x00, "\x48\xcd\xc9\xc9"), F(0x80, "\7\0") },
	    "M2:Hello " },
	{ "6.1 empty fragments", { F(0x41, ""), F(0x00, HELLO), F(0x80, "") },
	    "M1:Hello " },
	{ "6.1 RSV1 on a later fragment",
	    { F(0x41, "\xf2\x48\xcd"), F(0xc0, "\xc9\xc9\7\0") }, "B1002 " },
	{ "6.1 RSV1 on a fragment in the middle",
	    { F(0x41, "\xf2\x48\xcd"), F(0x40, "\xc9\xc9"), F(0x80, "\7\0") },
	    "B1002 " },
	{ "6.1 RSV1 on a fragment of a plain message",
	    { F(0x01, "a"), F(0xc0, HELLO) }, "B1002 " },
	{ "6.1 RSV1 on a ping", { F(0xc9, "a") }, "B1002 " },
	{ "6.1 RSV1 on a pong", { F(0xca, "a") }, "B1002 " },
	{ "6.1 RSV1 on a close", { F(0xc8, "\x03\xe8") }, "B1002 " },
	{ "6.1 control frames between fragments, not deflated",
	    { F(0x41, "\xf2\x48"), F(0x89, "1"), F(0x00, "\xcd\xc9"),
		F(0x8a, "2"), F(0x80, "\xc9\7\0") },
	    "P:1 O:2 M1:Hello " },
	{ "6.1 close between fragments",
	    { F(0x41, "\xf2\x48"), F(0x88, "\x03\xe8") }, "C1000: " },
	{ "6.1 a message inside a deflated one",
	    { F(0x41, "\xf2\x48"), F(0xc1, HELLO) }, "B1002 " },
	{ "7.1.1.2 no window from the message before",
	    { F(0xc1, HELLO), F(0xc1, "\xf2\x00\x11\x00\x00") },
	    "M1:Hello B1007 " },
	{ "7.2.2 no data at all", { F(0xc1, "") }, "B1007 " },
	{ "7.2.2 a block of no kind", { F(0xc1, "\xff\xff\xff") }, "B1007 " },
	{ "7.2.2 at once, not at the end of the message",
	    { F(0x41, "\xff\xff\xff") }, "B1007 " },
	{ "7.2.2 a stored block with a wrong length",
	    { F(0xc1, "\x00\x05\x00\x00\x00Hello\x00") }, "B1007 " },
	{ "7.2.2 a distance before the beginning",
	    { F(0xc2, "\x02\x03\x02\x00") }, "B1007 " },
	{ "7.2.2 a stored block that is cut off",
	    { F(0xc2, "\x00\x64\x00\x9b\xff short") }, "B1007 " },
	{ "7.2.2 a stored block cut off in its length", { F(0xc2, "\x00\x64") },
	    "B1007 " },
	{ "7.2.2 a code that is cut off", { F(0xc2, "\xf2\x48\xcd") },
	    "B1007 " },
	{ "7.2.3.1 one block", { F(0xc1, HELLO) }, "M1:Hello " },
	{ "7.2.3.3 a block with no compression",
	    { F(0xc1, "\x00\x05\x00\xfa\xffHello\x00") }, "M1:Hello " },
	{ "7.2.3.4 a block with BFINAL",
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00") }, "M1:Hello " },
	{ "7.2.3.4 and the empty one behind it left out",
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00") }, "M1:Hello " },
	{ "7.2.3.4 a block that points back over one with BFINAL",
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00") },
	    "M1:HelloHello " },
	{ "7.2.3.4 a message behind one with BFINAL",
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"), F(0xc1, HELLO) },
	    "M1:Hello M1:Hello " },
	{ "7.2.3.5 two blocks",
	    { F(0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00") },
	    "M1:Hello " },
	{ "7.2.3.6 an empty message", { F(0xc1, "\x00"), F(0xc2, "\x02\x00") },
	    "M1: M2: " },
	{ "RFC 6455, 8.1 deflated text is UTF-8",
	    { F(0xc1, STORED2 "a\xff\x00") }, "B1007 " },
	{ "RFC 6455, 8.1 at once, not at the end of the message",
	    { F(0x41, STORED2 "a\xff") }, "B1007 " },
	{ "RFC 6455, 8.1 deflated text that ends in a character",
	    { F(0xc1, STORED2 "a\xc3\x00") }, "B1007 " },
	{ "RFC 6455, 8.1 a character across blocks and fragments",
	    { F(0x41, STORED2 "a\xc3"), F(0x80, STORED2 "\xa9z\x00") },
	    "M1:a\xc3\xa9z " },
	{ "RFC 6455, 8.1 not for binary",
	    { F(0xc2, STORED2 "a\xff\x00"), F(0x42, STORED2 "\xff"),
		F(0x80, "\xfe\x00") },
	    "M2:a\xff M2:\xff\xfe " },
};

/* Reads frames with permessage-deflate on. */
static size_t
read_deflated(const struct str *bytes, size_t step, size_t max,
    struct str *heard)
{
	struct ws_in in = { .max_message = max, .deflate = true };
	size_t given;

	str_addz(heard, "");
	given = read_all(&in, bytes, step, heard);
	ws_in_free(&in);
	return given;
}

static void
test_rows(size_t step)
{
	for (size_t i = 0; i < N(rows); i++) {
		struct str bytes = { 0 }, heard = { 0 };

		for (size_t j = 0; j < N(rows[i].rec); j++)
			if (rows[i].rec[j].data != NULL)
				add_frame(&bytes, rows[i].rec[j].first,
				    rows[i].rec[j].data, rows[i].rec[j].len,
				    -1);
		read_deflated(&bytes, step, MAX, &heard);
		is_mem(heard.p, heard.len, rows[i].want, strlen(rows[i].want),
		    "%s, by %zu bytes", rows[i].rule, step);
		str_free(&bytes);
		str_free(&heard);
	}
}

/* Deflates as a client does: raw, a sync flush, its tail taken off. */
static void
deflate_into(struct str *out, const void *bytes, size_t len)
{
	z_stream z = { 0 };
	uInt room = (uInt)len + 1000;

	if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		bail("zlib");
	z.next_in = (Bytef *)(uintptr_t)bytes;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)str_room(out, room);
	z.avail_out = room;
	if (deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_in > 0)
		bail("zlib");
	out->len += z.total_out - 4;
	deflateEnd(&z);
}

/* Bytes that deflate does nothing for. */
static void
add_noise(struct str *out, size_t len)
{
	uint32_t seed = 99;
	char *to = str_room(out, len);

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		to[i] = (char)(seed >> 24);
	}
	out->len += len;
}

/* RFC 6455, section 10.4: what counts is what becomes of the message. */
static void
test_limit(size_t step)
{
	static const struct {
		size_t len, max;
		bool noise, good;
	} lens[] = {
		{ 1000, 1000, false, true },
		{ 1001, 1000, false, false },
		{ 1000, 1000, true, true },
		{ 1001, 1000, true, false },
		{ 16384, 16384, false, true },
		{ 16385, 16384, false, false },
		{ 70000, 70000, true, true },
		{ 70000, 69999, true, false },
	};

	for (size_t i = 0; i < N(lens); i++) {
		struct str data = { 0 }, deflated = { 0 };

		if (lens[i].noise) {
			add_noise(&data, lens[i].len);
		} else {
			memset(str_room(&data, lens[i].len), 'x', lens[i].len);
			data.len = lens[i].len;
		}
		deflate_into(&deflated, data.p, data.len);
		for (int parts = 1; parts <= 2; parts++) {
			struct str bytes = { 0 }, heard = { 0 };
			size_t half = parts == 1 ? 0 : deflated.len / 2;

			if (parts == 2)
				add_frame(&bytes, 0x42, deflated.p, half, -1);
			add_frame(&bytes, parts == 1 ? 0xc2 : 0x80,
			    deflated.p + half, deflated.len - half, -1);
			read_deflated(&bytes, step, lens[i].max, &heard);
			if (!lens[i].good)
				is_str(heard.p, "B1009 ",
				    "%zu bytes of at most %zu, in %d, by %zu",
				    lens[i].len, lens[i].max, parts, step);
			else
				ok(heard.len == data.len + 4 &&
					memcmp(heard.p + 3, data.p, data.len) ==
					    0,
				    "%zu bytes of at most %zu, in %d, by %zu",
				    lens[i].len, lens[i].max, parts, step);
			str_free(&bytes);
			str_free(&heard);
		}
		str_free(&data);
		str_free(&deflated);
	}
}

/* A frame that can't be a message of the size is refused by its head. */
static void
test_length(void)
{
	struct str bytes = { 0 }, heard = { 0 };
	char *zeros = xcalloc(1, 3000);
	size_t given;

	add_frame(&bytes, 0xc2, zeros, 3000, -1);
	given = read_deflated(&bytes, 1, MAX, &heard);
	is_str(heard.p, "B1009 ", "3000 bytes that should become 1000");
	ok(given <= 9, "are refused by the first byte behind the head");
	str_free(&bytes);
	str_free(&heard);
	free(zeros);
}

/* Ten megabytes out of ten kilobytes. */
static void
test_bomb(size_t step)
{
	struct ws_in in = { .max_message = 100000, .deflate = true };
	struct str deflated = { 0 }, bytes = { 0 }, heard = { 0 };
	char *zeros = xcalloc(1, 10 << 20);

	deflate_into(&deflated, zeros, 10 << 20);
	ok(deflated.len < 11000, "a bomb of %zu bytes", deflated.len);
	add_frame(&bytes, 0xc2, deflated.p, deflated.len, -1);
	read_all(&in, &bytes, step, &heard);
	is_str(heard.p, "B1009 ", "is too large");
	ok(in.message.cap <= 1 << 18,
	    "and inflated only so far (%zu bytes are held)", in.message.cap);
	ws_in_free(&in);
	str_free(&deflated);
	str_free(&bytes);
	str_free(&heard);
	free(zeros);
}

/* Blocks that become nothing are not taken for ever. */
static void
test_nothing_for_ever(const char *block, size_t len)
{
	struct ws_in in = { .max_message = MAX, .deflate = true };
	struct str payload = { 0 }, bytes = { 0 }, heard = { 0 };
	size_t taken = 0;

	while (payload.len < 100)
		str_add(&payload, block, len);
	add_frame(&bytes, 0x42, payload.p, payload.len, -1);
	while (heard.len == 0 && taken < 100000) {
		read_all(&in, &bytes, SIZE_MAX, &heard);
		taken += payload.len;
		str_clear(&bytes);
		add_frame(&bytes, 0x00, payload.p, payload.len, -1);
	}
	is_str(heard.p == NULL ? "" : heard.p, "B1009 ",
	    "empty blocks of %zu bytes without an end", len);
	ok(taken > MAX && taken <= MAX + OVERHEAD + payload.len,
	    "are taken for a while (%zu bytes)", taken);
	ws_in_free(&in);
	str_free(&payload);
	str_free(&bytes);
	str_free(&heard);
}

/* Who sends much to inflate lets others have a turn, and loses nothing. */
static void
test_pause(bool noise)
{
	struct ws_in in = { .max_message = 64 << 20, .deflate = true };
	struct str data = { 0 }, deflated = { 0 }, bytes = { 0 };
	size_t len = noise ? 100000 : 20 << 20, most = 0, before = 0;
	int pauses = 0, messages = 0, pings = 0, others = 0;
	enum ws_event event;

	if (noise) {
		add_noise(&data, len);
	} else {
		memset(str_room(&data, len), 'x', len);
		data.len = len;
	}
	deflate_into(&deflated, data.p, len);
	for (int i = 0; i < 2; i++) {
		add_frame(&bytes, 0xc2, deflated.p, deflated.len, -1);
		add_frame(&bytes, 0x89, "p", 1, -1);
	}
	ws_feed(&in, bytes.p, bytes.len);
	while ((event = ws_read(&in)) != WS_EV_MORE) {
		if (event == WS_EV_PAUSE) {
			pauses++;
		} else if (event == WS_EV_PING) {
			pings++;
		} else if (event == WS_EV_MESSAGE) {
			messages += in.message.len == len &&
				    memcmp(in.message.p, data.p, len) == 0;
		} else if (++others > 10) {
			break;
		}
		if (in.message.len > before && in.message.len - before > most)
			most = in.message.len - before;
		before = in.message.len;
	}
	ok(pauses >= (noise ? 20 : 6), "%d pauses", pauses);
	ok(most <= 6 << 20, "no more than %zu bytes between two", most);
	is_int(messages, 2, "two whole messages");
	is_int(pings, 2, "and a ping behind each");
	is_int(others, 0, "and nothing else");
	is_int((long long)in.feed_len, 0, "all bytes are used");
	ws_in_free(&in);
	str_free(&data);
	str_free(&deflated);
	str_free(&bytes);
}

/* Between messages nothing is held; between fragments what must be. */
static void
test_idle(void)
{
	struct ws_in in = { .max_message = MAX, .deflate = true };
	struct str bytes = { 0 }, heard = { 0 };

	for (int i = 0; i < 100; i++)
		add_frame(&bytes, 0xc1, B(HELLO), -1);
	read_all(&in, &bytes, 3, &heard);
	is_int((long long)heard.len, 100 * 9, "all were heard");
	ok(in.inflater == NULL, "an idle reader has no inflater");
	ok(in.message.p == NULL && in.wslay == NULL, "nor anything else");
	str_clear(&bytes);
	add_frame(&bytes, 0x41, B(HELLO), -1);
	read_all(&in, &bytes, SIZE_MAX, &heard);
	ok(in.inflater != NULL, "one that waits for a fragment has");
	ok(in.wslay == NULL, "and no frame reader");
	is_mem(in.message.p, in.message.len, "Hello", 5,
	    "what there is, is inflated");
	ws_in_free(&in);
	ok(in.inflater == NULL, "until it is freed");
	str_free(&bytes);
	str_free(&heard);
}

/* Two readers, fragment by fragment in turns: none disturbs the other. */
static void
test_two_readers(void)
{
	static const char *const parts[] = { "\xf2\x48", "\xcd\xc9", "\xc9\7" };
	struct ws_in in[3];
	struct str heard[3] = { { 0 } };

	for (int i = 0; i < 3; i++)
		in[i] = (struct ws_in){ .max_message = MAX, .deflate = true };
	for (int step = 0; step < 5; step++)
		for (int i = 0; i < 3; i++) {
			struct str bytes = { 0 };
			int part = step - i;

			if (part < 0 || part > 2)
				continue;
			add_frame(&bytes, part == 0 ? 0x41 : 0x00, parts[part],
			    2, -1);
			if (part == 2)
				add_frame(&bytes, 0x80, "", 1, -1);
			read_all(&in[i], &bytes, SIZE_MAX, &heard[i]);
			str_free(&bytes);
		}
	for (int i = 0; i < 3; i++) {
		is_str(heard[i].p, "M1:Hello ", "reader %d", i);
		ws_in_free(&in[i]);
		str_free(&heard[i]);
	}
}

/* What we send: RSV1, and a payload that is read back. */
static void
test_sending(void)
{
	struct str data = { 0 }, deflated = { 0 }, bytes = { 0 }, heard = { 0 };
	struct chunk *c;

	for (int i = 0; i < 50; i++)
		str_addz(&data, "tidings ");
	if (!ws_deflate_message(data.p, data.len, 15, 6, &deflated))
		bail("400 bytes are not deflated");
	c = ws_deflated_frame(WS_TEXT, deflated.p, deflated.len);
	is_int(c->bytes[0], 0xc1, "FIN, RSV1 and the opcode");
	is_int(c->bytes[1], (long long)deflated.len, "its length, unmasked");
	is_mem(c->bytes + 2, c->len - 2, deflated.p, deflated.len,
	    "the payload as it was deflated");
	add_frame(&bytes, c->bytes[0], c->bytes + 2, c->len - 2, -1);
	read_deflated(&bytes, SIZE_MAX, MAX, &heard);
	is_mem(heard.p + 3, heard.len - 4, data.p, data.len, "and read back");
	chunk_unref(c);
	str_free(&data);
	str_free(&deflated);
	str_free(&bytes);
	str_free(&heard);
}

int
main(void)
{
	static const size_t steps[] = { SIZE_MAX, 1, 2, 5 };

	for (size_t i = 0; i < N(steps); i++) {
		test_rows(steps[i]);
		test_limit(steps[i]);
		test_bomb(steps[i]);
	}
	test_length();
	test_nothing_for_ever(B("\x00\x00\x00\xff\xff"));
	test_nothing_for_ever(B("\x03\x00"));
	test_pause(false);
	test_pause(true);
	test_idle();
	test_two_readers();
	test_sending();
	ws_deflate_free();
	return done();
}
