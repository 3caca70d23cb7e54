/* SPDX-License-Identifier: MIT */
/*
 * Held clients: slow ones, those that take nothing, and what each gets while
 * its subscriptions come and go.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "shared/base/log.h"
#include "shared/publish/mute.h"
#include "tests/tap/foreign.h"
#include "tests/tap/held.h"
#include "tests/tap/tap.h"

static void
no_line(const char *line)
{
	(void)line;
}

/* The queue is the table: a slow reader goes back to it and catches up. */
static void
test_slow(void)
{
	static const struct want a[] = { W("a", false) };
	struct held slow, fast;
	char data[2000];
	bool was_behind = false;

	start_hub("slow.db");
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	hold(&slow, &stream, a, 1, "latest", 60000, 4608);
	hold(&fast, &stream, a, 1, "latest", 60000, 1 << 20);
	for (int i = 0; i < 300; i++) {
		insert("a", data);
		run_for(1);
		take(&fast, SIZE_MAX);
		was_behind = was_behind || slow.client.state == CLIENT_BEHIND;
	}
	insert("a", "the end");
	ok(wait_for(&fast, "the end", 5000), "a fast one is not held up");
	is_int(in_order(&fast.got), 301, "and has all");
	ok(was_behind, "a slow one goes behind");
	ok(slow.sink.queued <= 64 * 1024 + sizeof(data),
	    "and holds a bounded queue (%zu)", slow.sink.queued);
	for (int i = 0; i < 3000 && slow.sink.queued > 0; i++) {
		take(&slow, 700);
		run_for(1);
		if (slow.got.p != NULL && strstr(slow.got.p, "the end"))
			break;
	}
	ok(wait_for(&slow, "the end", 10000), "it catches up");
	is_int(in_order(&slow.got), 301, "and misses nothing");
	run_for(100);
	is_int(slow.client.state, CLIENT_LIVE, "it is live again");
	insert("a", "and on");
	ok(wait_for(&slow, "and on", 5000), "and goes on");
	release(&slow);
	release(&fast);
	stop_hub();
}

/* One that takes nothing at all while much waits is cut. */
static void
test_stuck(void)
{
	static const struct want a[] = { W("a", false) };
	struct held stuck, other;
	char data[4000];

	start_hub("stuck.db");
	config.queue_bytes = 50000;
	config.stall_ms = 60000;
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	hold(&stuck, &stream, a, 1, "latest", 600000, 4608);
	hold(&other, &stream, a, 1, "latest", 600000, 1 << 20);
	foreign_run(writer, "BEGIN");
	for (int i = 0; i < 100; i++)
		insert("a", data);
	insert("a", "all of it");
	foreign_run(writer, "COMMIT");
	wait_for(&other, "all of it", 5000);
	ok(!stuck.gone, "it has a moment");
	run_for(2600);
	insert("a", "one more");
	wait_for(&other, "one more", 5000);
	run_for(50);
	ok(stuck.gone, "then it is cut");
	ok(!other.gone, "nobody else is");
	is_int(in_order(&other.got), 102, "or misses anything");
	release(&stuck);
	config.stall_ms = 300;
	hold(&stuck, &stream, a, 1, "latest", 600000, 4608);
	for (int i = 0; i < 10; i++)
		insert("a", data);
	run_for(1000);
	ok(stuck.gone, "and so is one that stalls with little waiting");
	release(&stuck);
	release(&other);
	stop_hub();
}

static void
test_life(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;

	start_hub("life.db");
	config.heartbeat_ms = 50;
	hold(&held, &stream, a, 1, "latest", 2000, 1 << 20);
	ok(wait_for(&held, "beat", 2000), "a sign of life");
	ok(wait_for(&held, "bye", 6000), "and an orderly end");
	run_for(20);
	ok(held.gone, "it is closed then");
	release(&held);
	hold(&held, &once, a, 1, "latest", 100, 1 << 20);
	ok(wait_for(&held, "[]", 2000), "nothing came: an empty answer");
	release(&held);
	/* The database is replaced in the moment in which its time is over. */
	hold(&held, &once, a, 1, "latest", 60000, 1 << 20);
	client_restart(&held.client);
	client_finish(&held.client);
	hub_settle(&hub);
	ok(wait_for(&held, "[] reset", 2000), "a reset is told to the last");
	release(&held);
	stop_hub();
}

