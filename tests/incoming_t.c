/* SPDX-License-Identifier: MIT */
/* The bounds of what is on its way in. */
#include "config.h"

#include "shared/intake/incoming.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static void
test_total(void)
{
	size_t a = 0, b = 0;

	incoming_count(&a, 1000);
	incoming_count(&b, 70000);
	is_int((long long)incoming_total(), 71000, "shares are added");
	incoming_count(&a, 500);
	is_int((long long)incoming_total(), 70500, "one shrinks");
	ok(a == 500 && b == 70000, "each is remembered");
	ok(!incoming_is_over(70000, 70500), "as much as allowed");
	ok(incoming_is_over(70000, 70499), "more than that");
	ok(incoming_is_over(16385, 1), "one that is large");
	ok(!incoming_is_over(16384, 1), "a small one always has room");
	incoming_count(&a, 0);
	incoming_count(&b, 0);
	is_int((long long)incoming_total(), 0, "nothing is left");
}

static void
test_pace(void)
{
	static const struct {
		uint64_t bytes;
		int64_t ms;
		bool slow;
	} rows[] = {
		{ 0, 30000, true },
		{ 1, 30000, true },
		{ 2999, 30000, true },
		{ 3000, 30000, false },
		{ 1 << 30, 30000, false },
		{ 99, 1000, true },
		{ 100, 1000, false },
		{ 10, 100, false },
		{ 9, 100, true },
		{ 0, 0, false },
	};

	for (size_t i = 0; i < N(rows); i++)
		is_int(incoming_is_slow(rows[i].bytes, rows[i].ms),
		    rows[i].slow, "%llu bytes in %lld ms",
		    (unsigned long long)rows[i].bytes, (long long)rows[i].ms);
}

int
main(void)
{
	test_total();
	test_pace();
	return done();
}
