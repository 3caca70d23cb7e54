/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_WANT_H
#define SHARED_TABLE_WANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One channel, or all channels whose name begins so. */
struct want {
	const char *name; /* borrowed */
	size_t len;       /* bytes */
	bool is_prefix;   /* name is a prefix */
	int64_t told;     /* see shared/table/loss.h */
};

/*
 * A set of wants, each once, found by name.  `= {0}` is an empty one.  The rows
 * are in the order in which they were added.
 */
struct wants {
	struct want *p;            /* ours; the names are not */
	size_t n, cap;             /* rows used, allocated */
	size_t nprefixes;          /* of them that are prefixes */
	uint32_t *slots;           /* hash table: row + 1, 0 = free */
	size_t nslots;             /* a power of two, or 0 */
	unsigned prefix_lens[256]; /* prefixes by length */
};

/* Adds a want (name_valid) unless it is there.  Returns whether it was added.
 */
bool wants_add(struct wants *wants, const char *name, size_t len,
    bool is_prefix);

/* Whether another prefix of the set covers all that this want does. */
bool wants_covered(const struct wants *wants, const struct want *want);

/* Whether a channel is wanted. */
bool wants_match(const struct wants *wants, const char *channel, size_t len);

void wants_free(struct wants *wants);

#endif
