/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_INCOMING_H
#define SHARED_INTAKE_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Changes the share that one connection has in the bytes of the process:
 * *counted is what it was, and becomes `now`.  Call it with 0 at the end.
 */
void incoming_count(size_t *counted, size_t now);

/* All shares together, in bytes. */
size_t incoming_total(void);

/*
 * Whether a body or message of `own` bytes (there or announced) has to be
 * refused because all of them together have more than `max`.  A small one never
 * has: what cannot grow is bounded by the number of connections.
 */
bool incoming_is_over(size_t own, int64_t max);

/*
 * Whether a sender is too slow to be waited for: it sent `bytes` in the last
 * `ms` milliseconds.
 */
bool incoming_is_slow(uint64_t bytes, int64_t ms);

#endif
