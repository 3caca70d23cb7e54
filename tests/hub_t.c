/* SPDX-License-Identifier: MIT */
/*
 * Hub, client and watch together, in one process with a real loop: held clients
 * on sockets, a foreign writer, and what must come out at the other end.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/change.h"
#include "shared/chunk.h"
#include "shared/client.h"
#include "shared/clock.h"
#include "shared/config_file.h"
#include "shared/hub.h"
#include "shared/interest.h"
#include "shared/log.h"
#include "shared/schema.h"
#include "shared/sink.h"
#include "shared/str.h"
#include "tests/tap/foreign.h"
#include "tests/tap/tap.h"

#define W(literal, prefix)                                                     \
	{                                                                      \
		literal, sizeof(literal) - 1, prefix                           \
	}

/* A held client and the other end of its socket. */
struct held {
	struct sink sink;     /* first: the callbacks find it so */
	struct client client; /* to the hub */
	int peer;             /* the other end */
	struct str got;       /* what came there */
	bool gone;            /* it was closed */
};

static struct config config;
static struct hub hub;
static struct sqlite3 *writer;

static void
no_line(const char *line)
{
	(void)line;
}

static struct chunk *
make_message(const struct form *form, const struct change *ch,
    const char *epoch)
{
	struct str s = { 0 };

	(void)form;
	(void)epoch;
	str_addf(&s, "%lld=%.*s\n", (long long)ch->id, (int)ch->data_len,
	    ch->data);
	return chunk_take(&s);
}

static struct chunk *
make_reset(const struct form *form, const char *epoch, int64_t after)
{
	struct str s = { 0 };

	(void)form;
	(void)epoch;
	str_addf(&s, "reset %lld\n", (long long)after);
	return chunk_take(&s);
}

static struct chunk *
make_beat(const struct form *form)
{
	(void)form;
	return chunk_new("beat\n", 5);
}

static struct chunk *
make_bye(struct client *client)
{
	(void)client;
	return chunk_new("bye\n", 4);
}

static void
make_answer(struct client *client)
{
	struct str s = { 0 };

	str_addf(&s, "[%.*s]%s", (int)client->body.len,
	    client->body.p == NULL ? "" : client->body.p,
	    client->was_reset ? " reset" : "");
	sink_push(client->sink, chunk_take(&s));
}

static const struct transport stream = { .name = "stream",
	.message = make_message,
	.reset = make_reset,
	.beat = make_beat,
	.bye = make_bye };
static const struct transport once = { .name = "once",
	.once = true,
	.message = make_message,
	.answer = make_answer };

static void
close_held(struct held *held)
{
	client_detach(&held->client);
	sink_close(&held->sink);
	held->gone = true;
}

static void
on_gone(struct client *client)
{
	close_held((void *)((char *)client - offsetof(struct held, client)));
}

static void
on_readable(struct sink *sink)
{
	sink_want_input(sink, false);
}

static void
on_drained(struct sink *sink)
{
	struct held *held = (struct held *)(void *)sink;

	if (sink->ended)
		close_held(held);
	else if (held->client.hub != NULL)
		client_drained(&held->client);
}

static void
on_failed(struct sink *sink)
{
	close_held((struct held *)(void *)sink);
}

static const struct sink_ops ops = { on_readable, on_drained, on_failed };

static void
hold(struct held *held, const struct transport *transport,
    const struct want *want, size_t n, const char *since, int64_t life_ms,
    int sndbuf)
{
	struct interest interest = { .want = (struct want *)(uintptr_t)want,
		.n = n };
	int fd[2];

	*held = (struct held){ .peer = -1 };
	if (!cursor_parse(since, &interest.cursor))
		bail("%s is no cursor", since);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		fd) == -1)
		bail("socketpair: %s", strerror(errno));
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	held->peer = fd[1];
	sink_open(&held->sink, SINK_RAW, fd[0], &ops, clock_mono_ms());
	held->client.gone = on_gone;
	if (client_attach(&held->client, &hub, &held->sink,
		hub_form(&hub, transport, NULL), &interest, life_ms) != DB_OK)
		bail("%s", hub.db.error);
	client_start(&held->client);
}

static void
release(struct held *held)
{
	if (!held->gone)
		close_held(held);
	if (held->peer != -1)
		close(held->peer);
	str_free(&held->got);
}

