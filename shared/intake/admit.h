/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_ADMIT_H
#define SHARED_INTAKE_ADMIT_H

#include <stddef.h>

struct req;
struct server;

/*
 * Looks at the head of a request: method, access, the length that is announced,
 * room for it.  Returns 0 with how many bytes of body may come in *body_max, or
 * -1 after it answered.
 */
int admit_head(struct server *server, struct req *req, size_t *body_max);

/* Refuses a body that grew past `body_max`, or came too slowly. */
void admit_too_big(struct req *req, size_t body_max);
void admit_too_slow(struct req *req);

/* Refuses one for which there is no room among all that come in. */
void admit_no_room(struct server *server, struct req *req);

/*
 * How many bytes of bodies and heads may be on their way in, in the whole
 * process.  Two bodies always fit, so that a large limit for one of them can be
 * used at all.
 */
long long admit_room(const struct server *server);

#endif
