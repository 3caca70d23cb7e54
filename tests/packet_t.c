/* SPDX-License-Identifier: MIT */
/*
 * Packets of httpd's on a hand-over link: what may come, and everything that
 * may not.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/intake/req.h"
#include "shared/wire/packet.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define VARS     "A\0b\0"
#define TOP      (HANDOVER_NUMBERS - 1)

static const struct row {
	const char *name;  /* of the case */
	uint32_t type;     /* of the head */
	uint32_t count;    /* of the head */
	uint32_t word[4];  /* that follow it */
	uint32_t words;    /* how many */
	const char *bytes; /* behind them */
	size_t len;        /* bytes of it */
	unsigned nfds;     /* descriptors that came along */
	bool good;         /* it is taken */
} rows[] = {
	{ "HELLO", 1, 0, { 0 }, 0, "tidings 1", 9, 0, true },
	{ "HELLO of another version", 1, 0, { 0 }, 0, "tidings 2", 9, 0,
	    false },
	{ "HELLO and more", 1, 0, { 0 }, 0, "tidings 10", 10, 0, false },
	{ "HELLO cut short", 1, 0, { 0 }, 0, "tidings ", 8, 0, false },
	{ "HELLO without a text", 1, 0, { 0 }, 0, "", 0, 0, false },
	{ "HELLO with a number", 1, 1, { 1 }, 1, "tidings 1", 9, 0, false },
	{ "HELLO with a descriptor", 1, 0, { 0 }, 0, "tidings 1", 9, 1, false },
	{ "CLIENT", 2, 0, { 0 }, 0, VARS, 4, 1, true },
	{ "CLIENT without a descriptor", 2, 0, { 0 }, 0, VARS, 4, 0, false },
	{ "CLIENT with two descriptors", 2, 0, { 0 }, 0, VARS, 4, 2, false },
	{ "CLIENT without variables", 2, 0, { 0 }, 0, "", 0, 1, false },
	{ "CLIENT with a number", 2, 1, { 1 }, 1, VARS, 4, 1, false },
	{ "PARK", 3, 1, { 7 }, 1, VARS, 4, 0, true },
	{ "PARK of the largest number", 3, 1, { TOP }, 1, VARS, 4, 0, true },
	{ "PARK beyond it", 3, 1, { TOP + 1 }, 1, VARS, 4, 0, false },
	{ "PARK of 2^32 - 1", 3, 1, { UINT32_MAX }, 1, VARS, 4, 0, false },
	{ "PARK without variables", 3, 1, { 7 }, 1, "", 0, 0, false },
	{ "PARK without a number", 3, 0, { 0 }, 0, VARS, 4, 0, false },
	{ "PARK of two", 3, 2, { 7, 8 }, 2, VARS, 4, 0, false },
	{ "PARK with a descriptor", 3, 1, { 7 }, 1, VARS, 4, 1, false },
	{ "PARK cut short", 3, 1, { 0 }, 0, "xy", 2, 0, false },
	{ "INPUT_OF", 4, 1, { 7 }, 1, "x", 1, 0, true },
	{ "INPUT_OF nothing", 4, 1, { 7 }, 1, "", 0, 0, false },
	{ "INPUT_OF two", 4, 2, { 7, 8 }, 2, "x", 1, 0, false },
	{ "TAKEN", 5, 1, { 7, 100 }, 2, "", 0, 0, true },
	{ "TAKEN of two", 5, 2, { 7, 100, 8, 1 }, 4, "", 0, 0, true },
	{ "TAKEN of a large number", 5, 2, { 7, 100, TOP + 1, 1 }, 4, "", 0, 0,
	    false },
	{ "TAKEN of none", 5, 0, { 0 }, 0, "", 0, 0, false },
	{ "TAKEN that lies", 5, 2, { 7, 100 }, 2, "", 0, 0, false },
	{ "TAKEN of half a pair", 5, 1, { 7 }, 1, "", 0, 0, false },
	{ "TAKEN with bytes", 5, 1, { 7, 100 }, 2, "x", 1, 0, false },
	{ "GONE", 6, 1, { 7 }, 1, "", 0, 0, true },
	{ "GONE, three", 6, 3, { 7, 8, 9 }, 3, "", 0, 0, true },
	{ "GONE, none", 6, 0, { 0 }, 0, "", 0, 0, false },
	{ "GONE that lies", 6, UINT32_MAX, { 7 }, 1, "", 0, 0, false },
	{ "GONE that overflows", 6, 0x40000001, { 7 }, 1, "", 0, 0, false },
	{ "GONE with bytes", 6, 1, { 7 }, 1, "x", 1, 0, false },
	{ "LEAVE", 7, 0, { 0 }, 0, "", 0, 0, true },
	{ "LEAVE with a number", 7, 1, { 7 }, 1, "", 0, 0, false },
	{ "LEAVE with bytes", 7, 0, { 0 }, 0, "x", 1, 0, false },
	{ "LEAVE with a descriptor", 7, 0, { 0 }, 0, "", 0, 1, false },
	{ "type 0", 0, 0, { 0 }, 0, "", 0, 0, false },
	{ "DATA, which is ours", 8, 1, { 7 }, 1, "x", 1, 0, false },
	{ "END, which is ours", 9, 1, { 7 }, 1, "", 0, 0, false },
	{ "READ, which is ours", 10, 1, { 7, 1 }, 2, "", 0, 0, false },
	{ "type 11", 11, 0, { 0 }, 0, "", 0, 0, false },
	{ "type 2^32 - 1", UINT32_MAX, 0, { 0 }, 0, "", 0, 0, false },
};

