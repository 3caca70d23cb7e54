/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_WRITER_H
#define SHARED_PUBLISH_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/change.h"
#include "shared/table/db.h"

struct board;
struct config;
struct mute;
struct writer;

/* What one message of a job came to. */
struct outcome {
	int64_t id; /* of the message, or of the one stored before */
	bool again; /* its dedup was known */
};

#define WRITER_ROWS 2 /* in which jobs wait */

/*
 * Who publishes: its jobs are done in the order in which it submits them.
 * `= {0}` is one without jobs.  It lives until all of its jobs are done.
 */
struct publisher {
	size_t waiting[WRITER_ROWS]; /* the writer's: its jobs in each row */
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

/*
 * Starts the writer.  With `threaded` it has a thread of its own; otherwise
 * writer_submit does the work before it returns.
 */
struct writer *writer_start(const struct config *config, struct board *board,
    bool threaded);

/*
 * The settings have changed: goes over to `config`, which is borrowed like the
 * one before, and frees that when nothing of it is in use any more.  With
 * `writer` NULL it is freed at once.
 */
void writer_reload(struct writer *writer, const struct config *config,
    const struct config *before);

/* Finishes what was submitted, then stops.  NULL is fine. */
void writer_stop(struct writer *writer);

/*
 * Hands a job over and sets job->cost.  Returns false, and nothing is kept, if
 * too much waits already: jobs, or bytes of them.
 */
bool writer_submit(struct writer *writer, struct job *job);

#endif
