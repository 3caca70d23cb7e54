/* SPDX-License-Identifier: MIT */
/*
 * What is on its way in and not whole yet: bodies of requests, messages of
 * WebSockets.  Each has a bound of its own; here is the one of the process,
 * because a crowd that sends slowly holds as many of them as it likes.  And
 * here is how slow is too slow: a deadline for the whole would cut an honest
 * sender on a thin line, one for the next byte would let a byte a minute hold
 * memory for days.
 */
#include "config.h"

#include "shared/intake/incoming.h"

#define SMALL    16384 /* bytes; a share that is never refused */
#define RATE_MIN 100   /* bytes a second */

static size_t total;

void
incoming_count(size_t *counted, size_t now)
{
	total += now - *counted;
	*counted = now;
}

size_t
incoming_total(void)
{
	return total;
}

bool
incoming_is_over(size_t own, int64_t max)
{
	return own > SMALL && (int64_t)total > max;
}

bool
incoming_is_slow(uint64_t bytes, int64_t ms)
{
	return (int64_t)bytes * 1000 < RATE_MIN * ms;
}
