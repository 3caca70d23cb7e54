/* SPDX-License-Identifier: MIT */
#ifndef SHARED_HUB_H
#define SHARED_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/db.h"
#include "shared/settle.h"
#include "shared/turns.h"
#include "shared/watch.h"

struct board;
struct change;
struct chunk;
struct client;
struct config;
struct form;
struct interest;

/*
 * How a transport frames.  One constant of these is what a program under
 * cgi-bin/ adds to the engine.  Chunks are returned with one reference.
 */
struct transport {
	const char *name; /* of the program */
	/*
	 * true: collect what is ready, answer once, end (long polling);
	 * `message` gives what is collected.  false: a stream.
	 */
	bool once;
	/* One message. */
	struct chunk *(*message)(const struct form *, const struct change *,
	    const char *epoch);
	/* "You may have missed something"; goes on behind `after`. */
	struct chunk *(
	    *reset)(const struct form *, const char *epoch, int64_t after);
	/*
	 * After a reset, when all that is kept was sent: from here on nothing
	 * is missing; or NULL.
	 */
	struct chunk *(
	    *cursor)(const struct form *, const char *epoch, int64_t id);
	/* A sign of life, or NULL. */
	struct chunk *(*beat)(const struct form *);
	/* What ends a stream in an orderly way, or NULL. */
	struct chunk *(*bye)(struct client *);
	/* once: pushes the whole answer. */
	void (*answer)(struct client *);
};

/*
 * A way to encode: a transport and, where it has any, its parameter.  All
 * clients of one form share the bytes of a message.
 */
struct form {
	const struct transport *transport; /* who encodes */
	char *param;                       /* ours, or NULL */
	int64_t id;                        /* of the message in `chunk` */
	struct chunk *chunk;               /* encoded last, or NULL */
	unsigned users;                    /* clients, 0 = to be freed */
	uint32_t serial;                   /* spreads it over hub->recent */
	LIST_ENTRY(form) link;             /* in the hub */
};

/* What was encoded lately, for those who come a little behind the rest. */
/*
 * More than a client takes at once, as many go through the same messages one
 * after the other.
 */
#define HUB_RECENT 1024 /* slots, a power of two */
struct recent {
	const struct form *form; /* NULL = empty */
	int64_t id;              /* of the message */
	struct chunk *chunk;     /* its encoding */
};

/* A channel or prefix that somebody here subscribes to. */
struct topic {
	uint64_t hash;         /* of the name */
	struct topic *next;    /* same bucket */
	LIST_HEAD(, sub) subs; /* subscribers here */
	uint8_t len;           /* bytes of the name */
	bool is_prefix;        /* the name is a prefix */
	char name[];           /* NUL behind it */
};

/* One subscription of one client. */
struct sub {
	LIST_ENTRY(sub) link;  /* in the topic */
	struct sub *next;      /* same bucket of the client's */
	struct topic *topic;   /* what */
	int64_t after;         /* it has all of this up to this id */
	struct client *client; /* who */
};

#define HUB_PAST 8 /* epochs that are remembered */

/* The engine of one process: reads what was committed, hands it out. */
struct hub {
	const struct config *config; /* borrowed */
	struct board *board;         /* or NULL */
	struct db db;                /* a reader; closed while it is broken */
	struct watch watch;          /* wakes us */
	int64_t version;             /* PRAGMA data_version seen, -1 = none */
	int64_t last_id;             /* newest id that was handed out */
	int64_t newest;              /* newest id that is known of */
	char epoch[40];              /* of last_id */
	char past[HUB_PAST][40];     /* epochs before it, a ring */
	unsigned npast;              /* how many there have been */
	struct topic **buckets;      /* hash table */
	size_t nbuckets;             /* a power of two */
	size_t ntopics;              /* in the table */
	unsigned prefix_lens[256];   /* topics that are prefixes, by length */
	LIST_HEAD(, form) forms;     /* in use */
	struct recent recent[HUB_RECENT]; /* by id and form */
	TAILQ_HEAD(, client) clients;     /* all that are held */
	uint32_t nforms;                  /* made so far */
	size_t nclients;                  /* how many */
	size_t nsubs;                     /* subscriptions of all of them */
	STAILQ_HEAD(, client) dirty;      /* have something to be written */
	size_t ndirty;                    /* how many */
	struct settle settle;             /* writes it */
	TAILQ_HEAD(client_queue, client) behind; /* read from the table */
	struct turns turns;    /* feeds those who are behind */
	uint64_t delivered;    /* not yet on the scoreboard */
	uint64_t bytes;        /* the same */
	int64_t complained_ms; /* of the last line about the database */
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

/* The form for a transport and parameter (NULL for none). */
struct form *hub_form(struct hub *hub, const struct transport *transport,
    const char *param);
void hub_form_release(struct hub *hub, struct form *form);

/* The shared encoding of a message in a form: one reference, the caller's. */
struct chunk *hub_encode(struct hub *hub, struct form *form,
    const struct change *change);

/* A subscription, which the client has not had yet; it is the client's. */
struct sub *hub_subscribe(struct hub *hub, struct client *client,
    const char *name, size_t len, bool is_prefix);
void hub_unsubscribe(struct hub *hub, struct sub *sub);

/* Writes out what was pushed to the clients since the last time. */
void hub_settle(struct hub *hub);

/* Puts a client on the list for hub_settle. */
void hub_mark_dirty(struct hub *hub, struct client *client);

/* Puts a client on the list of those that are fed from the table. */
void hub_mark_behind(struct hub *hub, struct client *client);

#endif
