/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_CHORE_H
#define SHARED_BASE_CHORE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

/*
 * Work of one request that may take longer than a turn of the loop is allowed
 * to: it is done in pieces, and others have their turns in between.
 */
struct chore {
	/*
	 * Works until about `until_us` (monotonic, microseconds).  Returns true
	 * when nothing is left to do; the chore may be freed by then.
	 */
	bool (*piece)(struct chore *chore, int64_t until_us);
	/* Frees it: it will not go on. */
	void (*drop)(struct chore *chore);
	TAILQ_ENTRY(chore) link; /* of those that wait for a turn */
	bool waits;              /* is among them */
};

/* Call once, before the first chore; never by a CGI program, which waits for
 * nobody: a chore is done at once there. */
void chore_init(void);

/*
 * Begins a chore whose functions are set and the rest zeroed: it does a first
 * piece at once, where this turn has room for it.  Returns true if it is over.
 */
bool chore_begin(struct chore *chore);

/* Takes it out of those that wait.  The caller frees it. */
void chore_forget(struct chore *chore);

/* How many wait. */
unsigned chore_count(void);

/* Drops all that wait. */
void chore_drop_all(void);

#endif
