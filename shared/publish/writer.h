/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_WRITER_H
#define SHARED_PUBLISH_WRITER_H

#include <stdbool.h>

#include "shared/publish/job.h"

struct board;
struct config;
struct writer;

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
