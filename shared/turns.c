/* SPDX-License-Identifier: MIT */
/*
 * Turns.  An ev_idle that did the work would run only when nothing else is to
 * be done: a few clients that talk without pause would starve it.
 */
#include "config.h"

#include "shared/turns.h"

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
