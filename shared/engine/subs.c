/* SPDX-License-Identifier: MIT */
/* The set of subscriptions of one client. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/engine/sub.h"
#include "shared/engine/subs.h"
#include "shared/engine/topic.h"
#include "shared/table/change.h"
#include "shared/table/want.h"

static struct sub **
bucket(const struct subs *subs, uint64_t hash)
{
	return &subs->buckets[hash & (subs->nbuckets - 1)];
}

static struct sub *
find(const struct subs *subs, uint64_t hash, const char *name, size_t len,
    bool is_prefix)
{
	struct sub *sub;

	if (subs->n == 0)
		return NULL;
	for (sub = *bucket(subs, hash); sub != NULL; sub = sub->next)
		if (sub->topic->hash == hash && sub->topic->len == len &&
		    sub->topic->is_prefix == is_prefix &&
		    memcmp(sub->topic->name, name, len) == 0)
			break;
	return sub;
}

struct sub *
subs_find(const struct subs *subs, const struct want *want)
{
	return find(subs, name_hash(want->name, want->len, want->is_prefix),
	    want->name, want->len, want->is_prefix);
}

static void
insert(struct subs *subs, struct sub *sub)
{
	struct sub **head = bucket(subs, sub->topic->hash);

	sub->next = *head;
	*head = sub;
}

static void
grow(struct subs *subs)
{
	struct subs larger = { 0 };

	larger.nbuckets = subs->nbuckets == 0 ? 1 : subs->nbuckets * 2;
	larger.buckets = xcalloc(larger.nbuckets, sizeof(struct sub *));
	larger.n = subs->n;
	larger.nprefixes = subs->nprefixes;
	for (size_t i = 0; i < subs->nbuckets; i++)
		while (subs->buckets[i] != NULL) {
			struct sub *sub = subs->buckets[i];

			subs->buckets[i] = sub->next;
			insert(&larger, sub);
		}
	free(subs->buckets);
	*subs = larger;
}

void
subs_add(struct subs *subs, struct sub *sub)
{
	if (subs->n == subs->nbuckets)
		grow(subs);
	insert(subs, sub);
	subs->n++;
	subs->nprefixes += sub->topic->is_prefix;
}

void
subs_remove(struct subs *subs, struct sub *sub)
{
	struct sub **at = bucket(subs, sub->topic->hash);

	while (*at != sub)
		at = &(*at)->next;
	*at = sub->next;
	subs->n--;
	subs->nprefixes -= sub->topic->is_prefix;
}

struct sub *
subs_take(struct subs *subs)
{
	/* Buckets are emptied from the last one on, and then forgotten. */
	while (subs->nbuckets > 0) {
		struct sub **last = &subs->buckets[subs->nbuckets - 1];
		struct sub *sub = *last;

		if (sub != NULL) {
			*last = sub->next;
			subs->n--;
			return sub;
		}
		subs->nbuckets--;
	}
	free(subs->buckets);
	*subs = (struct subs){ 0 };
	return NULL;
}

void
subs_match(const struct subs *subs, const struct topics *topics,
    const char *channel, size_t len, void (*each)(struct sub *, void *),
    void *arg)
{
	uint64_t h = name_hash_begin(true);
	struct sub *sub;

	sub = find(subs, name_hash(channel, len, false), channel, len, false);
	if (sub != NULL)
		each(sub, arg);
	for (size_t i = 0; subs->nprefixes > 0 && i < len && i < 255; i++) {
		h = name_hash_add(h, channel[i]);
		if (topics->prefix_lens[i + 1] == 0)
			continue;
		sub = find(subs, name_hash_end(h), channel, i + 1, true);
		if (sub != NULL)
			each(sub, arg);
	}
}

/* What is looked for among the subscriptions that match. */
struct lack {
	int64_t id; /* of the message */
	bool found; /* one lacks it */
};

static void
lacks(struct sub *sub, void *arg)
{
	struct lack *lack = arg;

	lack->found = lack->found || sub->after < lack->id;
}

bool
subs_lack(const struct subs *subs, const struct topics *topics,
    const struct change *ch)
{
	struct lack lack = { .id = ch->id };

	subs_match(subs, topics, ch->channel, ch->channel_len, lacks, &lack);
	return lack.found;
}

/* What is looked for: a prefix other than the subscription itself. */
struct cover {
	const struct sub *sub; /* that is to be covered */
	bool found;            /* it is */
};

static void
covers(struct sub *sub, void *arg)
{
	struct cover *cover = arg;

	cover->found =
	    cover->found || (sub != cover->sub && sub->topic->is_prefix &&
				sub->after <= cover->sub->after);
}

bool
subs_covered(const struct subs *subs, const struct topics *topics,
    const struct sub *sub)
{
	struct cover cover = { .sub = sub };

	if (subs->nprefixes == 0)
		return false;
	subs_match(subs, topics, sub->topic->name, sub->topic->len, covers,
	    &cover);
	return cover.found;
}

struct want *
subs_wants(const struct subs *subs, int64_t upto, size_t *n)
{
	struct want *wants = xcalloc(subs->n, sizeof(*wants));
	const struct sub *sub;

	*n = 0;
	SUBS_FOREACH(sub, subs)
	{
		const struct topic *topic = sub->topic;

		if (sub->after < upto)
			wants[(*n)++] = (struct want){ topic->name, topic->len,
				topic->is_prefix, sub->told };
	}
	return wants;
}
