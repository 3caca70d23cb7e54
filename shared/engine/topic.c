/* SPDX-License-Identifier: MIT */
/* The registry of topics: what anybody here subscribes to, by name. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/engine/sub.h"
#include "shared/engine/topic.h"

static struct topic *
find(const struct topics *topics, uint64_t hash, const char *name, size_t len,
    bool is_prefix)
{
	struct topic *t;

	if (topics->nbuckets == 0)
		return NULL;
	t = topics->buckets[hash & (topics->nbuckets - 1)];
	while (t != NULL &&
	       (t->hash != hash || t->len != len || t->is_prefix != is_prefix ||
		   memcmp(t->name, name, len) != 0))
		t = t->next;
	return t;
}

static void
grow(struct topics *topics)
{
	size_t n = topics->nbuckets == 0 ? 64 : topics->nbuckets * 2;
	struct topic **buckets = xcalloc(n, sizeof(*buckets));

	for (size_t i = 0; i < topics->nbuckets; i++)
		while (topics->buckets[i] != NULL) {
			struct topic *t = topics->buckets[i];

			topics->buckets[i] = t->next;
			t->next = buckets[t->hash & (n - 1)];
			buckets[t->hash & (n - 1)] = t;
		}
	free(topics->buckets);
	topics->buckets = buckets;
	topics->nbuckets = n;
}

struct topic *
topic_get(struct topics *topics, const char *name, size_t len, bool is_prefix)
{
	uint64_t hash = name_hash(name, len, is_prefix);
	struct topic *t = find(topics, hash, name, len, is_prefix);

	if (t != NULL)
		return t;
	if (topics->n >= topics->nbuckets)
		grow(topics);
	t = xcalloc(1, sizeof(*t) + len + 1);
	t->hash = hash;
	t->len = (uint8_t)len;
	t->is_prefix = is_prefix;
	memcpy(t->name, name, len);
	LIST_INIT(&t->subs);
	t->next = topics->buckets[hash & (topics->nbuckets - 1)];
	topics->buckets[hash & (topics->nbuckets - 1)] = t;
	topics->n++;
	if (is_prefix)
		topics->prefix_lens[len]++;
	return t;
}

void
topic_drop(struct topics *topics, struct topic *topic)
{
	struct topic **at =
	    &topics->buckets[topic->hash & (topics->nbuckets - 1)];

	while (*at != topic)
		at = &(*at)->next;
	*at = topic->next;
	topics->n--;
	if (topic->is_prefix)
		topics->prefix_lens[topic->len]--;
	free(topic);
}

size_t
topics_match(const struct topics *topics, const char *channel, size_t len,
    struct topic **found)
{
	uint64_t h = name_hash_begin(true);
	size_t n = 0;
	struct topic *t;

	t = find(topics, name_hash(channel, len, false), channel, len, false);
	if (t != NULL)
		found[n++] = t;
	for (size_t i = 0; i < len && i < 255; i++) {
		h = name_hash_add(h, channel[i]);
		if (topics->prefix_lens[i + 1] == 0)
			continue;
		t = find(topics, name_hash_end(h), channel, i + 1, true);
		if (t != NULL)
			found[n++] = t;
	}
	return n;
}

void
topics_free(struct topics *topics)
{
	free(topics->buckets);
	*topics = (struct topics){ 0 };
}
