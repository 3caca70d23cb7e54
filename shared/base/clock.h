/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_CLOCK_H
#define SHARED_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: for deadlines and ages. */
int64_t clock_mono_ms(void);

/* Microseconds of the same clock: for budgets of work. */
int64_t clock_mono_us(void);

/* Milliseconds since 1970 UTC: for what is stored and shown. */
int64_t clock_wall_ms(void);

/* A random number below `bound` (0 if `bound` is 0), for spreading in time. */
uint32_t clock_jitter(uint32_t bound);

#endif
