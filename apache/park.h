/* SPDX-License-Identifier: MIT */
#ifndef APACHE_PARK_H
#define APACHE_PARK_H

/*
 * What the pump's files share: parked, watched, pump.  They know nothing of
 * httpd (apache/conn.h is what they want of it); apache/park.c tells how it
 * works.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>
#include <sys/uio.h>

#include <pthread.h>

#include "shared/wire/handover.h"

struct conn;
struct link;

/* Bytes that waited for more than one client, once. */
struct chunk {
	unsigned refs; /* of queues */
	uint32_t len;  /* bytes */
	char bytes[];  /* plain, not yet encrypted */
};

struct piece {
	struct chunk *chunk;       /* one reference */
	STAILQ_ENTRY(piece) entry; /* in a queue */
};

enum park_state {
	PARK_NEW,    /* the worker has it */
	PARK_OPEN,   /* the pump has it */
	PARK_LINGER, /* the request has ended, the connection has yet to */
	PARK_DONE,   /* no connection any more */
};

/* What epoll tells of; the first member of what it points to. */
enum source {
	SOURCE_CLIENT, /* struct parked */
	SOURCE_LINK,   /* struct watched */
};

/* A parked client.  The pump's, once it is on the pump's list. */
struct parked {
	enum source source;         /* SOURCE_CLIENT */
	struct link *link;          /* a reference while `numbered` */
	struct watched *watched;    /* the same to the pump, or NULL */
	uint32_t number;            /* to the program */
	enum park_state state;      /* see above */
	bool numbered;              /* the program has not said END */
	bool unsent;                /* the program never heard of it */
	bool lost;                  /* httpd took the connection away */
	bool left;                  /* it said goodbye */
	bool failed;                /* the socket is of no more use */
	bool told_gone;             /* GONE is said */
	bool owing;                 /* on the list of who has to tell */
	bool settling;              /* it goes as soon as its worker has */
	bool polled;                /* epoll knows of it */
	struct conn *conn;          /* until PARK_DONE; NULL if it is lost */
	int fd;                     /* of the connection */
	uint32_t events;            /* that epoll waits for */
	STAILQ_HEAD(, piece) queue; /* plain bytes to be written */
	size_t queued;              /* of them */
	size_t at_filter;           /* plain bytes that are not out */
	uint32_t taken;             /* bytes that are out and not told */
	char *rest;                /* encrypted, the socket did not take them */
	size_t rest_len, rest_at;  /* bytes of it; which are out */
	uint32_t input;            /* bytes told and not READ */
	char *held;                /* input that the link did not take */
	uint32_t held_len;         /* bytes of it */
	int64_t stall_ms;          /* it may take nothing for so long */
	int64_t progress_ms;       /* monotonic, of the last byte out */
	int64_t ends_ms;           /* monotonic, PARK_LINGER: no longer */
	TAILQ_ENTRY(parked) entry; /* all that the pump has */
	TAILQ_ENTRY(parked) settle_entry; /* of those that settle */
	STAILQ_ENTRY(parked) inbox_entry; /* in the inbox */
	TAILQ_ENTRY(parked) owe_entry;    /* of those who have to tell */
};

/* What the pump knows of a link. */
struct watched {
	enum source source;         /* SOURCE_LINK */
	struct link *link;          /* a reference */
	TAILQ_HEAD(, parked) owing; /* clients with something to tell */
	bool clogged;               /* it takes nothing now */
	int64_t again_ms; /* monotonic, asked again then; 0 = epoll tells */
	bool mute;        /* nothing can be told any more */
	bool left;        /* LEAVE is said */
	bool over;        /* the program is gone */
	TAILQ_ENTRY(watched) entry; /* of all */
};

STAILQ_HEAD(inbox, parked);

/* The thread of this child and what it has. */
struct pump {
	pthread_mutex_t lock;          /* guards these: */
	struct inbox inbox;            /* suspended, or lost */
	bool started;                  /* there is a thread */
	pthread_t thread;              /* it */
	bool stop;                     /* it is to end; atomic */
	int epoll;                     /* what it waits in */
	int bell;                      /* an eventfd: look into the inbox */
	TAILQ_HEAD(, parked) all;      /* its clients */
	TAILQ_HEAD(, parked) settling; /* their workers are not gone yet */
	TAILQ_HEAD(, watched) links;   /* what it reads */
	struct inbox dead;             /* to be freed at the turn's end */
	bool look_again;               /* a worker was not quite done */
	int64_t now_ms;                /* monotonic, of this turn */
	int64_t tick_ms;               /* when the stuck are looked for */
	int64_t leave_ms;              /* when all must have left, 0 = stay */
};

extern struct pump pump;

/* parked.c: one client, its filter and its socket. */

/*
 * Offers the connection `conn`, whose descriptor is `fd`, to the program behind
 * `link`: `iov` are its variables, `n` at most 3 pieces, and it may take
 * nothing for `stall_ms`.  For a busy program it waits at most `wait_ms`.
 * Returns a new client, to be given to pump_post when it is suspended or lost;
 * or NULL with errno as link_send, and then nothing of `conn` is used any more.
 */
struct parked *parked_offer(struct conn *conn, struct link *link, int fd,
    const struct iovec *iov, int n, int wait_ms, int64_t stall_ms);

/*
 * What comes out of the filters: writes what the socket takes, keeps the rest.
 */
void parked_put(struct parked *p, struct iovec *iov, int n);

/* Bytes from the program; *chunk is made if they have to wait. */
void parked_data(struct parked *p, const char *bytes, size_t len,
    struct chunk **chunk);
void chunk_drop(struct chunk *chunk);

/* The program has used so many bytes of input. */
void parked_used(struct parked *p, uint32_t bytes);

/* The program has done with it: it ends behind what is queued. */
void parked_end(struct parked *p);

/* Its socket can be read or written. */
void parked_event(struct parked *p, uint32_t events);

/* Writes on; reads on; as far as there is something and room. */
void parked_go_on(struct parked *p);
void parked_read_on(struct parked *p);

/* Tells epoll what it waits for. */
void parked_want(struct parked *p);

/* It is of no more use; its connection goes, at once or a little later. */
void parked_fail(struct parked *p);
void parked_destroy(struct parked *p);
void parked_drop_output(struct parked *p);

/* watched.c: what the program is told, and what it tells. */

/* The pump's view of a link, made where there is none. */
struct watched *watched_of(struct link *link);

/* Puts a client on the list of those with something to tell; off it. */
void watched_owe(struct parked *p);
void watched_owe_nothing(struct parked *p);

/* Sends one packet.  Returns false where the link takes none now, or ever. */
bool watched_tell(struct watched *w, enum handover_type type, uint32_t count,
    const void *items, size_t size, const void *bytes, size_t len);

/* Tells what is to be told, as far as the link takes it. */
void watched_settle(struct watched *w);

/* The link can be read or written. */
void watched_event(struct watched *w, uint32_t events);

/* pump.c: the thread. */

/* Starts the thread where there is none.  Returns false, with errno, if there
 * can be none. */
bool pump_start(void);

/* The two parts of it: opens what it waits in, and one turn of its loop. */
int pump_open(void);
void pump_turn(void);

/* Ends it; to be called before the pools of the child go. */
void pump_stop(void);

/* Puts a client into the inbox; from any thread. */
void pump_post(struct parked *p);

#endif
