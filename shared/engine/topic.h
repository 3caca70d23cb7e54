/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_TOPIC_H
#define SHARED_ENGINE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

struct sub;

/* A channel or prefix that somebody here subscribes to. */
struct topic {
	uint64_t hash;         /* of the name */
	struct topic *next;    /* same bucket */
	LIST_HEAD(, sub) subs; /* subscribers here */
	uint8_t len;           /* bytes of the name */
	bool is_prefix;        /* the name is a prefix */
	char name[];           /* NUL behind it */
};

/* All of them, found by name.  `= {0}` is an empty table. */
struct topics {
	struct topic **buckets;    /* hash table */
	size_t nbuckets;           /* a power of two, or 0 */
	size_t n;                  /* in the table */
	unsigned prefix_lens[256]; /* those that are prefixes, by length */
};

/* How many topics one channel can match: itself and its prefixes. */
#define TOPICS_MATCHED 256

/* The topic of this name; made if there is none yet. */
struct topic *topic_get(struct topics *topics, const char *name, size_t len,
    bool is_prefix);

/* Takes out and frees one that nobody subscribes to any more. */
void topic_drop(struct topics *topics, struct topic *topic);

/*
 * The topics of a channel: itself and every prefix of it.  `found` has room for
 * TOPICS_MATCHED.  Returns how many there are.
 */
size_t topics_match(const struct topics *topics, const char *channel,
    size_t len, struct topic **found);

/* Frees the table, which is empty by then. */
void topics_free(struct topics *topics);

#endif
