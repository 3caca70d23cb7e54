/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_ROUND_H
#define SHARED_TABLE_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/table/prune.h"

struct config;
struct db;

/*
 * Rounds of pruning as a writer does them, between the groups that it commits.
 * Who stores much prunes before its time and more at once, as nobody else comes
 * to the lock then.
 */
struct round {
	int lease;          /* -1 = no round is under way */
	struct prune prune; /* it */
	int64_t stored;     /* messages that we stored since the last one */
};

void round_init(struct round *round);

/* Whether so much was published here that nobody else could prune it. */
bool round_insists(const struct round *round);

/* Whether so much that a round begins before its time. */
bool round_is_early(const struct round *round);

/* Begins a round unless one is under way; false if it is not our turn. */
bool round_begin(struct round *round, const struct config *config);

/*
 * As many steps as it takes to remove `rows` messages, and one at least.  Sets
 * *done once the round has nothing more to do.
 */
enum db_status round_steps(struct round *round, struct db *db,
    const struct config *config, int64_t rows, bool *done);

/*
 * Behind the steps: ends the round if it is done or has failed, or leaves it to
 * who asks for it.  Returns whether there is more to do at once.
 */
bool round_settle(struct round *round, struct db *db, enum db_status status,
    bool done);

/* Begins the round that is under way anew, by other settings. */
void round_restart(struct round *round);

/* Notes the newest message, if the lease can be had; ends the round. */
void round_stop(struct round *round, struct db *db,
    const struct config *config);

#endif
