/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_MUTE_H
#define SHARED_PUBLISH_MUTE_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The messages of one job that their own publisher is not to get.  The writer's
 * thread says which ids they have got, before the commit: so whoever reads the
 * rows knows.
 */
struct mute {
	TAILQ_ENTRY(mute) link; /* in the client's list */
	bool waited_for;        /* a job of the writer will settle it */
	bool listed;            /* in the client's list */
	size_t n;               /* messages */
	size_t at;              /* the client's: those before are passed */
	atomic_bool told;       /* the ids are known */
	_Atomic int64_t ids[];  /* ascending; -1 = it is not stored */
};

TAILQ_HEAD(mutes, mute);

/*
 * A new one at the end of the list, for a job of `n` messages: mute_settle ends
 * that.
 */
struct mute *mute_new(struct mutes *mutes, size_t n);

/*
 * In the writer's thread: message `i` has this id, or -1 for none; mute_tell
 * follows the last one.  Both may be called again, as long as the job is not
 * done.
 */
void mute_set(struct mute *mute, size_t i, int64_t id);
void mute_tell(struct mute *mute);

/* The job is done. */
void mute_settle(struct mute *mute);

/* There is no job after all: the newest of the list is freed. */
void mute_cancel(struct mutes *mutes, struct mute *mute);

/* Forgets those that have been passed, up to this id. */
void mutes_pass(struct mutes *mutes, int64_t upto);

/*
 * Whether the message is one of them, wherever it stands in the list.  Ids are
 * asked for in ascending order.  Costs a step for each job that is not done.
 */
bool mutes_have(struct mutes *mutes, int64_t id);

/* Forgets all. */
void mutes_clear(struct mutes *mutes);

#endif
