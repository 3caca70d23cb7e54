/* SPDX-License-Identifier: MIT */
/*
 * Issue 12: a held client that was behind lost what was pruned meanwhile and
 * was never told, and a live one missed a message that was removed in the
 * moment of its commit.  One loss is one reset, and no loss is none.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "shared/base/log.h"
#include "tests/tap/foreign.h"
#include "tests/tap/held.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define MANY     1500 /* channels: more than are read along their index */

static void
no_line(const char *line)
{
	(void)line;
}

/* A hub with a database of its own. */
static void
start_anew(void)
{
	static int n;
	char name[32];

	snprintf(name, sizeof(name), "loss-%d.db", n++);
	start_hub(name);
}

/* How often a text stands in what came. */
static int
count_of(const struct held *held, const char *text)
{
	int n = 0;

	for (const char *p = held->got.p;
	     p != NULL && (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

/* What clients of a test subscribe to; all of them have the channel "a". */
static const struct want one[] = { W("a", false) };
static const struct want some[] = { W("a", false), W("b", false),
	W("none", false) };
static const struct want prefix[] = { W("a", true) };
static const struct want mixed[] = { W("none.", true), W("a", false) };
static struct want many[MANY];
static const struct {
	const char *what;
	const struct want *want;
	size_t n;
} kinds[] = {
	{ "a channel", one, N(one) },
	{ "some channels", some, N(some) },
	{ "a prefix", prefix, N(prefix) },
	{ "a prefix and a channel", mixed, N(mixed) },
	{ "very many channels", many, MANY },
};

static void
name_many(void)
{
	static char names[MANY][8];

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "m%zu", i);
		many[i] =
		    (struct want){ .name = names[i], .len = strlen(names[i]) };
	}
	many[MANY / 2] = one[0];
}

/* `n` messages of 2,000 bytes; returns the id of the last one. */
static int64_t
fill(const char *channel, int n)
{
	char data[2000];
	int64_t id = 0;

	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	foreign_run(writer, "BEGIN");
	for (int i = 0; i < n; i++)
		id = insert(channel, data);
	foreign_run(writer, "COMMIT");
	return id;
}

/*
 * A client that does not read is fed later: what was removed of its own
 * channel before it came there is one reset, however many feedings follow.
 */
static void
test_behind(void)
{
	static const struct {
		const char *what;
		const char *prune;
		int resets;
	} prunings[] = {
		{ "nothing", "SELECT 1", 0 },
		{ "its channel's oldest", "DELETE FROM changes WHERE id <= 90",
		    1 },
		{ "one message",
		    "DELETE FROM changes WHERE id = (SELECT max(id) FROM "
		    "changes WHERE channel = 'a' AND length(data) > 100)",
		    1 },
		{ "another channel", "DELETE FROM changes WHERE channel = 'c'",
		    0 },
		{ "what had run out",
		    "DELETE FROM changes WHERE expires_ms IS NOT NULL", 0 },
	};

	for (size_t k = 0; k < N(kinds); k++)
		for (size_t p = 0; p < N(prunings); p++) {
			struct held held;
			int64_t pos;
			int want;

			start_anew();
			hold(&held, &stream, kinds[k].want, kinds[k].n,
			    "latest", 60000, 4608);
			for (int i = 0; i < 10; i++) {
				fill("a", 12);
				insert("c", "other");
				foreign_run(writer,
				    "INSERT INTO changes (channel, data, "
				    "expires_ms) VALUES ('a', 'gone', 1000)");
				run_for(1);
			}
			for (int i = 0;
			     i < 2000 && held.client.pos + 40 > hub.last_id;
			     i++)
				run_for(1);
			pos = held.client.pos;
			foreign_run(writer, "%s", prunings[p].prune);
			want = (int)foreign_int(writer,
			    "SELECT count(*) FROM changes WHERE channel = 'a' "
			    "AND expires_ms IS NULL AND id > %d",
			    (int)pos);
			insert("a", "the end");
			ok(wait_for(&held, "the end", 20000),
			    "%s, pruned: %s: it gets through", kinds[k].what,
			    prunings[p].what);
			is_int(count_of(&held, "reset"), prunings[p].resets,
			    "and is told as often as it lost something");
			ok(in_order(&held.got) >= want + 1,
			    "and gets all that is kept");
			release(&held);
			stop_hub();
		}
}

/* Removed in the very transaction, or before the hub looked. */
static void
test_live(void)
{
	static const struct {
		const char *what;
		const char *sql;
		int resets;
	} rows[] = {
		{ "its only message", "X('a'); D", 1 },
		{ "the first of two", "X('a'); D; I('a')", 1 },
		{ "the last of two", "I('a'); X('a'); D", 1 },
		{ "between others", "I('c'); X('a'); D; I('c')", 1 },
		{ "before its own", "I('c'); X('a'); D; I('a')", 1 },
		{ "a message of another", "I('a'); X('c'); D; I('a')", 0 },
		{ "only a message of another", "X('c'); D", 0 },
		{ "what had run out", "E('a'); D; I('a')", 0 },
	};

	for (size_t k = 0; k < N(kinds); k++) {
		struct held held, poll, other;

		start_anew();
		for (size_t r = 0; r < N(rows); r++) {
			static const struct want z[] = { W("z", false) };
			char sql[1000] = "BEGIN; ", end[32];

			for (const char *p = rows[r].sql; *p != '\0'; p++) {
				size_t n = strlen(sql);

				if (*p == 'I' || *p == 'X')
					snprintf(sql + n, sizeof(sql) - n,
					    "INSERT INTO changes (channel) "
					    "VALUES ");
				else if (*p == 'E')
					snprintf(sql + n, sizeof(sql) - n,
					    "INSERT INTO changes (expires_ms, "
					    "channel) SELECT 1, ");
				else if (*p == 'D')
					snprintf(sql + n, sizeof(sql) - n,
					    "DELETE FROM changes WHERE id = "
					    "(SELECT max(id) FROM changes)");
				else
					snprintf(sql + n, sizeof(sql) - n, "%c",
					    *p);
			}
			hold(&held, &stream, kinds[k].want, kinds[k].n,
			    "latest", 60000, 1 << 20);
			hold(&poll, &once, kinds[k].want, kinds[k].n, "latest",
			    60000, 1 << 20);
			hold(&other, &stream, z, 1, "latest", 60000, 1 << 20);
			foreign_run(writer, "%s; COMMIT", sql);
			snprintf(end, sizeof(end), "end %zu", r);
			run_for(5);
			insert("a", end);
			insert("z", end);
			ok(wait_for(&held, end, 5000), "%s, removed: %s",
			    kinds[k].what, rows[r].what);
			is_int(count_of(&held, "reset"), rows[r].resets,
			    "it is told if it was its own");
			ok(wait_for(&poll, "]", 5000), "a long poll as well");
			is_int(count_of(&poll, "] reset"), rows[r].resets,
			    "is told");
			ok(wait_for(&other, end, 5000), "who else is there");
			is_int(count_of(&other, "reset"), 0, "is not");
			release(&held);
			release(&poll);
			release(&other);
		}
		stop_hub();
	}
}

/* Words that ask for what is kept lose nothing by what went before. */
static void
test_words(void)
{
	static const char *const words[] = { "earliest", "-400", "latest" };

	for (size_t k = 0; k < N(kinds); k++)
		for (size_t w = 0; w < N(words); w++) {
			struct held held;

			start_anew();
			fill("a", 200);
			foreign_run(writer,
			    "DELETE FROM changes WHERE id > 20 AND id < 60");
			hold(&held, &stream, kinds[k].want, kinds[k].n,
			    words[w], 60000, 4608);
			insert("a", "first");
			ok(wait_for(&held, "first", 20000), "%s, since=%s",
			    kinds[k].what, words[w]);
			is_int(count_of(&held, "reset"), 0,
			    "what went before is no loss");
			foreign_run(writer,
			    "BEGIN; INSERT INTO changes (channel) VALUES "
			    "('a'); DELETE FROM changes WHERE id = (SELECT "
			    "max(id) FROM changes); COMMIT");
			insert("a", "second");
			ok(wait_for(&held, "second", 5000), "it goes on");
			is_int(count_of(&held, "reset"), 1,
			    "what goes later is");
			release(&held);
			stop_hub();
		}
}

/* One that came to an empty table has begun all the same. */
static void
test_empty(void)
{
	static const char *const words[] = { "earliest", "-1", "latest", "0" };

	for (size_t k = 0; k < N(kinds); k++)
		for (size_t w = 0; w < N(words); w++) {
			struct held held;

			start_anew();
			hold(&held, &stream, kinds[k].want, kinds[k].n,
			    words[w], 60000, 4608);
			foreign_run(writer,
			    "BEGIN; INSERT INTO changes (channel) VALUES "
			    "('a'); DELETE FROM changes; COMMIT");
			insert("a", "the end");
			ok(wait_for(&held, "the end", 5000),
			    "%s, since=%s of an empty table", kinds[k].what,
			    words[w]);
			is_int(count_of(&held, "reset"), 1, "it is told");
			release(&held);
			stop_hub();
		}
}

/* A reset that was due at the beginning is told once, by however many steps. */
static void
test_once_told(void)
{
	for (size_t k = 0; k < N(kinds); k++) {
		struct held held;

		start_anew();
		fill("a", 400);
		foreign_run(writer, "DELETE FROM changes WHERE id = 300");
		hold(&held, &stream, kinds[k].want, kinds[k].n, "1", 60000,
		    4608);
		insert("a", "the end");
		ok(wait_for(&held, "the end", 20000), "%s: a large backlog",
		    kinds[k].what);
		is_int(count_of(&held, "reset"), 1, "is behind one reset");
		ok(strncmp(held.got.p, "reset 1\n", 8) == 0, "the first thing");
		is_int(in_order(&held.got), 399, "and complete");
		release(&held);
		/* The same for one that the database leaves no choice. */
		hold(&held, &stream, kinds[k].want, kinds[k].n, "latest", 60000,
		    4608);
		client_restart(&held.client);
		insert("a", "the very end");
		ok(wait_for(&held, "the very end", 20000), "starting over");
		is_int(count_of(&held, "reset"), 1, "is one reset");
		is_int(in_order(&held.got), 401, "and complete");
		release(&held);
		/* And for the answer of a long poll, taken in pieces. */
		hold(&held, &once, kinds[k].want, kinds[k].n, "1", 60000,
		    1 << 20);
		ok(wait_for(&held, "]", 5000), "a long poll");
		is_int(count_of(&held, "] reset"), 1, "tells it with them");
		release(&held);
		stop_hub();
	}
}

/* Each of two losses is told, where it happened. */
static void
test_again(void)
{
	struct held held;
	int64_t first;

	start_anew();
	hold(&held, &stream, one, 1, "latest", 60000, 4608);
	fill("a", 300);
	run_for(20);
	first = held.client.pos;
	ok(first < 200, "it is behind (%lld)", (long long)first);
	foreign_run(writer, "DELETE FROM changes WHERE id <= %d",
	    (int)first + 20);
	for (int i = 0; i < 5000 && held.client.pos < first + 60; i++) {
		take(&held, 2000);
		run_for(1);
	}
	is_int(count_of(&held, "reset"), 1, "told of the first");
	ok(held.client.pos < 250, "it is behind still");
	foreign_run(writer, "DELETE FROM changes WHERE id <= %d", 280);
	insert("a", "the end");
	ok(wait_for(&held, "the end", 20000), "it gets through");
	is_int(count_of(&held, "reset"), 2, "and of the second");
	release(&held);
	stop_hub();
}

/* A subscription of a moment ago: of that channel everything or a reset. */
static void
test_subscribed_later(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want b[] = { W("b", false) };
	struct held held;

	start_anew();
	fill("b", 300);
	hold(&held, &stream, a, 1, "latest", 60000, 4608);
	client_subscribe(&held.client, b, 1, 0);
	run_for(20);
	ok(held.client.pos < 200, "it is in the midst of b");
	foreign_run(writer,
	    "BEGIN; INSERT INTO changes (channel) VALUES ('a'); DELETE FROM "
	    "changes WHERE channel = 'a'; COMMIT");
	insert("a", "the end");
	ok(wait_for(&held, "the end", 20000), "it gets through");
	is_int(count_of(&held, "reset"), 1, "a loss of the other is told");
	is_int(in_order(&held.got), 301, "and all of b comes");
	foreign_run(writer, "DELETE FROM changes WHERE channel = 'b'");
	insert("a", "and on");
	ok(wait_for(&held, "and on", 5000), "it goes on");
	is_int(count_of(&held, "reset"), 1, "what it had is no loss");
	release(&held);
	stop_hub();
}

/* The floor stands for the watermarks of all channels. */
static void
test_floor(void)
{
	struct held held;

	start_anew();
	hold(&held, &stream, one, 1, "latest", 60000, 1 << 20);
	foreign_run(writer,
	    "BEGIN; INSERT INTO changes (channel) VALUES ('a'); DELETE FROM "
	    "changes; UPDATE meta SET value = (SELECT max(pruned_id) FROM "
	    "watermarks) WHERE name = 'floor'; DELETE FROM watermarks; "
	    "COMMIT");
	insert("a", "the end");
	ok(wait_for(&held, "the end", 5000), "the floor was raised");
	is_int(count_of(&held, "reset"), 1, "which is a loss");
	release(&held);
	stop_hub();
}

/* What one client of the random test has seen. */
struct follower {
	struct held held;
	bool got[4000]; /* by id */
	int resets;
};

/* Takes the whole lines apart. */
static void
note(struct follower *f)
{
	char *p = f->held.got.p, *end;

	while (p != NULL && (end = strchr(p, '\n')) != NULL) {
		if (*p >= '0' && *p <= '9')
			f->got[atoi(p) % 4000] = true;
		else if (strncmp(p, "reset", 5) == 0)
			f->resets++;
		p = end + 1;
	}
	if (p != NULL) {
		f->held.got.len -= (size_t)(p - f->held.got.p);
		memmove(f->held.got.p, p, f->held.got.len);
		f->held.got.p[f->held.got.len] = '\0';
	}
}

static bool
is_of(const struct want *want, size_t n, const char *channel)
{
	for (size_t i = 0; i < n; i++)
		if (want[i].is_prefix
			? strncmp(channel, want[i].name, want[i].len) == 0
			: strcmp(channel, want[i].name) == 0)
			return true;
	return false;
}

/*
 * Writers that publish and remove at random, readers that read at random: who
 * has not got a message of its channels was told of a reset, and who got all
 * was not.
 */
static void
test_random(void)
{
	static const char *const channels[] = { "a", "b", "ab", "c" };
	static char channel[4000][4];
	static struct follower followers[N(kinds)];
	uint32_t seed = 12;
	int losers = 0, wrong = 0;

	for (int round = 0; round < 12; round++) {
		char data[1500];
		int64_t id = 0;

		start_anew();
		memset(data, 'x', sizeof(data) - 1);
		data[sizeof(data) - 1] = '\0';
		for (size_t k = 0; k < N(kinds); k++) {
			followers[k] = (struct follower){ 0 };
			hold(&followers[k].held, &stream, kinds[k].want,
			    kinds[k].n, "latest", 60000,
			    round % 2 == 0 ? 4608 : 1 << 20);
		}
		for (int i = 0; i < 150; i++) {
			bool whole;

			seed = seed * 1664525 + 1013904223;
			whole = (seed >> 20) % 2 == 0;
			if (whole)
				foreign_run(writer, "BEGIN");
			for (uint32_t j = 0; j <= (seed >> 8) % 6; j++) {
				const char *c = channels[(seed >> (j + 2)) % 4];

				id = insert(c, data);
				snprintf(channel[id], 4, "%s", c);
			}
			if ((seed >> 16) % 8 == 0)
				foreign_run(writer,
				    "DELETE FROM changes WHERE id >= %d AND "
				    "channel = %Q",
				    (int)(id - (seed >> 12) % 60),
				    channels[(seed >> 24) % 4]);
			if (whole)
				foreign_run(writer, "COMMIT");
			if ((seed >> 28) % 2 == 0)
				run_for(1);
			for (size_t k = 0; k < N(kinds); k++)
				take(&followers[k].held, (seed >> 18) % 4000);
		}
		id = insert("a", "the end");
		snprintf(channel[id], 4, "a");
		for (size_t k = 0; k < N(kinds); k++) {
			struct follower *f = &followers[k];
			int missed = 0;

			wrong += !wait_for(&f->held, "the end", 20000);
			note(f);
			for (int i = 1; i <= id; i++)
				missed +=
				    !f->got[i] && is_of(kinds[k].want,
						      kinds[k].n, channel[i]);
			losers += missed > 0;
			if ((missed > 0) != (f->resets > 0)) {
				wrong++;
				printf("# round %d, %s: %d missed, %d resets\n",
				    round, kinds[k].what, missed, f->resets);
			}
			release(&f->held);
		}
		stop_hub();
	}
	is_int(wrong, 0, "a reset for those who lost something, and no others");
	ok(losers > 8, "there were such (%d)", losers);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(no_line);
	name_many();
	test_behind();
	test_live();
	test_words();
	test_empty();
	test_once_told();
	test_again();
	test_subscribed_later();
	test_floor();
	test_random();
	return done();
}
