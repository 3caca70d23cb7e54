/* SPDX-License-Identifier: MIT */
/* The set of subscriptions of a client, small ones and one of 10,000. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/engine/sub.h"
#include "shared/engine/subs.h"
#include "shared/engine/topic.h"
#include "shared/intake/interest.h"
#include "shared/table/change.h"
#include "tests/tap/tap.h"

#define MANY 10000

static struct topics topics; /* for its prefix_lens alone */

static struct want
want(const char *name, bool is_prefix)
{
	return (struct want){ .name = name,
		.len = strlen(name),
		.is_prefix = is_prefix };
}

/* A subscription with a topic of its own. */
static struct sub *
new_sub(const char *name, bool is_prefix, int64_t after)
{
	size_t len = strlen(name);
	struct topic *topic = xcalloc(1, sizeof(*topic) + len + 1);
	struct sub *sub = xcalloc(1, sizeof(*sub));

	memcpy(topic->name, name, len);
	topic->len = (uint8_t)len;
	topic->is_prefix = is_prefix;
	topic->hash = name_hash(name, len, is_prefix);
	if (is_prefix)
		topics.prefix_lens[len]++;
	sub->topic = topic;
	sub->after = after;
	return sub;
}

static void
free_sub(struct sub *sub)
{
	if (sub->topic->is_prefix)
		topics.prefix_lens[sub->topic->len]--;
	free(sub->topic);
	free(sub);
}

static bool
has(const struct subs *subs, const char *name, bool is_prefix)
{
	struct want w = want(name, is_prefix);
	const struct sub *sub = subs_find(subs, &w);

	return sub != NULL && strcmp(sub->topic->name, name) == 0 &&
	       sub->topic->is_prefix == is_prefix;
}

static void
remove_one(struct subs *subs, const char *name, bool is_prefix)
{
	struct want w = want(name, is_prefix);
	struct sub *sub = subs_find(subs, &w);

	if (sub == NULL)
		bail("%s is not there", name);
	subs_remove(subs, sub);
	free_sub(sub);
}

static size_t
count(const struct subs *subs)
{
	const struct sub *sub;
	size_t n = 0;

	SUBS_FOREACH(sub, subs)
	{
		n++;
	}
	return n;
}

static void
take_all(struct subs *subs)
{
	struct sub *sub;

	while ((sub = subs_take(subs)) != NULL)
		free_sub(sub);
}

static void
test_few(void)
{
	struct subs subs = { 0 };
	size_t n;

	ok(!has(&subs, "a", false), "an empty set has nothing");
	is_int((long long)count(&subs), 0, "to go through");
	ok(subs_take(&subs) == NULL, "nor to take");
	free(subs_wants(&subs, 1, &n));
	is_int((long long)n, 0, "nor to want");
	subs_add(&subs, new_sub("a", false, 0));
	ok(has(&subs, "a", false), "one is found");
	ok(!has(&subs, "a", true), "not as a prefix");
	ok(!has(&subs, "A", false), "not in another case");
	ok(!has(&subs, "", false) && !has(&subs, "aa", false),
	    "nor by part of it or more");
	subs_add(&subs, new_sub("a", true, 0));
	ok(has(&subs, "a", false) && has(&subs, "a", true),
	    "a channel and a prefix of one name are two");
	remove_one(&subs, "a", false);
	ok(!has(&subs, "a", false) && has(&subs, "a", true),
	    "one of them is taken away");
	is_int((long long)subs.n, 1, "one is left");
	take_all(&subs);
	ok(subs.buckets == NULL && subs.n == 0, "an emptied set holds nothing");
}

static const char *
name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "channel.%d", i);
	return name;
}