static void
test_once(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;
	int64_t id;
	char since[32];
	int n = 0;

	start_hub("once.db");
	id = insert("a", "first");
	snprintf(since, sizeof(since), "%lld", (long long)id);
	hold(&held, &once, a, 1, "0", 60000, 1 << 20);
	ok(wait_for(&held, "first", 1000), "what is there is answered at once");
	run_for(5);
	ok(held.gone, "and that is all");
	release(&held);
	hold(&held, &once, a, 1, since, 60000, 1 << 20);
	run_for(50);
	ok(!held.gone, "with nothing new it is held");
	foreign_run(writer, "BEGIN");
	insert("a", "second");
	insert("b", "not wanted");
	insert("a", "third");
	foreign_run(writer, "COMMIT");
	ok(wait_for(&held, "third", 5000), "until something comes");
	ok(strstr(held.got.p, "=second\n,") != NULL,
	    "what was committed together comes together");
	release(&held);
	config.max_messages = 3;
	for (int i = 0; i < 10; i++)
		insert("a", "m");
	hold(&held, &once, a, 1, since, 60000, 1 << 20);
	wait_for(&held, "]", 1000);
	for (const char *p = held.got.p; p != NULL; p = strchr(p + 1, '='))
		n++;
	is_int(n - 1, 3, "no more than max_messages in one answer");
	release(&held);
	stop_hub();
}

/* Subscriptions that are added later, from an earlier place. */
static void
test_subscribe(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want b[] = { W("b", false) };
	static const struct want c[] = { W("c", true) };
	struct held held;
	int64_t middle = 0;

	start_hub("subscribe.db");
	for (int i = 0; i < 20; i++) {
		insert("a", "a-old");
		insert("b", "b-old");
		middle = i == 9 ? insert("c.1", "c-old") : middle;
	}
	hold(&held, &stream, a, 1, "earliest", 60000, 1 << 20);
	wait_for(&held, "a-old", 1000);
	str_clear(&held.got);
	ok(client_has(&held.client, a), "it has its subscription");
	ok(!client_has(&held.client, b), "and no other");
	client_subscribe(&held.client, b, 1, middle);
	run_for(50);
	take(&held, SIZE_MAX);
	is_int(in_order(&held.got), 10, "the other channel behind that place");
	ok(strstr(held.got.p, "a-old") == NULL, "nothing twice");
	str_clear(&held.got);
	client_subscribe(&held.client, c, 1, 0);
	insert("b", "b-new");
	ok(wait_for(&held, "b-new", 2000), "a third one, and what is new");
	is_int(in_order(&held.got), 2, "each once");
	str_clear(&held.got);
	client_unsubscribe(&held.client, b, 1);
	insert("b", "b-more");
	insert("a", "a-new");
	ok(wait_for(&held, "a-new", 2000), "one is taken away");
	is_int(in_order(&held.got), 1, "and is not heard any more");
	client_unsubscribe(&held.client, a, 1);
	client_unsubscribe(&held.client, c, 1);
	insert("a", "unheard");
	run_for(50);
	client_subscribe(&held.client, b, 1, hub.last_id);
	insert("b", "b-again");
	str_clear(&held.got);
	ok(wait_for(&held, "b-again", 2000), "subscribed again after nothing");
	is_int(in_order(&held.got), 1, "only what is new");
	release(&held);
	stop_hub();
}

/*
 * One that is far behind subscribes to something from a later place: from that
 * one it gets what lies behind the place and nothing before it.
 */
static void
test_subscribe_behind(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want b[] = { W("b", false) };
	struct held held;
	char data[2000];
	int64_t id = 0;
	int n = 0;

	start_hub("subscribe-behind.db");
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	for (int i = 0; i < 200; i++) {
		insert("a", data);
		id = insert("b", "b-old");
	}
	hold(&held, &stream, a, 1, "earliest", 60000, 4608);
	is_int(held.client.state, CLIENT_BEHIND, "it can't take all at once");
	client_subscribe(&held.client, b, 1, id - 1);
	insert("a", "the end");
	ok(wait_for(&held, "the end", 10000), "it gets through");
	is_int(in_order(&held.got), 202, "all of a, one of b, in order");
	for (const char *p = held.got.p; (p = strstr(p, "b-old")) != NULL; p++)
		n++;
	is_int(n, 1, "of b only what it asked for");
	release(&held);
	stop_hub();
}

