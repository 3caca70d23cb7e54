/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_TURNS_H
#define SHARED_BASE_TURNS_H

#include <ev.h>

/*
 * Work that is done in small pieces, one in each turn of the loop, however busy
 * the loop is with other things.  Zeroed, then turns_init.
 */
struct turns {
	ev_prepare turn; /* once in each turn */
	ev_idle awake;   /* does nothing: keeps the loop from sleeping */
	void (*piece)(void *arg); /* does one piece */
	void *arg;                /* handed to it */
};

void turns_init(struct turns *turns, void (*piece)(void *arg), void *arg);

/* Has the board tell the longest turn of the loop from now on. */
struct board;
void turns_time(struct board *board);

/* There is work; starting twice is fine, and so is stopping. */
void turns_start(struct turns *turns);
void turns_stop(struct turns *turns);

#endif
