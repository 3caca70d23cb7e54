/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PRUNE_H
#define SHARED_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/db.h"

struct config;

/* Where a round of pruning stands.  `= {0}` begins one. */
struct prune {
	int phase;         /* which rule */
	char channel[256]; /* the channel looked at last */
	bool measured;     /* `over` is known */
	int64_t over;      /* bytes of messages past the total */
	int64_t removed;   /* messages removed in this round */
	int64_t coming;    /* the caller's: messages to leave room for */
};

/*
 * One small step of a round: at most one short write transaction.  *done tells
 * that the round is over.  Needs a writer.
 */
enum db_status prune_step(struct db *db, const struct config *config,
    struct prune *prune, bool *done);

/*
 * How long the file is left alone behind a step that took so many ms: writers
 * of SQLite do not queue but sleep and try again, longer each time they find it
 * busy.  For who has nothing to store and is not asked for the lease.
 */
int64_t prune_pause_ms(int64_t took_ms);

/*
 * Takes the right to prune, which one process at a time has, if the last round
 * began at least `every_ms` ago.  With `insist` whoever has it is asked for it.
 * Returns a descriptor to be closed after the round, or -1 if it is not our
 * turn.
 */
int prune_lease(const char *db_path, int64_t every_ms, bool insist);

/*
 * Whether somebody who publishes much asks for the lease: nobody else comes to
 * the lock in time then.  prune_claim says so of the next rounds: who does not
 * insist leaves them alone for twice `every_ms`.  prune_pass closes the lease
 * in the middle of a round, so that anybody may begin another one at once.
 */
bool prune_is_wanted(int lease);
void prune_claim(int lease);
void prune_pass(int lease);

/*
 * The file of the lease also notes the newest message of the table, so that a
 * state that was restored in place while nothing ran is noticed.  prune_note
 * writes it down; prune_went_back tells, of an open database, whether the ids
 * have gone back since: the noted one was not given out yet, or is another
 * message now.
 */
void prune_note(int lease, struct db *db);
bool prune_went_back(struct db *db);

#endif