/* Random channels, random pauses, readers that come and go with a cursor. */
static void
test_random(void)
{
	static const struct want want[] = { W("a", false), W("b", false),
		W("x.", true) };
	static const char *const names[] = { "a", "b", "c", "x.1", "x.2" };
	struct held held;
	struct str all = { 0 }, sent = { 0 };
	char since[32] = "0";
	uint32_t seed = 4711;
	int wrong = 0;

	start_hub("random.db");
	for (int i = 0; i < 60; i++) {
		const char *line = NULL;

		hold(&held, &stream, want, 3, since, 60000,
		    i % 3 == 0 ? 4608 : 1 << 20);
		for (int j = 0; j < 30; j++) {
			int64_t id;
			uint32_t c;

			seed = seed * 1664525 + 1013904223;
			c = (seed >> 10) % 5;
			id = insert(names[c], "d");
			if (c != 2)
				str_addf(&sent, "%lld=d\n", (long long)id);
			if (seed >> 28 == 0)
				run_for(1);
			if (seed >> 29 == 1)
				take(&held, 100);
		}
		run_for((int)(seed >> 27) / 4);
		take(&held, i % 5 == 0 ? SIZE_MAX : 120);
		/* Goes with the last whole line that it has seen. */
		if (held.got.len > 0) {
			line = memrchr(held.got.p, '\n', held.got.len);
			held.got.len =
			    line == NULL ? 0 : (size_t)(line - held.got.p) + 1;
			str_add(&all, held.got.p, held.got.len);
		}
		if (all.len > 1) {
			line = memrchr(all.p, '\n', all.len - 1);
			snprintf(since, sizeof(since), "%lld",
			    atoll(line == NULL ? all.p : line + 1));
		}
		wrong += held.gone;
		release(&held);
	}
	hold(&held, &stream, want, 3, since, 60000, 1 << 20);
	run_for(100);
	take(&held, SIZE_MAX);
	str_add(&all, held.got.p, held.got.len);
	release(&held);
	is_int(wrong, 0, "nobody was cut");
	is_mem(all.p, all.len, sent.p, sent.len,
	    "over 60 reconnects every message once, in order");
	str_free(&all);
	str_free(&sent);
	stop_hub();
}

/* How often a text stands in what came. */
static int
count_of(const struct held *held, const char *text)
{
	int n = 0;

	for (const char *p = held->got.p; p != NULL; n++) {
		p = strstr(p, text);
		if (p == NULL)
			break;
		p++;
	}
	return n;
}

/*
 * A new subscription from every place before, at and beyond that of a live
 * client: of each channel what lies behind its own place, once and in order.
 */
static void
test_subscribe_everywhere(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want b[] = { W("b", false) };
	struct held held;
	char name[40];

	for (int after = 0; after <= 14; after++) {
		snprintf(name, sizeof(name), "from-%d.db", after);
		start_hub(name);
		for (int i = 0; i < 5; i++) {
			insert("a", "a-old");
			insert("b", "b");
		}
		hold(&held, &stream, a, 1, "10", 60000, 1 << 20);
		client_subscribe(&held.client, b, 1, after);
		for (int i = 0; i < 4; i++)
			insert("b", "b");
		insert("a", "a-new");
		wait_for(&held, "a-new", 5000);
		is_int(in_order(&held.got),
		    1 + foreign_int(writer,
			    "SELECT count(*) FROM changes "
			    "WHERE channel = 'b' AND id > %d",
			    after),
		    "subscribed behind %d of 10", after);
		is_int(count_of(&held, "a-old"), 0, "and nothing twice");
		release(&held);
		stop_hub();
	}
}

/*
 * While a client is fed from an earlier place for one subscription, another is
 * added from a place before that one's: what it has got of the first does not
 * come again.
 */
static void
test_subscribe_while_fed(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want b[] = { W("b", false) };
	static const struct want c[] = { W("c", false) };
	struct held held;
	char data[2000];

	start_hub("subscribe-while-fed.db");
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	foreign_run(writer, "BEGIN");
	for (int i = 0; i < 10; i++)
		insert("c", "c-old");
	for (int i = 0; i < 200; i++) {
		insert("a", "a-old");
		insert("b", data);
	}
	foreign_run(writer, "COMMIT");
	hold(&held, &stream, a, 1, "latest", 60000, 4608);
	client_subscribe(&held.client, b, 1, 0);
	for (int i = 0; i < 200 && held.client.pos < 50; i++)
		run_for(1);
	ok(held.client.state == CLIENT_BEHIND && held.client.pos >= 50 &&
		held.client.pos < 400,
	    "it is in the midst of b");
	client_subscribe(&held.client, c, 1, 5);
	insert("a", "the end");
	ok(wait_for(&held, "the end", 10000), "it gets through");
	is_int(count_of(&held, "xxx\n"), 200, "all of b, each once");
	is_int(count_of(&held, "c-old"), 5, "of c what lies behind its place");
	is_int(count_of(&held, "a-old"), 0, "of a only what is new");
	release(&held);
	stop_hub();
}

