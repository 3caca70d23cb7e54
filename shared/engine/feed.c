/* SPDX-License-Identifier: MIT */
/*
 * What a held client gets: live what comes, and from the table what it lacks.
 *
 * Whoever reads from the table looks in the same snapshot whether something
 * that it had not seen was pruned, and is told so before it gets what lies
 * behind.  Whoever is live has seen everything up to where the hub is; where
 * the hub finds a gap it sends those concerned back to the table.
 */
#include "config.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/engine/sub.h"
#include "shared/out/sink.h"
#include "shared/publish/mute.h"
#include "shared/table/backlog.h"
#include "shared/table/change.h"
#include "shared/table/loss.h"
#include "shared/wire/chunk.h"

#define QUEUE_HIGH  (64 * 1024) /* bytes queued, above: not fed, not live */
#define STUCK_MS    2500        /* no byte taken: lag counts as stuck */
#define ANSWER_HIGH (1 << 20)   /* bytes in one answer of a long poll */
#define SCAN_FROM   500         /* subscriptions: see look_at_watermarks */
#define SCAN_MAX    10000       /* watermarks that are gone through */

static const struct transport *
transport_of(const struct client *client)
{
	return client->form->transport;
}

bool
client_is_full(const struct client *client)
{
	if (transport_of(client)->once)
		return (int64_t)client->collected >=
			   client->hub->config->max_messages ||
		       (client->body.len >= ANSWER_HIGH &&
			   !transport_of(client)->newest_only);
	return client->sink->queued >= QUEUE_HIGH;
}

/* Whether a message that its channels bring is not for it all the same. */
static bool
is_withheld(struct client *client, const struct change *ch)
{
	return (ch->id <= client->uneven_upto &&
		   !subs_lack(&client->subs, &client->hub->topics, ch)) ||
	       (!TAILQ_EMPTY(&client->mutes) &&
		   mutes_have(&client->mutes, ch->id));
}

/* Gives one message to a client that has room. */
static void
give(struct client *client, const struct change *ch)
{
	struct chunk *chunk;

	client->pos = ch->id;
	if (is_withheld(client, ch))
		return;
	chunk = form_encode(&client->hub->forms, client->form, ch,
	    client->hub->epoch);
	client->hub->delivered++;
	if (!transport_of(client)->once) {
		client_push(client, chunk);
		return;
	}
	if (transport_of(client)->newest_only)
		str_clear(&client->body);
	else if (client->collected > 0)
		str_add(&client->body, ",", 1);
	client->collected++;
	str_add(&client->body, chunk->bytes, chunk->len);
	chunk_unref(chunk);
	hub_mark_dirty(client->hub, client);
}

/* Whether it takes nothing while much waits for it. */
static bool
is_stuck(const struct client *client)
{
	return client->lag_bytes > client->hub->config->queue_bytes &&
	       client->sink->blocked &&
	       clock_mono_ms() - client->sink->progress_ms >= STUCK_MS;
}

/* It has all up to `pos`, and goes on from the table. */
static void
go_behind(struct client *client, int64_t pos)
{
	client_set_state(client, CLIENT_BEHIND);
	client->pos = pos;
	client->lag_bytes = 0;
	hub_mark_behind(client->hub, client);
}

void
client_check(struct client *client, int64_t pos)
{
	if (client->state == CLIENT_LIVE)
		go_behind(client, client->pos > pos ? client->pos : pos);
}

void
client_deliver(struct client *client, const struct change *ch)
{
	switch ((enum client_state)client->state) {
	case CLIENT_LIVE:
		if (ch->id <= client->pos)
			return;
		if (!client_is_full(client)) {
			give(client, ch);
			return;
		}
		if (transport_of(client)->once) {
			client->cut_short = true;
			return;
		}
		go_behind(client, ch->id - 1);
		return;
	case CLIENT_BEHIND:
		client->lag_bytes += (int64_t)ch->data_len;
		if (!client->doomed && is_stuck(client)) {
			client->doomed = true;
			hub_mark_dirty(client->hub, client);
		}
		return;
	case CLIENT_NEW:
	case CLIENT_ENDING:
	case CLIENT__MAX:
		return;
	}
}

static bool
give_backlog(const struct change *ch, void *arg)
{
	struct client *client = arg;

	give(client, ch);
	return !client_is_full(client);
}

void
client_tell_reset(struct client *client, int64_t after)
{
	client->reset = false;
	client->was_reset = true;
	board_add(client->hub->board, BOARD_RESETS, 1);
	if (transport_of(client)->once)
		hub_mark_dirty(client->hub, client);
	else if (transport_of(client)->reset != NULL)
		client_push(client, transport_of(client)->reset(client->form,
					client->hub->epoch, after));
}

/*
 * The cursor of a reset is one that leads to the same reset.  Who has got all
 * that is kept has a better one, even where nothing was.
 */
static void
tell_cursor(struct client *client)
{
	if (!client->was_reset || transport_of(client)->cursor == NULL)
		return;
	client->was_reset = false;
	client_push(client, transport_of(client)->cursor(client->form,
				client->hub->epoch, client->pos));
}