static void
make(struct str *out, const struct row *row)
{
	str_add(out, &row->type, sizeof(row->type));
	str_add(out, &row->count, sizeof(row->count));
	str_add(out, row->word, row->words * sizeof(row->word[0]));
	str_add(out, row->bytes, row->len);
}

static void
check_row(const struct row *row)
{
	struct packet packet;
	struct str bytes = { 0 };
	const char *why;

	make(&bytes, row);
	why = packet_read(&packet, bytes.p, bytes.len, row->nfds);
	ok((why == NULL) == row->good, "%s is %s", row->name,
	    row->good ? "taken" : "refused");
	if (why == NULL) {
		is_mem(packet.bytes, packet.len, row->bytes, row->len,
		    "%s: its bytes", row->name);
		is_int(packet.count, row->count, "%s: its count", row->name);
		if (row->words == 1)
			is_int(packet_number(&packet, 0), row->word[0],
			    "%s: its number", row->name);
		if (row->words == 4)
			ok(packet_pair(&packet, 1).number == row->word[2] &&
				packet_pair(&packet, 1).bytes == row->word[3],
			    "%s: its second pair", row->name);
	}
	/* A head that is not whole is none, wherever it ends. */
	for (size_t len = 0; len < sizeof(struct handover_head); len++) {
		char *copy = xmalloc(len + 1);

		memcpy(copy, bytes.p, len);
		if (packet_read(&packet, copy, len, row->nfds) == NULL)
			ok(false, "%s: %zu bytes are taken", row->name, len);
		free(copy);
	}
	str_free(&bytes);
}

static void
check_lengths(void)
{
	const uint32_t input[] = { HANDOVER_INPUT_OF, 1, 5 };
	const uint32_t client[] = { HANDOVER_CLIENT, 0 };
	struct packet packet;
	struct str bytes = { 0 };

	str_add(&bytes, input, sizeof(input));
	memset(str_room(&bytes, HANDOVER_INPUT + 1), 'x', HANDOVER_INPUT + 1);
	bytes.len += HANDOVER_INPUT;
	ok(packet_read(&packet, bytes.p, bytes.len, 0) == NULL,
	    "as much input as there is room for");
	ok(packet_read(&packet, bytes.p, bytes.len + 1, 0) != NULL,
	    "a byte more is refused");
	str_clear(&bytes);
	str_add(&bytes, client, sizeof(client));
	memset(str_room(&bytes, HANDOVER_PACKET_MAX), 'x', HANDOVER_PACKET_MAX);
	ok(packet_read(&packet, bytes.p, HANDOVER_PACKET_MAX, 1) == NULL,
	    "the largest packet");
	ok(packet_read(&packet, bytes.p, HANDOVER_PACKET_MAX + 1, 1) != NULL,
	    "a byte more is refused");
	str_free(&bytes);
}

static const struct {
	const char *text; /* of the variables */
	size_t len;       /* bytes */
	int vars;         /* how many, -1 = refused */
} texts[] = {
	{ "A\0b\0", 4, 1 },
	{ "A\0\0", 3, 1 },
	{ "A\0b\0C\0\0D\0e\0", 11, 3 },
	{ "", 0, -1 },
	{ "A", 1, -1 },
	{ "A\0", 2, -1 },
	{ "A\0b", 3, -1 },
	{ "A\0b\0C\0", 6, -1 },
	{ "\0b\0", 3, -1 },
	{ "A\0b\0\0", 5, -1 },
	{ "A\0b\0\0c\0", 7, -1 },
};

static void
check_texts(void)
{
	for (size_t i = 0; i < N(texts); i++) {
		struct req req = { 0 };
		int rc = vars_set_text(&req.vars, texts[i].text, texts[i].len);

		is_int(rc == 0 ? (int)req.vars.n : -1, texts[i].vars,
		    "variables %zu", i);
		if (i == 2)
			ok(strcmp(req_var(&req, "A"), "b") == 0 &&
				strcmp(req_var(&req, "C"), "") == 0 &&
				strcmp(req_var(&req, "D"), "e") == 0,
			    "each has its value");
		req_free(&req);
	}
}

int
main(void)
{
	for (size_t i = 0; i < N(rows); i++)
		check_row(&rows[i]);
	check_lengths();
	check_texts();
	return done();
}
