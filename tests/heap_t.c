/* SPDX-License-Identifier: MIT */
/*
 * Rows come off a heap in the order of their keys, whatever order they were
 * added in, and each keeps its value.
 */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/heap.h"
#include "tests/tap/tap.h"

#define N 700

static struct heap_row rows[N];

/* Any order that is the same each time. */
static unsigned
next_number(void)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return state >> 16;
}

/* Takes all rows off; whether they came in order, each with its value. */
static bool
comes_in_order(struct heap *heap, size_t n)
{
	int64_t last = INT64_MIN;

	for (; n > 0; n--) {
		if (heap->n != n || heap->row[0].key < last ||
		    (int64_t)heap->row[0].value != heap->row[0].key + 1000)
			return false;
		last = heap->row[0].key;
		heap_pop(heap);
	}
	return heap->n == 0;
}

static void
add(struct heap *heap, int64_t key)
{
	heap_add(heap, key, (size_t)(key + 1000));
}

static void
test_orders(void)
{
	struct heap heap = { rows, 0 };
	bool all = true;

	for (size_t n = 0; n < 40; n++) {
		for (size_t i = 0; i < n; i++)
			add(&heap, (int64_t)(next_number() % 50));
		all = all && comes_in_order(&heap, n);
	}
	ok(all, "0 to 39 rows, keys twice among them, come in order");
	for (int64_t key = 0; key < N; key++)
		add(&heap, key);
	ok(comes_in_order(&heap, N), "what was in order stays so");
	for (int64_t key = N; key-- > 0;)
		add(&heap, key);
	ok(comes_in_order(&heap, N),
	    "what was in the opposite order is turned");
	for (int64_t key = -900; key < -400; key++)
		add(&heap, key);
	ok(comes_in_order(&heap, 500), "keys may be negative");
}

/* The merge of channels: the top row gets the next id of its channel. */
static void
test_rekey(void)
{
	enum { CHANNELS = 7 };
	struct heap heap = { rows, 0 };
	int64_t want = 0;
	bool all = true;

	for (size_t i = 0; i < CHANNELS; i++)
		heap_add(&heap, (int64_t)(CHANNELS - 1 - i), i);
	while (heap.n > 0) {
		int64_t key = heap.row[0].key;

		all =
		    all && key == want++ &&
		    heap.row[0].value == CHANNELS - 1 - (size_t)key % CHANNELS;
		if (key + CHANNELS < N)
			heap_rekey(&heap, key + CHANNELS);
		else
			heap_pop(&heap);
	}
	ok(all && want == N, "channels that are merged come by their ids");
}

int
main(void)
{
	test_orders();
	test_rekey();
	return done();
}
