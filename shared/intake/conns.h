/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_CONNS_H
#define SHARED_INTAKE_CONNS_H

#include <stdbool.h>

struct conn;

/* Keeps a connection that has begun; it is taken out by conns_remove. */
void conns_add(struct conn *conn);
void conns_remove(struct conn *conn);

/* Its state has changed.  It may make another one close, never itself. */
void conns_sort(struct conn *conn);

/*
 * Closes the oldest that nobody misses: its answer is out, and it waits for its
 * peer to close or for a next request.  Returns false if there is none.
 */
bool conns_relieve(void);

#endif
