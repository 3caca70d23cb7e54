/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_SETTLE_H
#define SHARED_ENGINE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/out/sendq.h"

struct client;
struct hub;

/* The writing of a hub: many clients at once, or one after the other. */
struct settle {
	struct sendq *sendq;          /* or NULL */
	bool tried;                   /* whether there is a sendq */
	bool busy;                    /* `at` is in use */
	uint64_t batched;             /* sends that went in batches so far */
	struct client *at[SENDQ_MAX]; /* the batch; NULL = is done, or gone */
};

/*
 * Writes to the clients that are on the hub's list, until about `until_us`
 * (monotonic).  Who is left stays there.
 */
void settle_some(struct hub *hub, int64_t until_us);

/* A client of the batch is no more. */
void settle_forget(struct hub *hub, struct client *client);

void settle_free(struct settle *settle);

#endif
