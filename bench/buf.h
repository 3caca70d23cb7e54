/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BUF_H
#define BENCH_BUF_H

#include <stddef.h>

/* Bytes that grow. All zero is an empty one. */
struct buf {
	char *p;     /* the bytes, or NULL */
	size_t len;  /* bytes in use */
	size_t room; /* bytes allocated */
};

/* Append len bytes; exits when out of memory. */
void buf_add(struct buf *b, const void *p, size_t len);

/* Append formatted text without its final NUL; exits when out of memory. */
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Remove the first len bytes, at most b->len. */
void buf_drop(struct buf *b, size_t len);

/* Release the bytes; b is empty afterwards. */
void buf_free(struct buf *b);

#endif
