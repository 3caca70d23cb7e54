/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SSE_H
#define BENCH_SSE_H

#include "bench/buf.h"

/* An event stream while it is read. All zero is the start. */
struct sse {
	struct buf line; /* the unfinished line */
	struct buf data; /* data of the present event, lines end in LF */
	char event[64];  /* name of the present event, or empty */
	char id[64];     /* last id, or empty */
	int done;        /* 1 = the event was handed out */
};

/*
 * Read from the *n bytes at *p, moving both on, until an event is complete.
 * 1 = data, event and id hold it until the next call; 0 = all is used up.
 */
int sse_next(struct sse *s, const char **p, size_t *n);
void sse_free(struct sse *s);

#endif
