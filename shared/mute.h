/* SPDX-License-Identifier: MIT */
#ifndef SHARED_MUTE_H
#define SHARED_MUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

/*
 * A message that its own publisher is not to get.  The writer's thread says
 * which id it has got, before the commit: so whoever reads the row knows.
 */
struct mute {
	STAILQ_ENTRY(mute) link; /* in the client's list */
	_Atomic int64_t id;      /* 0 = not stored yet, -1 = it never is */
	bool waited_for;         /* a job of the writer will settle it */
	bool listed;             /* in the client's list */
};

STAILQ_HEAD(mutes, mute);

/* A new one at the end of the list, for a job: mute_settle ends that. */
struct mute *mute_new(struct mutes *mutes);

/* In the writer's thread: the message has this id, or -1 for none. */
void mute_tell(struct mute *mute, int64_t id);

/* The job is done. */
void mute_settle(struct mute *mute);

/* There is no job after all: `first` and all behind it are freed. */
void mutes_cut(struct mutes *mutes, struct mute *first);

/* Forgets those that have been passed, up to this id. */
void mutes_pass(struct mutes *mutes, int64_t upto);

/* Whether the message is one of them; ids are asked for in order. */
bool mutes_have(struct mutes *mutes, int64_t id);

/* Forgets all. */
void mutes_clear(struct mutes *mutes);

#endif
