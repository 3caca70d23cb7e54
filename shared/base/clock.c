/* SPDX-License-Identifier: MIT */
/* The two clocks, and the dice that keep crowds from moving in step. */
#include "config.h"

#include <sys/random.h>

#include <time.h>

#include "shared/base/clock.h"

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint32_t
clock_jitter(uint32_t bound)
{
	static uint64_t state;

	if (bound == 0)
		return 0;
	if (state == 0 && getrandom(&state, sizeof(state), 0) == -1)
		state = (uint64_t)read_ms(CLOCK_REALTIME) | 1;
	/* xorshift64: good enough to spread reconnects, never a secret. */
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % bound;
}
