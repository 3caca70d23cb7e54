/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_CLIENT_H
#define SHARED_ENGINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/base/str.h"
#include "shared/engine/subs.h"
#include "shared/publish/mute.h"
#include "shared/table/db.h"

struct change;
struct chunk;
struct form;
struct hub;
struct place;
struct sink;
struct want;

/* Where a held client stands. */
enum client_state {
	CLIENT_NEW,    /* attached, head not written */
	CLIENT_BEHIND, /* is fed from the table */
	CLIENT_LIVE,   /* gets what comes */
	CLIENT_ENDING, /* its answer is ended, bytes are on their way */
	CLIENT__MAX
};

/*
 * A client that is held: who it is to the hub.  Embedded in what owns the
 * connection; zeroed, then client_attach.
 */
struct client {
	/* What every delivery touches, side by side. */
	struct hub *hub;                 /* NULL = not attached */
	struct sink *sink;               /* its way out; the owner's */
	struct form *form;               /* how it is framed */
	int64_t pos;                     /* it has all up to this id */
	int64_t uneven_upto;             /* up to here see each sub's `after` */
	struct mutes mutes;              /* messages it is not to get */
	STAILQ_ENTRY(client) dirty_link; /* in hub->dirty */
	uint8_t state;                   /* enum client_state */
	bool dirty;                      /* in hub->dirty */
	bool behind;                     /* in hub->behind */
	bool full;                       /* more waits for room in its queue */
	bool reset;                      /* has yet to be told of a reset */
	bool was_reset;                  /* was told */
	bool unlearned;                  /* some sub's `told` is unknown */
	bool conditional;                /* once: nothing new is a 304 */
	bool cut_short; /* once: more waits than was collected */
	bool doomed;    /* to be closed at the next settling */
	bool ready;     /* its one send() is in hub->settle */
	bool lost;      /* that told that its peer is gone */
	uint16_t place; /* in hub->settle, from 1; 0 = it is not there */
	/* The rest. */
	void (*gone)(struct client *);   /* ask the owner to close it now */
	struct subs subs;                /* its subscriptions */
	int64_t evened_at;               /* `pos` that each sub knows of */
	int64_t lag_bytes;               /* committed while it was behind */
	int64_t ends_ms;                 /* monotonic, when its time is over */
	int64_t beat_ms;                 /* its own heartbeat, 0 = as all */
	struct str body;                 /* once: what was collected */
	size_t collected;                /* once: messages in `body` */
	struct str head;                 /* once: header lines of the answer */
	ev_timer timer;                  /* heartbeat, end of life, stall */
	TAILQ_ENTRY(client) link;        /* in hub->clients */
	TAILQ_ENTRY(client) behind_link; /* in hub->behind */
};

/*
 * Attaches a client, whose place is found: subscribes, sets client->pos (where
 * it starts) and client->reset.  `form` is taken over.  `life_ms` is how long
 * it may stay.  Write the head then, and call client_start.
 */
void client_attach(struct client *client, struct hub *hub, struct sink *sink,
    struct form *form, const struct place *place, int64_t life_ms);

/*
 * Lets it beat often, for one whose leaving shows only when something is sent.
 * Call it before client_start.
 */
void client_beat_often(struct client *client);

/* Sends what it has missed and lets it go live. */
void client_start(struct client *client);

/*
 * Adds wants to an attached client; it gets their messages behind `after` and
 * none twice, also where it has gone past that id already.
 */
void client_subscribe(struct client *client, const struct want *want, size_t n,
    int64_t after);

/* Whether it subscribes to exactly this. */
bool client_has(const struct client *client, const struct want *want);

/*
 * `n` messages that this client publishes and is not to get itself; for the
 * writer's job.
 */
struct mute *client_mute(struct client *client, size_t n);

/* Tells a stream that it may have missed something up to `after`. */
void client_tell_reset(struct client *client, int64_t after);

/* Takes wants away. */
void client_unsubscribe(struct client *client, const struct want *want,
    size_t n);

/* Takes it out of the hub; one that is not attached is fine. */
void client_detach(struct client *client);

/* A message of one of its channels was committed. */
void client_deliver(struct client *client, const struct change *change);

/*
 * Something behind `pos` was pruned that the hub has not read: a live client
 * goes back there, looks whether it concerns it, and goes on.
 */
void client_check(struct client *client, int64_t pos);

/* The database is another one: starts over with a reset. */
void client_restart(struct client *client);

/* Reads on from the table while there is room.  Called by the hub. */
void client_feed(struct client *client);

/*
 * Writes what is queued; may close it by `gone`.  Called by the hub with the
 * monotonic time.
 */
void client_settle(struct client *client, int64_t now_ms);

/*
 * The same for many at once.  client_ready tells whether one send() of `iov` is
 * all that its settling takes; client_sent takes what became of it, and tells
 * whether nothing is left to do.  Neither calls anybody back.
 */
struct iovec;
bool client_ready(const struct client *client, struct iovec *iov);
bool client_sent(struct client *client, size_t n, int64_t now_ms);

/* The sink has emptied: tells whether the owner may go on with it. */
void client_drained(struct client *client);

/* Ends it in an orderly way, as at the end of its life. */
void client_finish(struct client *client);

/* Queues a chunk for a stream. */
void client_push(struct client *client, struct chunk *chunk);

/* Whether its queue, or its answer, has no room for more messages. */
bool client_is_full(const struct client *client);

/* Sets its timer for what comes next. */
void client_schedule(struct client *client);

/* Any state to any other goes through here. */
void client_set_state(struct client *client, enum client_state state);

#endif
