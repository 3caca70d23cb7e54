/* SPDX-License-Identifier: MIT */
/*
 * Chores take turns, one piece each.  What all of them together may take of one
 * turn of the loop is bounded, first pieces included: a hundred requests that
 * come in at once are no heavier for the others than one.
 */
#include "config.h"

#include <ev.h>

#include "shared/base/chore.h"
#include "shared/base/clock.h"
#include "shared/base/turns.h"

#define PIECE_US 1000 /* of one chore in one turn */
#define TURN_US  2500 /* of all of them */

static TAILQ_HEAD(, chore) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static unsigned nwaiting;
static struct turns chore_turns;
static ev_check new_turn;
static int64_t began_us; /* monotonic: this turn of the loop */
static int64_t spent_us; /* by chores in it */

/* Does a piece.  Returns true if the chore is over. */
static bool
do_piece(struct chore *chore)
{
	int64_t from_us = clock_mono_us();
	bool over = chore->piece(chore, from_us + PIECE_US);

	spent_us += clock_mono_us() - from_us;
	return over;
}

static void
put_last(struct chore *chore)
{
	chore->waits = true;
	TAILQ_INSERT_TAIL(&waiting, chore, link);
	nwaiting++;
	turns_start(&chore_turns);
}

void
chore_forget(struct chore *chore)
{
	if (!chore->waits)
		return;
	chore->waits = false;
	TAILQ_REMOVE(&waiting, chore, link);
	nwaiting--;
}

static void
do_some(void *arg)
{
	struct chore *chore;

	(void)arg;
	while (spent_us < TURN_US && (chore = TAILQ_FIRST(&waiting)) != NULL) {
		chore_forget(chore);
		if (!do_piece(chore))
			put_last(chore);
	}
	if (TAILQ_EMPTY(&waiting))
		turns_stop(&chore_turns);
}

static void
on_new_turn(struct ev_loop *loop, ev_check *check, int revents)
{
	(void)loop;
	(void)check;
	(void)revents;
	began_us = clock_mono_us();
	spent_us = 0;
}

void
chore_init(void)
{
	turns_init(&chore_turns, do_some, NULL);
	ev_check_init(&new_turn, on_new_turn);
	ev_check_start(EV_DEFAULT_UC_ & new_turn);
}

bool
chore_begin(struct chore *chore)
{
	if (chore_turns.piece == NULL) {
		while (!chore->piece(chore, INT64_MAX))
			;
		return true;
	}
	/* A turn that has read much already, or done others, is long enough. */
	if (clock_mono_us() - began_us < TURN_US && do_piece(chore))
		return true;
	put_last(chore);
	return false;
}

unsigned
chore_count(void)
{
	return nwaiting;
}

void
chore_drop_all(void)
{
	struct chore *chore;

	while ((chore = TAILQ_FIRST(&waiting)) != NULL) {
		chore_forget(chore);
		chore->drop(chore);
	}
	if (chore_turns.piece != NULL)
		turns_stop(&chore_turns);
}
