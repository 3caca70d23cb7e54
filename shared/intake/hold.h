/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_HOLD_H
#define SHARED_INTAKE_HOLD_H

#include <stdint.h>

struct conn;
struct interest;
struct req;
struct server;
struct transport;

/*
 * Holds a client: its place is found, conn->client attached for `life_ms`, and
 * `held` called, which writes the head.  Refuses with 503 if there are too many
 * or the database does not answer.  Takes the interest over, whose names are
 * the request's.  It may take some turns of the loop; conn->req lives on.
 */
typedef void held_fn(struct server *server, struct conn *conn,
    const struct req *req);
void hold_client(struct server *server, struct conn *conn,
    const struct transport *transport, const char *param,
    const struct interest *interest, int64_t life_ms, held_fn *held);

#endif
