/* SPDX-License-Identifier: MIT */
/*
 * The messages that the benchmark publishes.
 *
 * Each is "tb:RUN:SEQ:NANOSECONDS:" with fixed-width numbers in hexadecimal,
 * filled up with letters that depend on the place, so that a cut or mixed-up
 * message is noticed. Fixed width makes every message of a run equally long.
 *
 * Letters in a row say nothing about compression, so there is a second kind:
 * a JSON object with the same head as one member, and rows of figures that are
 * drawn anew for each number, as a list of prices or of measurements has them.
 */
#include "config.h"

#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/message.h"

#define MARK      "tb:"
#define HEAD_LEN  38 /* bytes of mark and numbers */
#define JSON_HEAD "{\"mark\":\""
#define JSON_ROWS "\",\"rows\":["
#define JSON_PAD  "],\"pad\":\""
#define JSON_END  "\"}"
#define ROW_MAX   160 /* bytes of a row, at most */

/* What fills a message up depends on the place alone, and so does where in the
 * alphabet it begins.  This is twice the alphabet, so that from any letter on
 * there are 26. */
static const char letters[] =
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

/* Bytes of the n from place at on that letters has in a row. */
static size_t
row_at(size_t at, size_t n)
{
	size_t have = sizeof(letters) - 1 - at % 26;

	return n < have ? n : have;
}

static void
fill(char *p, size_t at, size_t end)
{
	size_t n;

	for (; at < end; at += n) {
		n = row_at(at, end - at);
		memcpy(p + at, letters + at % 26, n);
	}
}

static int
is_filled(const char *p, size_t at, size_t end)
{
	size_t n;

	for (; at < end; at += n) {
		n = row_at(at, end - at);
		if (memcmp(p + at, letters + at % 26, n) != 0)
			return 0;
	}
	return 1;
}

/* The next of a row of numbers, each below the limit. */
static unsigned
draw(uint64_t *state, unsigned limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((*state >> 33) % limit);
}

/* One row of figures; its length. */
static size_t
make_row(char row[ROW_MAX], uint64_t *state)
{
	static const char *const names[] = { "amber", "birch", "cedar", "dune",
		"ember", "fjord", "grove", "heath" };
	static const unsigned limits[] = { 100000, 8, 1000, 100, 60, 60 };
	unsigned v[sizeof(limits) / sizeof(limits[0])];
	size_t i;
	int n;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		v[i] = draw(state, limits[i]);
	n = snprintf(row, ROW_MAX,
	    "{\"id\":%u,\"name\":\"%s\",\"price\":%u.%02u,"
	    "\"time\":\"2026-01-05T12:%02u:%02uZ\"}",
	    v[0], names[v[1]], v[2], v[3], v[4], v[5]);
	assert(n > 0 && n < ROW_MAX);
	return (size_t)n;
}

/* Fill up a JSON text behind its head: what follows for this number. */
static void
make_rows(char *p, size_t len, uint32_t seq)
{
	size_t rest = strlen(JSON_PAD) + strlen(JSON_END), n;
	uint64_t state = seq * UINT64_C(0x9e3779b97f4a7c15);
	char *end = p + len, row[ROW_MAX];
	const char *comma = "";

	memcpy(p, JSON_ROWS, strlen(JSON_ROWS));
	p += strlen(JSON_ROWS);
	for (;;) {
		n = make_row(row, &state);
		if (n + 1 + rest > (size_t)(end - p))
			break;
		memcpy(p, comma, strlen(comma));
		p += strlen(comma);
		memcpy(p, row, n);
		p += n;
		comma = ",";
	}
	memcpy(p, JSON_PAD, strlen(JSON_PAD));
	p += strlen(JSON_PAD);
	memset(p, '-', (size_t)(end - p) - strlen(JSON_END));
	memcpy(end - strlen(JSON_END), JSON_END, strlen(JSON_END));
}

/*
 * Whether the bytes are what follows the head of message seq. Thousands of
 * clients ask for the same one, one after the other, so the last is kept.
 */
static int
is_rows(const char *p, size_t len, uint32_t seq)
{
	static char *kept;
	static size_t kept_len;
	static uint32_t kept_seq;

	if (kept_len != len) {
		kept = realloc(kept, len);
		if (kept == NULL)
			err(1, "%zu bytes", len);
	}
	if (kept_len != len || kept_seq != seq) {
		make_rows(kept, len, seq);
		kept_len = len;
		kept_seq = seq;
	}
	return memcmp(p, kept, len) == 0;
}

/* Read width hexadecimal digits and a colon; -1 if they are not there. */
static int
read_hex(const char *p, int width, uint64_t *value)
{
	int i, digit;

	*value = 0;
	for (i = 0; i < width; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			digit = p[i] - '0';
		else if (p[i] >= 'a' && p[i] <= 'f')
			digit = p[i] - 'a' + 10;
		else
			return -1;
		*value = *value << 4 | (unsigned)digit;
	}
	return p[width] == ':' ? 0 : -1;
}

/* Read the message whose mark is at p; len bytes are left of it. */
static enum message_state
read_at(const char *p, size_t len, const struct shape *shape, struct message *m)
{
	size_t size = shape->size;
	uint64_t run, seq;

	if (shape->json)
		size -= strlen(JSON_HEAD);
	if (len < size || read_hex(p + 3, 8, &run) == -1 ||
	    read_hex(p + 12, 8, &seq) == -1 ||
	    read_hex(p + 21, 16, &m->sent_ns) == -1)
		return MESSAGE_DAMAGED;
	if (shape->json &&
	    !is_rows(p + HEAD_LEN, size - HEAD_LEN, (uint32_t)seq))
		return MESSAGE_DAMAGED;
	if (!shape->json && !is_filled(p, HEAD_LEN, size))
		return MESSAGE_DAMAGED;
	m->run = (uint32_t)run;
	m->seq = (uint32_t)seq;
	return MESSAGE_OK;
}

void
message_make(char *buf, const struct shape *shape, const struct message *m)
{
	size_t at = shape->json ? strlen(JSON_HEAD) : 0;
	char head[HEAD_LEN + 1];

	assert(shape->size >= (shape->json ? MESSAGE_MIN_JSON : MESSAGE_MIN));
	snprintf(head, sizeof(head), MARK "%08x:%08x:%016llx:", m->run, m->seq,
	    (unsigned long long)m->sent_ns);
	memcpy(buf, JSON_HEAD, at);
	memcpy(buf + at, head, HEAD_LEN);
	at += HEAD_LEN;
	if (shape->json)
		make_rows(buf + at, shape->size - at, m->seq);
	else
		fill(buf, at, shape->size);
}

enum message_state
message_find(const char *p, size_t len, const struct shape *shape,
    struct message *m, size_t *used)
{
	size_t before = shape->json ? strlen(JSON_HEAD) : 0;
	enum message_state state;
	const char *at;

	/* Most are alone in their frame. */
	if (len >= before + strlen(MARK) &&
	    memcmp(p + before, MARK, strlen(MARK)) == 0)
		at = p + before;
	else
		at = memmem(p, len, MARK, strlen(MARK));
	if (at == NULL) {
		*used = len;
		return MESSAGE_NONE;
	}
	if ((size_t)(at - p) < before ||
	    memcmp(at - before, JSON_HEAD, before) != 0)
		state = MESSAGE_DAMAGED;
	else
		state = read_at(at, len - (size_t)(at - p), shape, m);
	*used = (size_t)(at - p) +
		(state == MESSAGE_OK ? shape->size - before : strlen(MARK));
	return state;
}
