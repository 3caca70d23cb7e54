/* SPDX-License-Identifier: MIT */
/*
 * Held clients on sockets, a hub in a real loop and a foreign writer: what the
 * tests of hub and client are made of.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/intake/interest.h"
#include "shared/out/sink.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/place.h"
#include "shared/wire/chunk.h"
#include "tests/tap/foreign.h"
#include "tests/tap/held.h"
#include "tests/tap/tap.h"

struct config config;
struct hub hub;
struct sqlite3 *writer;

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

const struct transport stream = { .name = "stream",
	.message = make_message,
	.reset = make_reset,
	.beat = make_beat,
	.bye = make_bye };
const struct transport once = { .name = "once",
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

static const struct sink_ops ops = { on_readable, on_drained, on_failed, NULL };

void
hold(struct held *held, const struct transport *transport,
    const struct want *want, size_t n, const char *since, int64_t life_ms,
    int sndbuf)
{
	struct interest interest = { 0 };
	struct place place;
	bool found = false;
	int fd[2];

	*held = (struct held){ .peer = -1 };
	for (size_t i = 0; i < n; i++)
		wants_add(&interest.wants, want[i].name, want[i].len,
		    want[i].is_prefix);
	if (!cursor_parse(since, &interest.cursor))
		bail("%s is no cursor", since);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		fd) == -1)
		bail("socketpair: %s", strerror(errno));
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	held->peer = fd[1];
	sink_open(&held->sink, SINK_RAW, fd[0], &ops, clock_mono_ms());
	held->client.gone = on_gone;
	if (hub_refresh(&hub) != DB_OK)
		bail("%s", hub.db.error);
	place_begin(&place, &hub.db, &interest.wants, &interest.cursor,
	    hub.newest, false);
	while (!found)
		if (place_step(&place, &hub.db, INT64_MAX, &found) != DB_OK)
			bail("%s", hub.db.error);
	client_attach(&held->client, &hub, &held->sink,
	    form_get(&hub.forms, transport, NULL), &place, life_ms);
	place_end(&place);
	interest_free(&interest);
	client_start(&held->client);
}

void
release(struct held *held)
{
	if (!held->gone)
		close_held(held);
	if (held->peer != -1)
		close(held->peer);
	str_free(&held->got);
}

void
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

bool
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

void
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

int64_t
insert(const char *channel, const char *data)
{
	if (foreign_run(writer,
		"INSERT INTO changes (channel, data) VALUES (%Q, %Q)", channel,
		data) != 0)
		bail("the writer can't write");
	return foreign_int(writer, "SELECT last_insert_rowid()");
}

int
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

void
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
	if (db_create(&db, config.database, 0600, &made) != DB_OK)
		bail("%s", db.error);
	db_close(&db);
	writer = foreign_open(config.database);
	if (hub_start(&hub, &config, NULL) != DB_OK)
		bail("%s", hub.db.error);
}

void
start_hub(const char *name)
{
	start_hub_checking(name, 50);
}

void
stop_hub(void)
{
	foreign_close(writer);
	hub_stop(&hub);
	config_free(&config);
}
