/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_SEEK_H
#define SHARED_INTAKE_SEEK_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/chore.h"
#include "shared/intake/interest.h"
#include "shared/table/db.h"
#include "shared/table/place.h"

struct hub;

/*
 * The finding of a place for a client of a hub, in as many turns of the loop as
 * it takes.  Embedded in what wants it, with `interest`, `found` and `drop` set
 * and the rest zeroed.
 */
struct seek {
	struct chore chore;       /* first: a chore's owner is found so */
	struct hub *hub;          /* whose table it is */
	struct interest interest; /* ours; the names are the owner's */
	struct place place;       /* what is found */
	/*
	 * It is over: the place is known, or the database does not answer.
	 * Frees what it is embedded in; interest and place are let go by then.
	 */
	void (*found)(struct seek *seek, enum db_status status);
	/* Frees it; nothing was found and nothing will be. */
	void (*drop)(struct seek *seek);
	bool busy; /* inside a piece */
	bool dead; /* was cancelled there */
};

/*
 * Begins; `found` may be called at once.  hub_refresh is called in it, and what
 * that says about clients that are given up is true here too.
 */
void seek_begin(struct seek *seek, struct hub *hub);

/* Ends it early, by `drop`. */
void seek_cancel(struct seek *seek);

/* For `found`: frees interest and place. */
void seek_free(struct seek *seek);

#endif
