/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "bench/message.h"

#define TALLY_FIFTHS 5

/* What all clients of a run received. */
struct tally {
	uint32_t run;        /* number of this run, in each of its messages */
	uint32_t messages;   /* messages that each client should get */
	uint64_t received;   /* deliveries, each message and client once */
	uint64_t duplicated; /* deliveries of what that client already had */
	uint64_t disordered; /* deliveries older than that client's newest */
	uint64_t damaged;    /* messages cut or altered */
	uint64_t foreign;    /* messages of another run or out of range */
	uint64_t resets;     /* times a client was told that it lost some */
	uint64_t last_ns;    /* time of the last delivery */
	uint32_t *late;      /* latency of each delivery, in 100 ns */
	uint32_t *slowest; /* of each message, the latency at its last client */
	double fifths_ms[TALLY_FIFTHS]; /* p99 of each fifth of deliveries */
	size_t room;                    /* deliveries that late has room for */
};

/* What one client has received: one bit per message. */
struct seen {
	uint32_t newest; /* highest number seen, 0 = none */
	uint8_t *bits;   /* bit seq is set when seq was seen */
};

/* Start counting for clients times messages; exits when out of memory. */
void tally_init(struct tally *t, uint32_t run, size_t clients,
    uint32_t messages);
void tally_free(struct tally *t);

/* Make and release the record of one client; exits when out of memory. */
void seen_init(struct seen *s, const struct tally *t);
void seen_free(struct seen *s);

/* Count a message that client s received at now_ns. */
void tally_count(struct tally *t, struct seen *s, const struct message *m,
    uint64_t now_ns);

/* Sort the latencies; afterwards the fifths are set, the first one holding the
 * deliveries that came first, and percentiles may be asked. */
void tally_sort(struct tally *t);

/* Latency in ms that share (0 to 1) of all deliveries kept; 0 when none. */
double tally_percentile(const struct tally *t, double share);

/* The same for the time in ms until a message was at its last client. */
double tally_percentile_of_all(const struct tally *t, double share);

#endif
