/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_PRUNE_H
#define SHARED_TABLE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/table/db.h"
#include "shared/table/lease.h"

struct config;

/* Where a round of pruning stands.  `= {0}`, or prune_begin, begins one. */
struct prune {
	int phase;          /* which rule */
	int64_t removed;    /* messages removed in this round */
	int64_t coming;     /* the caller's: messages to leave room for */
	bool whole;         /* the caller's: sweep all in one round */
	bool hurried;       /* the caller's: no time to make the file smaller */
	struct known known; /* the caller's: what is known of their age */
	int64_t sweep;      /* id that sweeping for age has got to */
	int64_t swept;      /* messages looked at so in this round */
	char channel[256];  /* the channel looked at last */
	int look;           /* at what of it */
	int64_t below;      /* of it: those from this id on are counted */
	int64_t newer;      /* of it: so many more are to be kept */
	int64_t passed;     /* of it: up to this id all are to go */
	int64_t cut;   /* what is removed now: up to this id; 0 = nothing */
	bool measured; /* `over` is known */
	int64_t after; /* measured up to this id */
	int64_t over;  /* bytes of messages past the total */
	struct floor *floor; /* shared/table/floor's, or NULL */
};

/*
 * Begins a round: all but what the caller's and `sweep` is set back, since one
 * round sweeps a part of a large table.  prune_end frees what a round that is
 * given up has; one that is done has nothing.
 */
void prune_begin(struct prune *prune);
void prune_end(struct prune *prune);

/*
 * One small step of a round: it looks for some milliseconds at most, and writes
 * for some in at most one transaction.  *done tells that the round is over;
 * `known` is then what the next round is to know.  Needs a writer.
 */
enum db_status prune_step(struct db *db, const struct config *config,
    struct prune *prune, bool *done);

/*
 * How long the file is left alone behind a step that took so many ms: writers
 * of SQLite do not queue but sleep and try again, longer each time they find it
 * busy.  For who has nothing to store and is not asked for the lease.
 */
int64_t prune_pause_ms(int64_t took_ms);

#endif