/* Whether a row is one that it lacks. */
static bool
is_wanted(const struct change *ch, void *arg)
{
	const struct client *client = arg;

	return subs_lack(&client->subs, &client->hub->topics, ch);
}

/* A client that looks for losses. */
struct look {
	struct client *client; /* who */
	int64_t pruned;        /* of the channel at hand */
	bool lost;             /* something that it had not seen */
};

static int64_t
place_of(const struct client *client, const struct sub *sub)
{
	return sub->after > client->pos ? sub->after : client->pos;
}

/* Each by itself. */
static enum db_status
look_one_by_one(struct look *look)
{
	struct client *client = look->client;
	struct hub *hub = client->hub;
	enum db_status status;
	struct sub *sub;

	SUBS_FOREACH(sub, &client->subs)
	{
		const struct topic *topic = sub->topic;

		if (subs_covered(&client->subs, &hub->topics, sub)) {
			if (sub->told == LOSS_UNKNOWN)
				sub->told = 0;
			continue;
		}
		status = loss_look(&hub->db, topic->name, topic->len,
		    topic->is_prefix, place_of(client, sub), &sub->told,
		    &look->lost);
		if (status != DB_OK)
			return status;
	}
	return DB_OK;
}

static void
look_at_sub(struct sub *sub, void *arg)
{
	struct look *look = arg;

	if (sub->told != LOSS_UNKNOWN && look->pruned > sub->told &&
	    look->pruned > place_of(look->client, sub))
		look->lost = true;
	if (look->pruned > sub->told)
		sub->told = look->pruned;
}

/*
 * With thousands of subscriptions it is cheaper to go through the watermarks
 * behind its place, if they are few.  *all tells that they were.
 */
static enum db_status
look_at_watermarks(struct look *look, bool *all)
{
	struct client *client = look->client;
	struct hub *hub = client->hub;
	sqlite3_stmt *stmt = hub->db.stmt[STATEMENT_WATERMARKS_ABOVE];
	enum db_status status;
	struct sub *sub;
	int rows = 0, rc;

	sqlite3_bind_int64(stmt, 1, client->pos);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && rows++ < SCAN_MAX) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

		look->pruned = sqlite3_column_int64(stmt, 1);
		if (len == 0)
			SUBS_FOREACH(sub, &client->subs)
			{
				look_at_sub(sub, look);
			}
		else
			subs_match(&client->subs, &hub->topics,
			    (const char *)sqlite3_column_text(stmt, 0), len,
			    look_at_sub, look);
	}
	*all = rc == SQLITE_DONE;
	status = db_status(&hub->db, rc);
	db_done(stmt);
	SUBS_FOREACH(sub, &client->subs)
	{
		if (*all && sub->told == LOSS_UNKNOWN)
			sub->told = 0;
	}
	return status;
}

/* In the snapshot in which it goes on reading: was something pruned? */
static enum db_status
look_for_losses(void *arg)
{
	struct look look = { .client = arg };
	struct client *client = arg;
	enum db_status status = DB_OK;
	bool all = false;

	if (client->subs.n > SCAN_FROM)
		status = look_at_watermarks(&look, &all);
	if (status == DB_OK && !all)
		status = look_one_by_one(&look);
	if (status != DB_OK)
		return status;
	client->unlearned = false;
	if (look.lost)
		client_tell_reset(client, client->pos);
	return DB_OK;
}

/* Reads on, in one step.  *done tells that it has all that the hub has. */
static enum db_status
read_on(struct client *client, bool *done)
{
	struct hub *hub = client->hub;
	struct backlog backlog = { .wanted = is_wanted,
		.look = look_for_losses,
		.look_first = client->unlearned,
		.each = give_backlog,
		.arg = client };
	struct want *want = NULL;
	enum db_status status;

	*done = true;
	if (client->subs.n == 0) {
		if (client->pos < hub->last_id)
			client->pos = hub->last_id;
		return DB_OK;
	}
	if (backlog_by_index(client->subs.n, client->subs.nprefixes,
		hub->last_id - client->pos))
		backlog.want = want = subs_wants(&client->subs,
		    client->pos < client->uneven_upto ? hub->last_id
						      : INT64_MAX,
		    &backlog.n);
	status =
	    backlog_read(&hub->db, &backlog, &client->pos, hub->last_id, done);
	free(want);
	return status;
}

void
client_feed(struct client *client)
{
	struct hub *hub = client->hub;
	bool done = false;
	enum db_status status;

	if (client->state != CLIENT_BEHIND)
		return;
	if (client->reset)
		client_tell_reset(client, client->pos);
	client->full = client_is_full(client);
	if (client->full) {
		hub_mark_dirty(hub, client);
		return; /* it goes on when its sink has emptied */
	}
	if (hub->db.handle == NULL) {
		hub_mark_dirty(hub, client);
		client_schedule(client);
		return; /* its timer comes back to it */
	}
	status = read_on(client, &done);
	if (status == DB_OK && done) {
		client_set_state(client, CLIENT_LIVE);
		tell_cursor(client);
	} else if (status == DB_OK && client_is_full(client)) {
		client->full = true;
	} else if (status == DB_OK) {
		hub_mark_behind(hub, client);
	} else {
		client_schedule(client); /* the same */
	}
	hub_mark_dirty(hub, client);
}
