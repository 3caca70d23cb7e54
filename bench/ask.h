/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include <stdint.h>
#include <stdio.h>

#include "bench/buf.h"
#include "bench/message.h"
#include "bench/proc.h"
#include "bench/target.h"

#define ASK_STATUSES 600 /* statuses are below */

/* A run of requests, one after the other on each connection. */
struct ask {
	/* Asked for. */
	const char *label; /* name of the run in the report */
	struct target target;
	const char *path;    /* with query */
	const char *headers; /* further request lines, each with CRLF */
	int etag;            /* 1 = send the ETag of the first answer back */
	int echo;            /* 1 = WebSocket messages to an echo instead */
	int tls;             /* 1 = over TLS */
	struct buf post;     /* what is posted; nothing = GET instead */
	const char *type;    /* its media type */
	struct shape shape;  /* what messages look like, for echo */
	size_t connections;
	double seconds;
	struct group groups[8];
	size_t ngroups;

	/* What came of it. */
	uint64_t answers;                /* complete answers or echoes */
	uint64_t statuses[ASK_STATUSES]; /* answers per status */
	uint64_t reconnects;             /* connections ended by the server */
	uint64_t bad;                    /* wrong or failed answers */
	uint32_t *late;                  /* each answer's time, in 100 ns */
	size_t late_room;                /* answers that late has room for */
	double took_s;
	struct usage begin_use[8];
	struct usage end_use[8];
};

/* Run it. Exits when it cannot begin. `late` is the caller's to free. */
void ask_run(struct ask *a);

/* Tell what came of it, for people and as one line of JSON. */
void ask_print(const struct ask *a, FILE *f);
void ask_print_json(const struct ask *a, FILE *f);

#endif
