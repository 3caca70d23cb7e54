/* SPDX-License-Identifier: MIT */
#ifndef BENCH_INFLATE_H
#define BENCH_INFLATE_H

#include "bench/buf.h"

/* What is offered: the same as the usual browsers do. */
#define INFLATE_OFFER "permessage-deflate; client_max_window_bits"

struct z_stream_s;

/* One connection's way to read what is compressed. All zero is unused. */
struct inflate {
	int keeps;                 /* 1 = messages refer to earlier ones */
	struct z_stream_s *stream; /* its own if it keeps, or NULL */
};

/*
 * Begin with the value of the server's Sec-WebSocket-Extensions; -1 if that
 * is not permessage-deflate. Exits when out of memory.
 */
int inflate_begin(struct inflate *f, const char *extensions);

/*
 * Inflate the payload of one message (RFC 7692, 7.2.2). What is returned stays
 * until the next call, for any connection; NULL if the payload is bad.
 */
const struct buf *inflate_message(struct inflate *f, const struct buf *packed);

/* Release what it holds; it is unused afterwards. */
void inflate_end(struct inflate *f);

#endif