static void
test_many(void)
{
	struct subs subs = { 0 };
	int wrong = 0;
	size_t most = 0;

	for (int i = 0; i < MANY; i++)
		subs_add(&subs, new_sub(name_of(i), i % 3 == 0, i));
	is_int((long long)subs.n, MANY, "%d are added", MANY);
	is_int((long long)count(&subs), MANY, "each is met once");
	for (int i = 0; i < MANY; i++)
		wrong += !has(&subs, name_of(i), i % 3 == 0) ||
			 has(&subs, name_of(i), i % 3 != 0);
	is_int(wrong, 0, "and found, as what it is");
	for (size_t i = 0; i < subs.nbuckets; i++) {
		size_t n = 0;

		for (const struct sub *sub = subs.buckets[i]; sub != NULL;
		     sub = sub->next)
			n++;
		most = n > most ? n : most;
	}
	ok(most <= 20, "no bucket is long (%zu)", most);
	for (int i = 0; i < MANY; i += 2)
		remove_one(&subs, name_of(i), i % 3 == 0);
	is_int((long long)count(&subs), MANY / 2, "half are taken away");
	for (int i = 0; i < MANY; i++)
		wrong += has(&subs, name_of(i), i % 3 == 0) != (i % 2 == 1);
	is_int(wrong, 0, "the other half is there");
	for (int i = 0; i < MANY; i += 2)
		subs_add(&subs, new_sub(name_of(i), i % 3 == 0, 0));
	is_int((long long)count(&subs), MANY, "and they come again");
	for (int i = 0; i < MANY; i++) {
		struct sub *sub = subs_take(&subs);

		wrong += sub == NULL;
		if (sub != NULL)
			free_sub(sub);
		wrong += (int)subs.n != MANY - 1 - i;
	}
	is_int(wrong, 0, "all are taken, one by one");
	ok(subs_take(&subs) == NULL, "then there is none");
	ok(subs.buckets == NULL, "and nothing is held");
}

/* Who lacks a message: the channel, any of its prefixes, and how far each is.
 */
static void
test_lack(void)
{
	static const struct {
		const char *channel;
		int64_t id;
		bool lacks;
	} rows[] = {
		{ "a", 10, false },
		{ "a", 11, true },
		{ "b", 11, false },
		{ "x.y", 5, false },
		{ "x.y", 6, true },
		{ "x.", 6, true },
		{ "x", 6, false },
		{ "x.y.z", 3, false },
		{ "x.y.z", 4, true },
		{ "x.y.", 4, true },
		{ "x.yz", 4, false },
		{ "x.yz", 6, true },
		{ "X.y", 100, false },
		{ "", 100, false },
	};
	struct subs subs = { 0 };
	struct change ch = { 0 };

	ch.channel = "a";
	ch.channel_len = 1;
	ch.id = 1;
	ok(!subs_lack(&subs, &topics, &ch), "an empty set lacks nothing");
	subs_add(&subs, new_sub("a", false, 10));
	subs_add(&subs, new_sub("x.", true, 5));
	subs_add(&subs, new_sub("x.y.", true, 3));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ch.channel = rows[i].channel;
		ch.channel_len = strlen(rows[i].channel);
		ch.id = rows[i].id;
		ok(subs_lack(&subs, &topics, &ch) == rows[i].lacks,
		    "message %d of '%s'", (int)rows[i].id, rows[i].channel);
	}
	take_all(&subs);
}

/* The longest name there is, as a channel and as a prefix. */
static void
test_longest(void)
{
	struct subs subs = { 0 };
	struct change ch = { 0 };
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	ch.channel = name;
	ch.channel_len = 255;
	ch.id = 8;
	subs_add(&subs, new_sub(name, true, 7));
	ok(subs_lack(&subs, &topics, &ch), "a prefix of 255 bytes is lacking");
	remove_one(&subs, name, true);
	ok(!subs_lack(&subs, &topics, &ch), "taken away it is not");
	subs_add(&subs, new_sub(name, false, 8));
	ok(!subs_lack(&subs, &topics, &ch), "a channel that has got it");
	take_all(&subs);
}

static void
test_wants(void)
{
	struct subs subs = { 0 };
	struct want *wants;
	size_t n, wrong = 0;

	for (int i = 0; i < 100; i++)
		subs_add(&subs, new_sub(name_of(i), i % 2 == 0, i));
	wants = subs_wants(&subs, 40, &n);
	is_int((long long)n, 40, "those that lack something up to an id");
	for (size_t i = 0; i < n; i++)
		wrong +=
		    wants[i].len != strlen(wants[i].name) ||
		    atoi(wants[i].name + 8) >= 40 ||
		    wants[i].is_prefix != (atoi(wants[i].name + 8) % 2 == 0);
	is_int((long long)wrong, 0, "as what they are");
	free(wants);
	wants = subs_wants(&subs, INT64_MAX, &n);
	is_int((long long)n, 100, "all of them");
	free(wants);
	take_all(&subs);
}

int
main(void)
{
	test_few();
	test_many();
	test_lack();
	test_longest();
	test_wants();
	return done();
}
