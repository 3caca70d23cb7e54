/* SPDX-License-Identifier: MIT */
#ifndef SHARED_OUT_OUTBOX_H
#define SHARED_OUT_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/wire/handover.h"

struct chunk;
struct outgoing;

#define SLICE_PIECES 16    /* of chunks in one packet */
#define SLICE_BYTES  32768 /* of one client in one packet */

/* A part of a chunk. */
struct piece {
	struct chunk *chunk;  /* a reference where a packet has it */
	uint32_t offset, len; /* bytes */
};

/* What a client is to get next. */
struct slice {
	struct piece piece[SLICE_PIECES]; /* in order */
	unsigned n;                       /* pieces */
	uint32_t len;                     /* bytes in all of them */
};

/* The packets on their way to one child of httpd.  Zeroed, then outbox_init. */
struct outbox {
	int fd;                                  /* of the link; borrowed */
	void (*room)(struct outbox *);           /* it is full no more */
	void (*dead)(struct outbox *);           /* the peer is gone */
	ev_io writable;                          /* while it is full */
	ev_timer again;                          /* while memory is short */
	TAILQ_HEAD(outgoings, outgoing) packets; /* not sent yet, in order */
	unsigned npackets;                       /* how many */
	uint64_t serial;                         /* of the last one */
	bool full;                               /* takes nothing at present */
};

/*
 * `fd` is a SOCK_SEQPACKET.  `dead` may be called by anything that sends, so it
 * must not free then.
 */
void outbox_init(struct outbox *outbox, int fd, void (*room)(struct outbox *),
    void (*dead)(struct outbox *));

/* Frees what was not sent. */
void outbox_free(struct outbox *outbox);

/*
 * Puts a client into a packet of that type and returns its serial.  It is one
 * behind the serial `behind`; clients with the same slice share one.  `slice`
 * is for HANDOVER_DATA, else NULL; `bytes` is for HANDOVER_READ.
 */
uint64_t outbox_put(struct outbox *outbox, enum handover_type type,
    const struct slice *slice, uint32_t number, uint32_t bytes,
    uint64_t behind);

/* Sends what the link takes. */
void outbox_send(struct outbox *outbox);

/* The same, and waits for at most `wait_ms` until all is sent. */
void outbox_finish(struct outbox *outbox, int wait_ms);

#endif
