/* SPDX-License-Identifier: MIT */
/*
 * A binary heap in an array: below row i lie 2i + 1 and 2i + 2.
 */
#include "config.h"

#include "shared/base/heap.h"

/* Puts a row at the top, or as far below as it belongs. */
static void
sink(struct heap *heap, struct heap_row row)
{
	size_t i = 0;

	for (;;) {
		size_t below = i * 2 + 1;

		if (below + 1 < heap->n &&
		    heap->row[below + 1].key < heap->row[below].key)
			below++;
		if (below >= heap->n || heap->row[below].key >= row.key)
			break;
		heap->row[i] = heap->row[below];
		i = below;
	}
	heap->row[i] = row;
}

void
heap_add(struct heap *heap, int64_t key, size_t value)
{
	size_t i = heap->n++;

	for (; i > 0 && heap->row[(i - 1) / 2].key > key; i = (i - 1) / 2)
		heap->row[i] = heap->row[(i - 1) / 2];
	heap->row[i] = (struct heap_row){ key, value };
}

void
heap_rekey(struct heap *heap, int64_t key)
{
	sink(heap, (struct heap_row){ key, heap->row[0].value });
}

void
heap_pop(struct heap *heap)
{
	if (--heap->n > 0)
		sink(heap, heap->row[heap->n]);
}
