/* SPDX-License-Identifier: MIT */
#ifndef SHARED_OUT_PARK_H
#define SHARED_OUT_PARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>
#include <sys/types.h>

#include <ev.h>

#include "shared/out/outbox.h"

struct packet;
struct sink;
struct sink_ops;

/* The clients that one child of httpd keeps for us.  Zeroed, then park_init. */
struct park {
	struct outbox outbox;               /* what goes there */
	void (*dead)(struct park *);        /* asks its owner to close it */
	struct sink **sinks;                /* by number; NULL = free */
	uint32_t size;                      /* rows */
	uint32_t nsinks;                    /* used rows */
	TAILQ_HEAD(park_later, sink) later; /* have a turn to come */
	uint32_t nlater;                    /* how many */
	bool leaving;                       /* the child is about to end */
	LIST_ENTRY(park) link;              /* all of the process */
};

/* `fd` is a SOCK_SEQPACKET. */
void park_init(struct park *park, int fd, void (*dead)(struct park *));

/*
 * The link is gone, and with it all its clients: `failed` is called for each.
 * Frees what the struct holds.
 */
void park_free(struct park *park);

/* Sends what is left, for at most `wait_ms`.  For the end of the process. */
void park_finish(struct park *park, int wait_ms);

/* Whether a number is free. */
bool park_is_free(const struct park *park, uint32_t number);

/*
 * Does what a packet for its clients says.  Returns NULL, or what is wrong with
 * the packet.
 */
const char *park_take(struct park *park, const struct packet *packet);

/* Asks for the orderly end of one client, where there is one. */
void park_leave(struct park *park, uint32_t number);

/* Opens a sink of kind SINK_LINK to client `number`, which is free. */
void park_open(struct park *park, uint32_t number, struct sink *sink,
    const struct sink_ops *ops, int64_t now_ms);

#endif