/* Reads what lies at the other end, at most `max` bytes. */
static void
take(struct held *held, size_t max)
{
	char buf[16384];
	ssize_t n;

	while (max > 0 && (n = read(held->peer, buf,
			       max < sizeof(buf) ? max : sizeof(buf))) > 0) {
		str_add(&held->got, buf, (size_t)n);
		max -= (size_t)n;
	}
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until the text is there, or the time is over. */
static bool
wait_for(struct held *held, const char *text, int ms)
{
	int64_t end = clock_mono_ms() + (int64_t)(ms * patience());
	ev_timer tick;

	ev_timer_init(&tick, on_tick, 0.002, 0.002);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	for (;;) {
		take(held, SIZE_MAX);
		if (held->got.p != NULL && strstr(held->got.p, text) != NULL)
			break;
		if (clock_mono_ms() > end)
			break;
		ev_run(EV_DEFAULT_UC_ 0);
	}
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
	return held->got.p != NULL && strstr(held->got.p, text) != NULL;
}

/* Runs the loop for a while without reading anything. */
static void
run_for(int ms)
{
	int64_t end = clock_mono_ms() + ms;
	ev_timer tick;

	ev_timer_init(&tick, on_tick, 0.002, 0.002);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	while (clock_mono_ms() < end)
		ev_run(EV_DEFAULT_UC_ 0);
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
}

static int64_t
insert(const char *channel, const char *data)
{
	if (foreign_run(writer,
		"INSERT INTO changes (channel, data) VALUES (%Q, %Q)", channel,
		data) != 0)
		bail("the writer can't write");
	return foreign_int(writer, "SELECT last_insert_rowid()");
}

/* Ids at the start of each line, in order? Returns how many, -1 if not. */
static int
in_order(const struct str *got)
{
	long long last = 0;
	int n = 0;

	for (const char *p = got->p; p != NULL && *p != '\0';) {
		if (*p >= '0' && *p <= '9') {
			long long id = atoll(p);

			if (id <= last)
				return -1;
			last = id;
			n++;
		}
		p = strchr(p, '\n');
		p = p == NULL ? NULL : p + 1;
	}
	return n;
}

static void
start_hub_checking(const char *name, int64_t check_ms)
{
	struct db db = { 0 };
	char error[200];
	bool made;

	if (config_load(&config, NULL, error, sizeof(error)) == -1)
		bail("%s", error);
	free(config.database);
	config.database = xstrndup(scratch(name), strlen(scratch(name)));
	config.check_ms = check_ms;
	if (schema_create(&db, config.database, 0600, &made) != DB_OK)
		bail("%s", db.error);
	db_close(&db);
	writer = foreign_open(config.database);
	if (hub_start(&hub, &config, NULL) != DB_OK)
		bail("%s", hub.db.error);
}

static void
start_hub(const char *name)
{
	start_hub_checking(name, 50);
}

static void
stop_hub(void)
{
	foreign_close(writer);
	hub_stop(&hub);
	config_free(&config);
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
	is_int((long long)hub.ntopics, 0, "nor any topic");
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
	for (int i = 0; i < 100; i++) {
		insert("a", data);
		run_for(1);
		take(&other, SIZE_MAX);
	}
	ok(!stuck.gone, "it has a moment");
	run_for(1100);
	insert("a", "one more");
	wait_for(&other, "one more", 5000);
	run_for(50);
	ok(stuck.gone, "then it is cut");
	ok(!other.gone, "nobody else is");
	is_int(in_order(&other.got), 101, "or misses anything");
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

static void
test_life(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held;

	start_hub("life.db");
	config.heartbeat_ms = 50;
	hold(&held, &stream, a, 1, "latest", 400, 1 << 20);
	ok(wait_for(&held, "beat", 2000), "a sign of life");
	ok(wait_for(&held, "bye", 3000), "and an orderly end");
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

/* Another database under the same name: a reset for everybody. */
static void
test_replaced(void)
{
	static const struct want a[] = { W("a", false) };
	struct held held, waiting;
	struct db db = { 0 };
	bool made;

	start_hub("replaced.db");
	insert("a", "of the first");
	hold(&held, &stream, a, 1, "earliest", 60000, 1 << 20);
	hold(&waiting, &once, a, 1, "latest", 60000, 1 << 20);
	ok(wait_for(&held, "of the first", 1000), "the first database");
	foreign_close(writer);
	if (schema_create(&db, scratch("second.db"), 0600, &made) != DB_OK)
		bail("%s", db.error);
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

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(no_line);
	test_order();
	test_waking();
	test_slow();
	test_stuck();
	test_vanished();
	test_life();
	test_once();
	test_replaced();
	test_subscribe();
	test_subscribe_behind();
	test_reset();
	test_random();
	test_stop_with_clients();
	return done();
}
