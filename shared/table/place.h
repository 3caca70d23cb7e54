/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_PLACE_H
#define SHARED_TABLE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/heap.h"
#include "shared/table/cursor.h"
#include "shared/table/db.h"

struct wants;

/*
 * Where a reader begins: from a cursor to an id, in pieces, as there may be
 * many names to ask for and many rows to look at.
 */
struct place {
	/* What is found. */
	int64_t after; /* it reads on behind this id */
	bool reset;    /* it may have missed something before */
	/* Ours. */
	struct wants *wants;  /* borrowed */
	struct cursor cursor; /* where it wants to begin */
	int64_t newest;       /* id when it began */
	char epoch[40];       /* the same */
	bool newest_only;     /* it wants the last message alone */
	int64_t least;        /* for that: where it began otherwise, -1 = no */
	size_t at;            /* wants that were looked at */
	struct heap before; /* -N: the next id of each, going back, negative */
	int64_t id;         /* -N: it went back to this one */
	int64_t left;       /* -N: messages that are still to be counted */
	bool any_expired;   /* the table has messages that ran out */
};

/*
 * Begins; `newest` is the newest id of db->epoch.  With `newest_only` the place
 * is not before the last message.  The wants are the caller's
 * and stay where they are until place_end; they learn of which prunings the
 * reader is told by `reset` (want->told).
 */
void place_begin(struct place *place, const struct db *db, struct wants *wants,
    const struct cursor *cursor, int64_t newest, bool newest_only);

/*
 * Goes on until about `until_us` (monotonic, microseconds).  *done tells that
 * `after` and `reset` are known: the cursor was of this epoch and nothing is
 * wrong with it, and `after` is its id; or `reset` is set.  Another database
 * meanwhile is another epoch.
 */
enum db_status place_step(struct place *place, struct db *db, int64_t until_us,
    bool *done);

void place_end(struct place *place);

#endif
