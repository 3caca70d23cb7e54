/* SPDX-License-Identifier: MIT */
/*
 * Hub and watch together, in one process with a real loop: a foreign writer,
 * and what must come out at the other end of held clients.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/log.h"
#include "tests/tap/foreign.h"
#include "tests/tap/held.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

static void
no_line(const char *line)
{
	(void)line;
}

/* What was there, then what comes; of the wanted channels alone. */
static void
test_order(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want mix[] = { W("a", false), W("b.", true),
		W("a", true) };
	struct held one, two, late;

	start_hub("order.db");
	for (int i = 0; i < 50; i++) {
		insert("a", "old");
		insert("c", "not wanted");
	}
	hold(&one, &stream, a, 1, "earliest", 60000, 1 << 20);
	hold(&two, &stream, mix, 3, "earliest", 60000, 1 << 20);
	hold(&late, &stream, a, 1, "latest", 60000, 1 << 20);
	/* In the turns of the loop that it takes. */
	for (int i = 0; i < 1000 && one.client.state != CLIENT_LIVE; i++)
		run_for(5);
	is_int(one.client.state, CLIENT_LIVE, "what was there is read");
	for (int i = 0; i < 200; i++) {
		insert(i % 2 == 0 ? "a" : "b.x", "new");
		if (i % 10 == 0)
			run_for(1);
	}
	insert("a", "last");
	ok(wait_for(&one, "last", 5000), "a foreign commit is seen");
	is_int(in_order(&one.got), 50 + 101, "each once, in order");
	ok(wait_for(&two, "last", 5000), "by prefixes too");
	is_int(in_order(&two.got), 50 + 201,
	    "a message that matches twice comes once");
	ok(wait_for(&late, "last", 5000), "by one who came late");
	is_int(in_order(&late.got), 101, "only what is new");
	ok(one.client.form == two.client.form, "they share their form");
	release(&one);
	release(&two);
	release(&late);
	is_int((long long)hub.nclients, 0, "nobody is left");
	is_int((long long)hub.topics.n, 0, "nor any topic");
	stop_hub();
}

/* Waking by the -wal alone, without the safety timer. */
static void
test_waking(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;
	int late = 0;

	start_hub_checking("waking.db", 60000);
	hold(&held, &stream, a, 1, "latest", 600000, 1 << 20);
	if (hub.watch.inotify_fd == -1) {
		skip(1, "needs inotify");
	} else {
		for (int i = 0; i < 200; i++) {
			char text[16];

			snprintf(text, sizeof(text), "=m%d\n", i);
			insert("a", "x");
			foreign_run(writer,
			    "INSERT INTO changes (channel, data) VALUES "
			    "('a', 'm%d')",
			    i);
			if (i % 50 == 0)
				foreign_run(writer,
				    "PRAGMA wal_checkpoint(TRUNCATE)");
			late += !wait_for(&held, text, 2000);
		}
		is_int(late, 0, "every commit wakes by itself");
	}
	release(&held);
	stop_hub();
}

/* The other end closes. */
static void
test_vanished(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;

	start_hub("vanished.db");
	hold(&held, &stream, a, 1, "latest", 60000, 1 << 20);
	close(held.peer);
	held.peer = -1;
	insert("a", "x");
	run_for(100);
	ok(held.gone, "a vanished client is noticed by a write");
	is_int((long long)hub.nclients, 0, "and let go");
	release(&held);
	stop_hub();
}

/* Another database under the same name: a reset for everybody. */
static void
test_replaced(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held, waiting;
	struct db db = { 0 };

	start_hub("replaced.db");
	insert("a", "of the first");
	hold(&held, &stream, a, 1, "earliest", 60000, 1 << 20);
	hold(&waiting, &once, a, 1, "latest", 60000, 1 << 20);
	ok(wait_for(&held, "of the first", 1000), "the first database");
	foreign_close(writer);
	table_make(&db, scratch("second.db"));
	foreign_run(db.handle,
	    "INSERT INTO changes (channel, data) VALUES ('a', 'of the "
	    "second')");
	foreign_run(db.handle, "PRAGMA wal_checkpoint(TRUNCATE)");
	db_close(&db);
	rename(scratch("second.db"), config.database);
	ok(wait_for(&held, "of the second", 5000), "what the new one keeps");
	ok(strstr(held.got.p, "reset") != NULL, "behind a reset");
	ok(wait_for(&waiting, "of the second", 5000), "a waiting one as well");
	ok(strstr(waiting.got.p, "] reset") != NULL, "with its reset");
	writer = foreign_open(config.database);
	insert("a", "and on");
	ok(wait_for(&held, "and on", 5000), "and it goes on from there");
	release(&held);
	release(&waiting);
	stop_hub();
}

/* What was pruned is told before what is kept. */
static void
test_reset(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;
	int64_t id;

	start_hub("reset.db");
	id = insert("a", "pruned");
	insert("a", "kept");
	foreign_run(writer, "DELETE FROM changes WHERE id = %lld",
	    (long long)id);
	hold(&held, &stream, a, 1, "0", 60000, 1 << 20);
	ok(wait_for(&held, "kept", 1000), "what is kept");
	ok(strncmp(held.got.p, "reset 0\n", 8) == 0, "behind a reset");
	release(&held);
	hold(&held, &once, a, 1, "999", 60000, 1 << 20);
	ok(wait_for(&held, "kept", 1000), "a cursor beyond the newest");
	ok(strstr(held.got.p, "] reset") != NULL, "is a reset too");
	release(&held);
	stop_hub();
}

/* The hub ends while clients are held. */
static void
test_stop_with_clients(void)
{
	static const struct want a[] = { W("a", false) };
	struct held one, two;

	start_hub("stop.db");
	hold(&one, &stream, a, 1, "latest", 60000, 1 << 20);
	hold(&two, &once, a, 1, "latest", 60000, 1 << 20);
	foreign_close(writer);
	hub_stop(&hub);
	ok(one.gone && two.gone, "stopping the hub ends its clients");
	config_free(&config);
	release(&one);
	release(&two);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(no_line);
	test_order();
	test_waking();
	test_vanished();
	test_replaced();
	test_reset();
	test_stop_with_clients();
	return done();
}
