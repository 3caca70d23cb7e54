/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_CHUNK_H
#define SHARED_WIRE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

/*
 * Bytes on their way out, encoded once and shared by reference by every client
 * that gets them.  In front of the bytes stands room for the header of one
 * FastCGI record with request id 1, which is what mod_proxy_fcgi always uses:
 * so the common case, one message to one client, is one send() of memory that
 * nobody copied.
 */
struct chunk {
	unsigned refs;           /* owners */
	bool raw;                /* sent as it is, outside any record */
	uint32_t len;            /* bytes in `bytes` */
	unsigned char record[8]; /* header, valid if len <= 65535 */
	unsigned char bytes[];   /* what is sent */
};

/* A chunk with a copy of `len` bytes, one reference, the caller's. */
struct chunk *chunk_new(const void *bytes, size_t len);

/* The same from a string, which is freed. */
struct chunk *chunk_take(struct str *s);

/* Another reference; returns `c`. */
struct chunk *chunk_ref(struct chunk *c);

/* Gives a reference back; NULL is fine. */
void chunk_unref(struct chunk *c);

#endif
