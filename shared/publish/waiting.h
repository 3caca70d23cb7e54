/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_WAITING_H
#define SHARED_PUBLISH_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/publish/job.h"

/*
 * Jobs that wait for the writer.  They stand in two rows, which take turns, so
 * that single messages do not wait for every large batch.  All the same what
 * one publisher submits is taken in its order.
 */
struct waiting {
	struct jobs
	    rows[JOB_ROWS]; /* by enum row of shared/publish/waiting.c */
	int had_turn;       /* the row that was taken from last */
};

void waiting_init(struct waiting *waiting);
void waiting_add(struct waiting *waiting, struct job *job);

/* How many jobs wait. */
size_t waiting_count(const struct waiting *waiting);

/* Whether a job that would be the next of its row may be done now. */
typedef bool waiting_may(const struct job *job, void *arg);

/* Whether there is a group to be taken. */
bool waiting_is_ready(const struct waiting *waiting, waiting_may *may,
    void *arg);

/*
 * Takes the next jobs that go together, up to a size that holds neither those
 * behind nor other writers up for long; none if there is no group to be taken.
 * One that empties a channel goes alone.
 */
void waiting_take(struct waiting *waiting, struct jobs *group, waiting_may *may,
    void *arg);

#endif
