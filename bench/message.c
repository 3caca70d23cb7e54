/* SPDX-License-Identifier: MIT */
/*
 * The messages that the benchmark publishes.
 *
 * Each is "tb:RUN:SEQ:NANOSECONDS:" with fixed-width numbers in hexadecimal,
 * filled up with letters that depend on the place, so that a cut or mixed-up
 * message is noticed. Fixed width makes every message of a run equally long.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bench/message.h"

#define MARK     "tb:"
#define HEAD_LEN 38 /* bytes of mark and numbers */

static char
filler(size_t at)
{
	return 'a' + at % 26;
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

static enum message_state
read_at(const char *p, size_t len, size_t size, struct message *m)
{
	uint64_t run, seq;
	size_t i;

	if (len < size || read_hex(p + 3, 8, &run) == -1 ||
	    read_hex(p + 12, 8, &seq) == -1 ||
	    read_hex(p + 21, 16, &m->sent_ns) == -1)
		return MESSAGE_DAMAGED;
	for (i = HEAD_LEN; i < size; i++) {
		if (p[i] != filler(i))
			return MESSAGE_DAMAGED;
	}
	m->run = (uint32_t)run;
	m->seq = (uint32_t)seq;
	return MESSAGE_OK;
}

void
message_make(char *buf, size_t size, const struct message *m)
{
	char head[HEAD_LEN + 1];
	size_t i;

	assert(size >= MESSAGE_MIN);
	snprintf(head, sizeof(head), MARK "%08x:%08x:%016llx:", m->run, m->seq,
	    (unsigned long long)m->sent_ns);
	memcpy(buf, head, HEAD_LEN);
	for (i = HEAD_LEN; i < size; i++)
		buf[i] = filler(i);
}

enum message_state
message_find(const char *p, size_t len, size_t size, struct message *m,
    size_t *used)
{
	enum message_state state;
	const char *at;

	at = memmem(p, len, MARK, strlen(MARK));
	if (at == NULL) {
		*used = len;
		return MESSAGE_NONE;
	}
	state = read_at(at, len - (size_t)(at - p), size, m);
	*used = (size_t)(at - p) + (state == MESSAGE_OK ? size : strlen(MARK));
	return state;
}
