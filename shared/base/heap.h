/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_HEAP_H
#define SHARED_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Rows of which the one with the lowest key is on top, at row[0].  Whoever
 * wants the highest one negates the keys.  Rows of one key come in any order.
 */
struct heap_row {
	int64_t key;
	size_t value; /* the owner's */
};

struct heap {
	struct heap_row *row; /* the owner's, with room for what it adds */
	size_t n;             /* rows that are used */
};

/* Adds a row, for which there has to be room. */
void heap_add(struct heap *heap, int64_t key, size_t value);

/* Gives the top row another key, and it its place.  There has to be a row. */
void heap_rekey(struct heap *heap, int64_t key);

/* Removes the top row.  There has to be one. */
void heap_pop(struct heap *heap);

#endif