/* Places at random, and a reader that reads at random. */
static void
test_subscribe_random(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
	struct want want = W("a", false);
	struct held held;
	int64_t from[6], id = 0, last[6] = { 0 };
	uint32_t seed = 815;
	int n[6] = { 0 }, twice = 0, early = 0;
	char data[3000];

	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	start_hub("subscribe-random.db");
	foreign_run(writer, "BEGIN");
	for (int i = 0; i < 600; i++)
		id = insert(names[i * 7 / 3 % 6], data);
	foreign_run(writer, "COMMIT");
	hold(&held, &stream, &want, 1, "300", 60000, 4608);
	from[0] = 300;
	for (int i = 1; i < 6; i++) {
		seed = seed * 1664525 + 1013904223;
		want.name = names[i];
		from[i] = (seed >> 10) % 700;
		if (from[i] > id)
			from[i] = id;
		client_subscribe(&held.client, &want, 1, from[i]);
		for (uint32_t left = (seed >> 5) % 40; left > 0; left--) {
			take(&held, 3000);
			run_for(1);
		}
		id = insert(names[i], "something new");
	}
	id = insert("a", "the end");
	ok(wait_for(&held, "the end", 20000), "six subscriptions, one by one");
	for (const char *p = held.got.p; *p != '\0'; p = strchr(p, '\n') + 1) {
		int64_t got = atoll(p);
		int k = (int)(foreign_int(writer,
				  "SELECT unicode(channel) FROM changes WHERE "
				  "id = %lld",
				  (long long)got) -
			      'a');

		n[k]++;
		early += got <= from[k];
		twice += got <= last[k];
		last[k] = got;
	}
	is_int(early, 0, "nothing before its place");
	is_int(twice, 0, "nothing twice and each channel in order");
	for (int k = 0; k < 6; k++)
		is_int(n[k],
		    (int)foreign_int(writer,
			"SELECT count(*) FROM changes WHERE channel = %Q AND "
			"id > %lld",
			names[k], (long long)from[k]),
		    "nothing of %s is lost", names[k]);
	release(&held);
	stop_hub();
}

/* A message that its publisher is not to get: everybody else does. */
static void
test_muted(void)
{
	static const struct want a[] = { W("a", false) };
	struct held one, two;
	struct mute *mute, *never;

	start_hub("muted.db");
	hold(&one, &stream, a, 1, "latest", 60000, 1 << 20);
	hold(&two, &stream, a, 1, "latest", 60000, 1 << 20);
	insert("a", "before");
	never = client_mute(&one.client, 1);
	mute_set(never, 0, -1);
	mute_tell(never);
	mute_settle(never);
	mute = client_mute(&one.client, 1);
	foreign_run(writer, "BEGIN");
	mute_set(mute, 0, insert("a", "its own"));
	mute_tell(mute);
	insert("a", "of another");
	foreign_run(writer, "COMMIT");
	ok(wait_for(&one, "of another", 5000), "what is around it is heard");
	ok(strstr(one.got.p, "before") != NULL, "what was before as well");
	ok(strstr(one.got.p, "its own") == NULL, "not what it said itself");
	ok(wait_for(&two, "its own", 5000), "the others hear it");
	mute_settle(mute);
	/* It goes while its message is on the way. */
	mute = client_mute(&one.client, 1);
	release(&one);
	mute_set(mute, 0, insert("a", "the last"));
	mute_tell(mute);
	mute_settle(mute);
	ok(wait_for(&two, "the last", 5000), "also after it has gone");
	release(&two);
	stop_hub();
}

/*
 * One that has nothing to beat for, as on a WebSocket, and is to be fed in the
 * moment in which the database fails.
 */
static void
test_failed_feed(void)
{
	static const struct want a[] = { W("a", false) },
				 b[] = { W("b", false) };
	struct transport quiet = stream;
	struct held held;

	quiet.beat = NULL;
	start_hub_checking("failed.db", 50);
	insert("b", "old");
	hold(&held, &quiet, a, 1, "latest", 600000000, 1 << 20);
	run_for(50);
	client_subscribe(&held.client, b, 1, 0);
	db_give_up(&hub.db, DB_FAILED);
	run_for(20);
	insert("b", "new");
	ok(wait_for(&held, "new", 10000),
	    "who is behind when the database fails is fed when it is back");
	release(&held);
	stop_hub();
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(no_line);
	test_slow();
	test_stuck();
	test_life();
	test_once();
	test_subscribe();
	test_subscribe_behind();
	test_subscribe_everywhere();
	test_subscribe_while_fed();
	test_subscribe_random();
	test_muted();
	test_failed_feed();
	test_random();
	return done();
}
