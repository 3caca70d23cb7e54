/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_SUB_H
#define SHARED_ENGINE_SUB_H

#include <stdint.h>

#include <sys/queue.h>

struct client;
struct topic;

/* One subscription of one client. */
struct sub {
	LIST_ENTRY(sub) link;  /* in the topic */
	struct sub *next;      /* same bucket of the client's */
	struct topic *topic;   /* what */
	int64_t after;         /* it has all of this up to this id */
	int64_t told;          /* of its prunings; see shared/table/loss.h */
	struct client *client; /* who */
};

#endif
