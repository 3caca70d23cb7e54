/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "bench/client.h"
#include "bench/proc.h"
#include "bench/publisher.h"

#define WATCH_GROUPS 8 /* groups of processes that can be measured */

/* A run of subscribers: what is asked for, and what came of it. */
struct watch {
	/* Asked for. */
	const char *label; /* name of the run in the report */
	struct plan plan;  /* what clients do */
	struct publisher publisher;
	const char *publish; /* for publisher_open, or NULL */
	size_t clients;
	size_t warm;         /* clients connected before memory is measured */
	double connect_rate; /* connections begun per second */
	unsigned pending;    /* connections that may be under way at once */
	unsigned rest_ms;    /* between polls, or before coming back */
	unsigned connect_ms; /* limit for connecting all */
	unsigned settle_ms;  /* quiet time before publishing */
	unsigned hold_ms;    /* how long to hold when nobody publishes */
	unsigned drain_ms;   /* limit for waiting after the last message */
	struct group groups[WATCH_GROUPS];
	size_t ngroups;

	/* What came of it. */
	struct tally tally;
	size_t connected;    /* clients that were accepted */
	size_t failed;       /* clients that are out at the end */
	uint64_t connect_ns; /* time for connecting all but the warm ones */
	uint64_t begin_ns;   /* when publishing began */
	uint64_t end_ns; /* when the last message was in, or hope was lost */
	struct usage warm_use[WATCH_GROUPS]; /* with the warm clients only */
	struct usage met_use[WATCH_GROUPS];  /* all connected, CPU alone */
	struct usage held_use[WATCH_GROUPS]; /* the same after quiet time */
	struct usage end_use[WATCH_GROUPS];  /* after the last message */
	uint64_t bytes;      /* what clients have read meanwhile */
	uint64_t own_cpu_ns; /* what this program used meanwhile */
};

/* Run it; 0, or 1 if it was interrupted. Exits when it cannot begin. */
int watch_run(struct watch *w);

/* Tell what came of it, for people and as one line of JSON. */
void watch_print(const struct watch *w, FILE *f);
void watch_print_json(const struct watch *w, FILE *f);

#endif
