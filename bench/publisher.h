/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "bench/buf.h"
#include "bench/http.h"
#include "bench/message.h"
#include "bench/target.h"

struct sqlite3;
struct sqlite3_stmt;

/* How messages are handed in. */
enum publish_way {
	PUBLISH_NONE, /* nobody publishes */
	PUBLISH_DB,   /* SQLite INSERT */
	PUBLISH_HTTP, /* HTTP POST */
	PUBLISH_BARE, /* datagram with finished bytes for the bare loop */
};

/* What the bytes for the bare loop look like. */
enum wrap {
	WRAP_SSE,  /* an SSE event */
	WRAP_FCGI, /* an SSE event in a FCGI_STDOUT record */
	WRAP_WS,   /* a WebSocket text frame */
	WRAP__MAX
};

/* Publishes in a thread of its own, so that reading never waits for it. */
struct publisher {
	enum publish_way way;
	const char *channel;   /* for PUBLISH_DB */
	enum wrap wrap;        /* for PUBLISH_BARE */
	uint32_t run;          /* number of the run, in each message */
	uint32_t messages;     /* how many to publish */
	struct shape shape;    /* what messages look like */
	double per_second;     /* messages per second */
	unsigned batch_ms;     /* 0 = each by itself; else all that is due */
	atomic_uint published; /* how many are published */
	atomic_uint failed;    /* how many could not be published */
	atomic_int done;       /* 1 = no more will come */
	atomic_int stop;       /* set to 1 to end early */
	uint64_t took_ns;      /* from the first to the last, after done */

	pthread_t thread;
	int started;                 /* 1 = thread runs */
	struct sqlite3 *db;          /* or NULL */
	struct sqlite3_stmt *stmt;   /* the INSERT, or NULL */
	struct sqlite3_stmt *begin;  /* of a batch, or NULL */
	struct sqlite3_stmt *commit; /* of a batch, or NULL */
	int fd;                      /* socket or -1 */
	struct target target;        /* for PUBLISH_HTTP */
	char path[256];              /* for PUBLISH_HTTP */
	struct buf out;              /* what is being sent */
};

/*
 * Open "db:FILE", "http:HOST:PORT/PATH" or "bare:PATH"; NULL = nobody
 * publishes. The other members must be set. Exits on failure.
 */
void publisher_open(struct publisher *p, const char *spec);

/*
 * Start publishing (not PUBLISH_NONE), and wait for its end, which comes early
 * after stop = 1.
 */
void publisher_start(struct publisher *p);
void publisher_join(struct publisher *p);
void publisher_close(struct publisher *p);

#endif
