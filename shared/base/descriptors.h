/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_DESCRIPTORS_H
#define SHARED_BASE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* Raises the soft limit on open files to the hard one. */
void descriptors_raise(void);

/*
 * Divides the limit, once all is open that is not a connection.  Call it again
 * if the limit may have changed.
 */
void descriptors_plan(void);

/* The limit on open files, and how many held clients fit into it. */
int64_t descriptors_limit(void);
int64_t descriptors_for_clients(void);

/* A connection was opened (1) or closed (-1). */
void descriptors_count(int n);

/*
 * Whether the part for held clients is used up: the last connection is to be
 * answered with 503.  And whether that for such answers is, too.
 */
bool descriptors_are_short(void);
bool descriptors_are_gone(void);

/*
 * Where a connection that is over, but for its peer to close, can be given up:
 * `relief` closes one and returns true, or false if there is none.
 */
void descriptors_set_relief(bool (*relief)(void));

/* Called before a descriptor is taken.  Returns false if none may be. */
bool descriptors_make_room(void);

#endif
