/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_HELD_H
#define TESTS_TAP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/intake/interest.h"
#include "shared/out/sink.h"

struct sqlite3;

#define W(literal, prefix)                                                     \
	{                                                                      \
		literal, sizeof(literal) - 1, prefix, 0                        \
	}

/* A held client and the other end of its socket. */
struct held {
	struct sink sink;     /* first: the callbacks find it so */
	struct client client; /* to the hub */
	int peer;             /* the other end */
	struct str got;       /* what came there */
	bool gone;            /* it was closed */
};

/* One hub in a real loop, and a foreign writer of its database. */
extern struct config config;
extern struct hub hub;
extern struct sqlite3 *writer;

/* Framed as lines: "7=data", "reset 7", "beat", "bye"; or "[...] reset". */
extern const struct transport stream;
extern const struct transport once;

/* Makes a database of this name, its writer, and starts the hub. */
void start_hub(const char *name);
void start_hub_checking(const char *name, int64_t check_ms);
void stop_hub(void);

/* Attaches a client; `sndbuf` is how much its socket takes. */
void hold(struct held *held, const struct transport *transport,
    const struct want *want, size_t n, const char *since, int64_t life_ms,
    int sndbuf);

/* Closes both ends. */
void release(struct held *held);

/* Reads what lies at the other end, at most `max` bytes. */
void take(struct held *held, size_t max);

/* Runs the loop until the text is there, or the time is over. */
bool wait_for(struct held *held, const char *text, int ms);

/* Runs the loop for a while without reading anything. */
void run_for(int ms);

/* A message of the foreign writer; returns its id. */
int64_t insert(const char *channel, const char *data);

/* Ids at the start of each line, in order? Returns how many, -1 if not. */
int in_order(const struct str *got);

#endif
