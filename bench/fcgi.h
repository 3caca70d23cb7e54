/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FCGI_H
#define BENCH_FCGI_H

#include <stdint.h>

#include "bench/buf.h"

enum fcgi_event {
	FCGI_MORE, /* all bytes are used up */
	FCGI_DATA, /* some bytes of the answer */
	FCGI_END,  /* the request is done */
	FCGI_BAD,  /* not FastCGI */
};

/* The records of a FastCGI program while they are read. All zero: start. */
struct fcgi {
	uint8_t head[8];  /* the record's head as far as it has come */
	unsigned headlen; /* bytes in head, 8 = complete */
	unsigned need;    /* bytes missing of the content */
	unsigned skip;    /* bytes missing of the padding */
};

/*
 * Read from the *n bytes at *p, moving both on, until something is found.
 * FCGI_DATA sets *data and *len, borrowed from *p. Call until FCGI_MORE.
 */
enum fcgi_event fcgi_next(struct fcgi *f, const char **p, size_t *n,
    const char **data, size_t *len);

/* Append the records of a GET request with id 1, as mod_proxy_fcgi does. */
void fcgi_add_get(struct buf *b, const char *host, const char *path,
    const char *last_event_id);

/* Append one FCGI_STDOUT record of len bytes, at most 65535. */
void fcgi_add_stdout(struct buf *b, const char *p, size_t len);

#endif
