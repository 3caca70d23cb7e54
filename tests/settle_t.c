/* SPDX-License-Identifier: MIT */
/*
 * Writing to a crowd, by io_uring and without: the same comes out, whatever
 * their sockets take and whoever goes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/log.h"
#include "tests/tap/foreign.h"
#include "tests/tap/held.h"
#include "tests/tap/tap.h"

#define CROWD 600 /* more than two batches */

static const struct want a[] = { W("a", false) };
static struct held crowd[CROWD];
static bool has_uring; /* as sendq_new says */
static bool wanted;    /* by the setting */
static char data[6001];

static void
assemble(const char *name, bool uring, int few_sndbuf)
{
	wanted = uring;
	start_hub(name);
	config.io_uring = uring;
	for (int i = 0; i < CROWD; i++)
		hold(&crowd[i], &stream, a, 1, "latest", 60000,
		    i % 15 == 0 ? few_sndbuf : 1 << 18);
}

static void
dismiss(void)
{
	/* A checker may be so slow that a turn has no time for a batch. */
	ok((hub.settle.batched > 0) == (wanted && has_uring) ||
		(hub.settle.batched == 0 && getenv("TIDINGS_CHECKED") != NULL),
	    "%llu sends left in batches",
	    (unsigned long long)hub.settle.batched);
	is_int((long long)hub.ndirty, 0, "nobody waits to be written to");
	for (int i = 0; i < CROWD; i++)
		release(&crowd[i]);
	stop_hub();
}

/* How many of `first`, `first` + `step` ... lack some of `n` messages. */
static int
lacking(int first, int step, int n)
{
	int wrong = 0;

	for (int i = first; i < CROWD; i += step)
		wrong += !wait_for(&crowd[i], "last", 5000) ||
			 in_order(&crowd[i].got) != n;
	return wrong;
}

static void
test_messages(const char *name, bool uring)
{
	assemble(name, uring, 1 << 18);
	for (int i = 0; i < 20; i++) {
		insert("a", "some");
		run_for(i % 5);
	}
	insert("a", "last");
	is_int(lacking(0, 1, 21), 0, "each has each message once, in order");
	dismiss();
}

/* Some of the sockets take less than a message, or nothing for a while. */
static void
test_slow(const char *name, bool uring)
{
	assemble(name, uring, 1);
	for (int i = 0; i < 12; i++) {
		insert("a", data);
		run_for(5);
	}
	ok(crowd[0].sink.blocked && !crowd[1].sink.blocked,
	    "some are blocked, others are not");
	insert("a", "last");
	is_int(lacking(1, 3, 13), 0, "those who read have all");
	is_int(lacking(0, 15, 13), 0, "and so have the slow, in the end");
	dismiss();
}

static void
test_gone(const char *name, bool uring)
{
	int stay = 0;

	assemble(name, uring, 1 << 18);
	for (int i = 0; i < CROWD; i += 2) {
		close(crowd[i].peer);
		crowd[i].peer = -1;
		/* That they are gone is to be seen by writing alone. */
		sink_want_input(&crowd[i].sink, false);
	}
	insert("a", "last");
	is_int(lacking(1, 2, 1), 0, "who is there has it");
	for (int i = 0; i < CROWD; i++)
		stay += !crowd[i].gone;
	is_int(stay, CROWD / 2, "who is not is closed");
	dismiss();
}

/* The first one that is given up takes all others along. */
static void
take_all_along(struct client *client)
{
	(void)client;
	for (int i = 0; i < CROWD; i++)
		release(&crowd[i]);
}

static void
test_taken_along(const char *name, bool uring)
{
	int gone = 0;

	assemble(name, uring, 1 << 18);
	for (int i = 0; i < CROWD; i++) {
		crowd[i].client.gone = take_all_along;
		if (i % 2 == 0)
			continue;
		close(crowd[i].peer);
		crowd[i].peer = -1;
		sink_want_input(&crowd[i].sink, false);
	}
	insert("a", "last");
	run_for(50);
	for (int i = 0; i < CROWD; i++)
		gone += crowd[i].gone;
	is_int(gone, CROWD, "whoever is called back may close all others");
	is_int((long long)hub.nclients, 0, "nobody is left");
	for (int i = 0; i < CROWD; i++)
		crowd[i].peer = -1;
	dismiss();
}

/* Much at once, more than a queue may hold: their sockets take it. */
static void
test_burst(const char *name, bool uring)
{
	int live = 0;

	assemble(name, uring, 1 << 18);
	insert("a", "alone");
	hub_refresh(&hub);
	foreign_run(writer, "BEGIN");
	for (int i = 0; i < 999; i++)
		insert("a", "some fifty bytes, such as a feeder of prices has");
	insert("a", "last");
	foreign_run(writer, "COMMIT");
	hub_refresh(&hub);
	for (int i = 0; i < CROWD; i++)
		live += crowd[i].client.state == CLIENT_LIVE;
	is_int(live, CROWD, "nobody falls behind by a burst");
	is_int(lacking(0, 1, 1001), 0, "each has all of it");
	dismiss();
}

/* Others have a turn meanwhile, however many are to be written to. */
static void
test_time(const char *name, bool uring)
{
	assemble(name, uring, 1 << 18);
	for (int i = 0; i < CROWD; i++)
		client_push(&crowd[i].client,
		    stream.beat(crowd[i].client.form));
	is_int(hub.ndirty, CROWD, "each has something to be written");
	settle_some(&hub, 0);
	is_int(hub.ndirty, CROWD, "which waits where the time is over");
	insert("a", "first");
	hub_refresh(&hub);
	ok(hub.more && hub.ndirty == CROWD,
	    "nothing more is read for them before they have it");
	insert("a", "last");
	is_int(lacking(0, 1, 2), 0, "then all comes, in order");
	dismiss();
}

static void
test_end(const char *name, bool uring)
{
	int gone = 0, told = 0;

	assemble(name, uring, 1 << 18);
	for (int i = 0; i < CROWD; i++)
		client_finish(&crowd[i].client);
	while (hub.ndirty > 0)
		hub_settle(&hub);
	for (int i = 0; i < CROWD; i++) {
		gone += crowd[i].gone;
		take(&crowd[i], SIZE_MAX);
		told += crowd[i].got.p != NULL &&
			strcmp(crowd[i].got.p, "bye\n") == 0;
	}
	is_int(told, CROWD, "all are told of the end");
	is_int(gone, CROWD, "and closed");
	dismiss();
}

int
main(void)
{
	struct sendq *q;

	log_init("settle.t", LOG_LEVEL_INFO);
	ev_default_loop(0);
	q = sendq_new();
	has_uring = q != NULL;
	sendq_free(q);
	memset(data, 'd', sizeof(data) - 1);
	diag("io_uring is %sthere", has_uring ? "" : "not ");
	for (int uring = 0; uring < 2; uring++) {
		diag("io_uring = %s", uring ? "yes" : "no");
		test_messages(uring ? "m1.db" : "m0.db", uring);
		test_slow(uring ? "s1.db" : "s0.db", uring);
		test_gone(uring ? "g1.db" : "g0.db", uring);
		test_taken_along(uring ? "t1.db" : "t0.db", uring);
		test_burst(uring ? "b1.db" : "b0.db", uring);
		test_time(uring ? "w1.db" : "w0.db", uring);
		test_end(uring ? "e1.db" : "e0.db", uring);
	}
	return done();
}
