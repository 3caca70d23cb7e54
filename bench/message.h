/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MIN      40  /* bytes, the shortest message that can be made */
#define MESSAGE_MIN_JSON 128 /* the same for a JSON text */

/* What all messages of a run look like. */
struct shape {
	size_t size; /* bytes of each */
	int json;    /* 1 = a JSON text, as an application would send it */
};

/* What a message of the benchmark says. */
struct message {
	uint32_t run;     /* random number of the run it belongs to */
	uint32_t seq;     /* 1 is the first of the run */
	uint64_t sent_ns; /* CLOCK_MONOTONIC just before it was published */
};

/* What message_find found. */
enum message_state {
	MESSAGE_NONE,    /* no message here */
	MESSAGE_OK,      /* whole and undamaged */
	MESSAGE_DAMAGED, /* starts like one, but is cut or altered */
};

/*
 * Write message m in exactly shape->size bytes to buf, without a final NUL.
 * The size is at least MESSAGE_MIN, or MESSAGE_MIN_JSON. A text that is not
 * JSON needs no escaping in JSON, HTML, SSE; JSON is for transports that send
 * a message as it is.
 */
void message_make(char *buf, const struct shape *shape,
    const struct message *m);

/*
 * Find the first message in the len bytes at p and fill m. *used becomes the
 * number of bytes up to its end (all of them when there is none), so that the
 * caller can look for the next one.
 */
enum message_state message_find(const char *p, size_t len,
    const struct shape *shape, struct message *m, size_t *used);

#endif
