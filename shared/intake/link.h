/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_LINK_H
#define SHARED_INTAKE_LINK_H

#include <stdint.h>

#include <sys/types.h>

struct park;
struct req;
struct server;
struct sink;
struct sink_ops;

/* A client that a child of httpd gives us, on its way to its owner. */
struct handed {
	int fd; /* its socket, the owner's from now on; -1 = it is parked */
	struct park *park; /* where, or NULL */
	uint32_t number;   /* its own there */
};

/* Opens the sink of such a client; as sink_open. */
void link_open_sink(struct sink *sink, const struct handed *from,
    const struct sink_ops *ops, int64_t now_ms);

/*
 * Takes an accepted connection to the hand-over socket over, if its peer is the
 * user that server->handover_uid says.  The clients that come by it are given
 * to server->program->handed.
 */
void link_new(struct server *server, int fd);

/*
 * For a stop: takes the clients that are on their way to us, and no more.  What
 * httpd would hand over now it carries in another way.
 */
void link_stop_all(void);

/* Closes all. */
void link_close_all(void);

#endif
