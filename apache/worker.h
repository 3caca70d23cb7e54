/* SPDX-License-Identifier: MIT */
#ifndef APACHE_WORKER_H
#define APACHE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "httpd.h"

/*
 * Threads of httpd's that suspend connections.  Behind the hook
 * suspend_connection the thread stores to the connection once more, where
 * nobody can see it, so it must have gone on before the connection is
 * destroyed.
 */
struct worker;

/* What a worker was at when it suspended a connection. */
struct worker_turn {
	struct worker *worker; /* which; lives as long as the process */
	unsigned turn;         /* the connection that it had then */
	int64_t at_ms;         /* monotonic */
};

/* For register_hooks. */
void worker_register(void);

/* Notes in `turn` what this thread is at; to be called in suspend_connection.
 */
void worker_note(const conn_rec *c, struct worker_turn *turn);

/* Whether the worker has gone on since; for any thread. */
bool worker_has_left(const struct worker_turn *turn);

#endif
