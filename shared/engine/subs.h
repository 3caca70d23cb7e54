/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ENGINE_SUBS_H
#define SHARED_ENGINE_SUBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change;
struct sub;
struct topics;
struct want;

/*
 * The subscriptions of one client, found by name: most have one, and some have
 * thousands.  `= {0}` is an empty set.
 */
struct subs {
	struct sub **buckets; /* hash table, chained by sub->next */
	size_t nbuckets;      /* a power of two, or 0 */
	size_t n;             /* subscriptions */
	size_t nprefixes;     /* of them that are prefixes */
};

/* Every sub of a set; neither is it to be changed meanwhile. */
#define SUBS_FOREACH(sub, subs)                                                \
	for (size_t sub##_at = 0; sub##_at < (subs)->nbuckets; sub##_at++)     \
		for ((sub) = (subs)->buckets[sub##_at]; (sub) != NULL;         \
		     (sub) = (sub)->next)

/* The subscription to exactly this, or NULL. */
struct sub *subs_find(const struct subs *subs, const struct want *want);

/* Adds one that is not there yet. */
void subs_add(struct subs *subs, struct sub *sub);

/* Takes one out; it is the caller's again. */
void subs_remove(struct subs *subs, struct sub *sub);

/* Takes any one out; NULL, and all memory is freed, when there is none. */
struct sub *subs_take(struct subs *subs);

/*
 * Whether a subscription that has all only up to an id below that of the
 * message wants it.
 */
bool subs_lack(const struct subs *subs, const struct topics *topics,
    const struct change *ch);

/* Whether another prefix of the set covers all that this subscription does. */
bool subs_covered(const struct subs *subs, const struct topics *topics,
    const struct sub *sub);

/*
 * Calls `each` with every subscription that a channel's name matches.
 */
void subs_match(const struct subs *subs, const struct topics *topics,
    const char *channel, size_t len, void (*each)(struct sub *, void *),
    void *arg);

/*
 * The subscriptions that lack something up to the id `upto`, as wants; the
 * caller frees.
 */
struct want *subs_wants(const struct subs *subs, int64_t upto, size_t *n);

#endif
