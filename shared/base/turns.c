/* SPDX-License-Identifier: MIT */
/*
 * Turns.  An ev_idle that did the work would run only when nothing else is to
 * be done: a few clients that talk without pause would starve it.
 */
#include "config.h"

#include <stdint.h>
#include <time.h>

#include "shared/base/board.h"
#include "shared/base/turns.h"

static void
on_turn(struct ev_loop *loop, ev_prepare *turn, int revents)
{
	struct turns *turns = turn->data;

	(void)loop;
	(void)revents;
	turns->piece(turns->arg);
}

static void
on_awake(struct ev_loop *loop, ev_idle *awake, int revents)
{
	(void)loop;
	(void)awake;
	(void)revents;
}

void
turns_init(struct turns *turns, void (*piece)(void *arg), void *arg)
{
	ev_prepare_init(&turns->turn, on_turn);
	ev_idle_init(&turns->awake, on_awake);
	turns->turn.data = turns;
	turns->piece = piece;
	turns->arg = arg;
}

void
turns_start(struct turns *turns)
{
	ev_prepare_start(EV_DEFAULT_UC_ & turns->turn);
	ev_idle_start(EV_DEFAULT_UC_ & turns->awake);
}

void
turns_stop(struct turns *turns)
{
	ev_prepare_stop(EV_DEFAULT_UC_ & turns->turn);
	ev_idle_stop(EV_DEFAULT_UC_ & turns->awake);
}

static int64_t turn_us; /* processor time when this turn began, 0 = not yet */

/* Processor time of this thread: what other programs take is not ours. */
static int64_t
used_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The loop has waited, and its turn begins. */
static void
on_begin(struct ev_loop *loop, ev_check *turn, int revents)
{
	(void)loop;
	(void)turn;
	(void)revents;
	turn_us = used_us();
}

/* It is about to wait again; what is put off was done a moment ago. */
static void
on_over(struct ev_loop *loop, ev_prepare *turn, int revents)
{
	(void)loop;
	(void)revents;
	if (turn_us != 0)
		board_max(turn->data, BOARD_TURN_US, used_us() - turn_us);
}

void
turns_time(struct board *board)
{
	static ev_check turn;
	static ev_prepare over;

	ev_check_init(&turn, on_begin);
	ev_prepare_init(&over, on_over);
	ev_set_priority(&turn, EV_MAXPRI);
	ev_set_priority(&over, EV_MINPRI);
	over.data = board;
	ev_check_start(EV_DEFAULT_UC_ & turn);
	ev_prepare_start(EV_DEFAULT_UC_ & over);
}
