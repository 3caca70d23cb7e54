/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_JOB_H
#define SHARED_PUBLISH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/connection.h"
#include "shared/table/message.h"

struct mute;

/* What one message of a job came to. */
struct outcome {
	int64_t id; /* of the message, or of the one stored before */
	bool again; /* its dedup was known */
};

#define JOB_ROWS 2 /* in which jobs wait */

/*
 * Who publishes: its jobs are done in the order in which it submits them.
 * `= {0}` is one without jobs.  It lives until all of its jobs are done.
 */
struct publisher {
	size_t waiting[JOB_ROWS]; /* the writer's: its jobs in each row */
};

/*
 * Work for the writer: messages that are committed together or not at all, or
 * a channel to be emptied.  Made by the caller and the writer's until `done` is
 * called, in the thread of the loop.
 */
struct job {
	struct job *next;            /* the writer's */
	size_t cost;                 /* bytes of memory, about */
	struct message *messages;    /* what to publish */
	struct outcome *outcomes;    /* as many */
	struct mute *mute;           /* told before the commit, or NULL */
	struct publisher *publisher; /* whose order counts, or NULL */
	size_t n;                    /* rows of both; 0 = empty `channel` */
	const char *channel;         /* n == 0: whose messages are removed */
	void (*done)(struct job *);  /* called once */
	void *arg;                   /* the caller's */
	enum db_status status;       /* how it ended */
	size_t failed;               /* DB_REFUSED: which message */
	int64_t upto;                /* n == 0, the writer's: newest to go */
	int64_t removed;             /* n == 0: messages removed */
	char epoch[40];              /* the outcomes' */
	char error[256]; /* sentence, if it did not end with DB_OK */
};

/* A list of jobs, in order. */
struct jobs {
	struct job *first; /* or NULL */
	struct job **last; /* where the next one goes */
	size_t n;          /* how many */
};

void jobs_init(struct jobs *jobs);
void jobs_add(struct jobs *jobs, struct job *job);

/* The first one, taken out; NULL if there is none. */
struct job *jobs_take(struct jobs *jobs);

/* Bytes of data that a job brings. */
size_t job_bytes(const struct job *job);

/* Takes down how a job ended, with a sentence. */
void job_fail(struct job *job, enum db_status status, const char *error);

#endif
