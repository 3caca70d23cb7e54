/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_LEASE_H
#define SHARED_TABLE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct db;

/*
 * That all messages up to an id were in the table at some time.  It tells the
 * age of those whose created_ms does not.
 */
struct known {
	int64_t id; /* 0 = nothing is known */
	int64_t ms; /* since 1970 UTC */
};

/*
 * Takes the right to prune, which one process at a time has, if the last round
 * began at least `every_ms` ago.  With `insist` whoever has it is asked for it.
 * Returns a descriptor to be closed after the round, or -1 if it is not our
 * turn.
 */
int lease_take(const char *db_path, int64_t every_ms, bool insist);

/*
 * Whether somebody who publishes much asks for the lease: nobody else comes to
 * the lock in time then.  lease_claim says so of the next rounds: who does not
 * insist leaves them alone for twice `every_ms`.  lease_pass closes the lease
 * in the middle of a round, so that anybody may begin another one at once.
 */
bool lease_is_wanted(int lease);
void lease_claim(int lease);
void lease_pass(int lease);

/*
 * The file of the lease also notes the newest message of the table, so that a
 * state that was restored in place while nothing ran is noticed.  lease_note
 * writes it down, with what is known of the age of messages; `known` NULL
 * leaves that as it is.  lease_known reads the latter back, for the database
 * that is open.  lease_went_back tells of an open database whether the ids have
 * gone back since: the noted one was not given out yet, or is another message
 * now.
 */
void lease_note(int lease, struct db *db, const struct known *known);
void lease_known(int lease, const struct db *db, struct known *known);
bool lease_went_back(struct db *db);

#endif
