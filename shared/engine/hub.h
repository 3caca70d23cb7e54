/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_HUB_H
#define SHARED_ENGINE_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/base/turns.h"
#include "shared/engine/settle.h"
#include "shared/engine/topic.h"
#include "shared/out/form.h"
#include "shared/table/db.h"
#include "shared/table/watch.h"

struct board;
struct change;
struct client;
struct config;
struct sub;

#define HUB_PAST 8 /* epochs that are remembered */

/* The engine of one process: reads what was committed, hands it out. */
struct hub {
	const struct config *config;  /* borrowed */
	struct board *board;          /* or NULL */
	struct db db;                 /* a reader; closed while it is broken */
	struct watch watch;           /* wakes us */
	int64_t version;              /* PRAGMA data_version seen, -1 = none */
	int64_t last_id;              /* newest id that was handed out */
	int64_t newest;               /* newest id that is known of */
	char epoch[40];               /* of last_id */
	char past[HUB_PAST][40];      /* epochs before it, a ring */
	unsigned npast;               /* how many there have been */
	struct topics topics;         /* what is subscribed to */
	struct forms forms;           /* encodings */
	TAILQ_HEAD(, client) clients; /* all that are held */
	size_t nclients;              /* how many */
	size_t nsubs;                 /* subscriptions of all of them */
	STAILQ_HEAD(, client) dirty;  /* have something to be written */
	size_t ndirty;                /* how many */
	struct settle settle;         /* writes it */
	TAILQ_HEAD(client_queue, client) behind; /* read from the table */
	struct turns turns;    /* feeds those who are behind */
	uint64_t delivered;    /* not yet on the scoreboard */
	uint64_t bytes;        /* the same */
	int64_t complained_ms; /* of the last line about the database */
	struct ev_async lost;  /* another thread found the files replaced */
	struct ev_timer again; /* the database is to be opened soon */
	bool suspect;          /* the file may have been replaced */
	bool keeps_watch;      /* also while nobody waits for anything */
	bool more;             /* rows are left for the next turn */
};

/*
 * Opens the database and starts to watch.  `board` may be NULL.  Returns DB_OK,
 * or why the database can't be read at present, with a sentence in
 * hub->db.error; the hub is ready all the same and tries again.
 */
enum db_status hub_start(struct hub *hub, const struct config *config,
    struct board *board);

/* Ends all clients and frees everything. */
void hub_stop(struct hub *hub);

/*
 * Reads what is new and hands it out.  Called by the watch, and by those who
 * must know the newest state now.  A client that can't be reached any more may
 * be given up by it, the caller's too.  Returns DB_OK, or why the database
 * can't be read at present; it is tried again by itself.
 */
enum db_status hub_refresh(struct hub *hub);

/* A subscription, which the client has not had yet; it is the client's. */
struct sub *hub_subscribe(struct hub *hub, struct client *client,
    const char *name, size_t len, bool is_prefix);
void hub_unsubscribe(struct hub *hub, struct sub *sub);

/*
 * Writes out what was pushed to the clients since the last time, for some
 * milliseconds; those who are left have theirs in the next turns of the loop,
 * before anything else is read for anybody.
 */
void hub_settle(struct hub *hub);

/* Puts a client on the list for hub_settle. */
void hub_mark_dirty(struct hub *hub, struct client *client);

/* Puts a client on the list of those that are fed from the table. */
void hub_mark_behind(struct hub *hub, struct client *client);

#endif
