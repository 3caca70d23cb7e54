/* SPDX-License-Identifier: MIT */
/*
 * The engine of a program: one reader for all its clients.  A wake reads each
 * new row once, finds the clients of its channel by hash, pushes one shared
 * encoding to all of them, and then writes to each client once.  Rows that
 * nobody here waits for cost their key alone.
 *
 * Clients are closed at one place, hub_settle, never while lists are walked.
 */
#include "config.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/engine/sub.h"
#include "shared/out/sink.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/head.h"
#include "shared/table/lease.h"
#include "shared/table/watch.h"
#include "shared/wire/chunk.h"

#define BUSY_MS     20    /* a reader waits for recovery at most */
#define OPEN_MS     100   /* the same while it is opened anew */
#define AGAIN_S     0.02  /* until a database that changes is looked at */
#define BATCH_ROWS  1000  /* read before clients are written to */
#define BATCH_COST  32768 /* the same in bytes; below QUEUE_HIGH */
#define ROW_COST    100   /* of each message besides its data */
#define START_TRIES 100   /* while it changes at our start */
#define COMPLAIN_MS 10000 /* between lines about a broken database */
#define BATCH_GIVEN 4000  /* the same in deliveries */
#define FEED_MS     3     /* of feeding in one turn of the loop */
#define SETTLE_US   2500  /* of writing, each time that it is asked for */
#define READ_US     2000  /* of reading and writing in one turn */

struct sub *
hub_subscribe(struct hub *hub, struct client *client, const char *name,
    size_t len, bool is_prefix)
{
	struct topic *topic = topic_get(&hub->topics, name, len, is_prefix);
	struct sub *sub = xmalloc(sizeof(*sub));

	if (hub->topics.n == 1 && hub->watch.resting) {
		hub->suspect = true;
		watch_wake(&hub->watch);
	}
	sub->topic = topic;
	sub->client = client;
	sub->after = 0;
	sub->next = NULL;
	LIST_INSERT_HEAD(&topic->subs, sub, link);
	hub->nsubs++;
	board_subscriber(hub->board, name, len, is_prefix, 1);
	return sub;
}

void
hub_unsubscribe(struct hub *hub, struct sub *sub)
{
	struct topic *topic = sub->topic;

	LIST_REMOVE(sub, link);
	free(sub);
	hub->nsubs--;
	board_subscriber(hub->board, topic->name, topic->len, topic->is_prefix,
	    -1);
	if (LIST_EMPTY(&topic->subs))
		topic_drop(&hub->topics, topic);
}

void
hub_mark_dirty(struct hub *hub, struct client *client)
{
	if (client->dirty)
		return;
	client->dirty = true;
	STAILQ_INSERT_TAIL(&hub->dirty, client, dirty_link);
	hub->ndirty++;
}

void
hub_mark_behind(struct hub *hub, struct client *client)
{
	if (client->behind)
		return;
	client->behind = true;
	TAILQ_INSERT_TAIL(&hub->behind, client, behind_link);
	turns_start(&hub->turns);
}

void
hub_settle(struct hub *hub)
{
	settle_some(hub, clock_mono_us() + SETTLE_US);
	/* Others have a turn before we go on. */
	if (!STAILQ_EMPTY(&hub->dirty))
		turns_start(&hub->turns);
	board_add(hub->board, BOARD_DELIVERED, (int64_t)hub->delivered);
	board_add(hub->board, BOARD_BYTES, (int64_t)hub->bytes);
	hub->delivered = hub->bytes = 0;
}

/* Feeds some of those who are behind, for a moment. */
static void
feed_some(struct hub *hub)
{
	int64_t until_ms = clock_mono_ms() + FEED_MS;
	struct client *client;

	while ((client = TAILQ_FIRST(&hub->behind)) != NULL) {
		TAILQ_REMOVE(&hub->behind, client, behind_link);
		client->behind = false;
		client_feed(client);
		if (clock_mono_ms() > until_ms)
			break;
	}
	hub_settle(hub);
}

static void
deliver_topic(struct topic *topic, const struct change *ch)
{
	struct sub *sub;

	LIST_FOREACH(sub, &topic->subs, link) {
		const struct sub *next = LIST_NEXT(sub, link);

		/* Memory takes the time: each step asks for the one after. */
		if (next != NULL) {
			const struct sub *after = LIST_NEXT(next, link);

			sink_prefetch(next->client->sink);
			if (after != NULL) {
				__builtin_prefetch(&after->client->hub);
				__builtin_prefetch(&after->client->doomed);
				__builtin_prefetch(LIST_NEXT(after, link));
			}
		}
		client_deliver(sub->client, ch);
	}
}

/* Those who are live look whether it was theirs that was pruned. */
static void
check_topic(struct topic *topic, int64_t pos)
{
	struct sub *sub;

	LIST_FOREACH(sub, &topic->subs, link) {
		client_check(sub->client, pos);
	}
}

/*
 * Ids have no gaps by themselves.  Where we find one, rows were removed before
 * we came to them; their channels have a watermark behind where we are.  To be
 * called in the snapshot in which the gap was seen: the rows behind it that are
 * still there have been removed by nobody.
 */
static enum db_status
check_gap(struct hub *hub)
{
	sqlite3_stmt *stmt = hub->db.stmt[STATEMENT_WATERMARKS_ABOVE];
	struct topic *topics[TOPICS_MATCHED];
	enum db_status status;
	struct client *client;
	int rc;

	sqlite3_bind_int64(stmt, 1, hub->last_id);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 0), n = 0;

		if (len == 0)
			TAILQ_FOREACH(client, &hub->clients, link)
				client_check(client, hub->last_id);
		else if (len <= 255)
			n = topics_match(&hub->topics,
			    (const char *)sqlite3_column_text(stmt, 0), len,
			    topics);
		for (size_t i = 0; i < n; i++)
			check_topic(topics[i], hub->last_id);
	}
	status = db_status(&hub->db, rc);
	db_done(stmt);
	return status;
}

/* One row: to those who wait for it.  Returns what it adds to a queue. */
static size_t
deliver_row(struct hub *hub, sqlite3_stmt *stmt, int64_t now_ms)
{
	struct topic *topics[TOPICS_MATCHED];
	struct change ch;
	size_t n;

	change_read_key(&ch, stmt);
	hub->last_id = ch.id;
	if (ch.id > hub->newest)
		hub->newest = ch.id;
	n = ch.channel_len > 255 ? 0
				 : topics_match(&hub->topics, ch.channel,
				       ch.channel_len, topics);
	if (n == 0)
		return 0;
	change_read_rest(&ch, stmt);
	if (change_expired(&ch, now_ms))
		return 0;
	for (size_t i = 0; i < n; i++)
		deliver_topic(topics[i], &ch);
	return ch.data_len + ROW_COST;
}

/*
 * Reads new rows, at most one batch.  That is small, or those who keep up would
 * have full queues behind a pause of ours before anything was sent to them.
 * *more tells that it was full.
 */
static enum db_status
read_batch(struct hub *hub, bool *more)
{
	sqlite3_stmt *stmt = hub->db.stmt[STATEMENT_CHANGES_AFTER];
	int64_t now_ms = clock_wall_ms();
	enum db_status status = DB_OK;
	bool checked = false;
	size_t bytes = 0;
	int rows = 0, rc = SQLITE_ROW;

	sqlite3_bind_int64(stmt, 1, hub->last_id);
	while (rows < BATCH_ROWS && bytes < BATCH_COST &&
	       hub->delivered < BATCH_GIVEN &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!checked &&
		    sqlite3_column_int64(stmt, 0) != hub->last_id + 1) {
			checked = true;
			status = check_gap(hub);
			if (status != DB_OK)
				break;
		}
		bytes += deliver_row(hub, stmt, now_ms);
		rows++;
	}
	if (rc == SQLITE_DONE && hub->last_id < hub->newest) {
		status = checked ? DB_OK : check_gap(hub);
		if (status == DB_OK)
			hub->last_id = hub->newest;
	}
	*more = rc == SQLITE_ROW;
	if (status == DB_OK)
		status = db_status(&hub->db, rc);
	db_done(stmt);
	return status;
}

/* The same in one snapshot. */
static enum db_status
read_batch_at_once(struct hub *hub, bool *more)
{
	enum db_status status = db_begin_read(&hub->db, DB_HERE);

	if (status == DB_OK)
		status = read_batch(hub, more);
	if (status == DB_OK)
		status = db_commit(&hub->db);
	if (hub->db.begin_site != NULL)
		db_rollback(&hub->db);
	return status;
}

/* The database became another one: everybody starts over. */
static void
start_over(struct hub *hub, int64_t newest)
{
	struct client *client;

	/* Ids begin anew: what is encoded has another message's. */
	form_forget_all(&hub->forms);
	log_info("the database has epoch %s now: %zu clients start over",
	    hub->db.epoch, hub->nclients);
	memcpy(hub->past[hub->npast++ % HUB_PAST], hub->epoch,
	    sizeof(hub->epoch));
	memcpy(hub->epoch, hub->db.epoch, sizeof(hub->epoch));
	hub->last_id = hub->newest = newest;
	TAILQ_FOREACH(client, &hub->clients, link)
		client_restart(client);
}

/*
 * Whether the file was overwritten in place with an older state of itself
 * (.restore): neither ids nor epochs go back by themselves.
 */
static bool
went_back(const struct hub *hub, int64_t newest)
{
	if (strcmp(hub->db.epoch, hub->epoch) == 0)
		return newest < hub->last_id;
	for (unsigned i = 0; i < HUB_PAST; i++)
		if (strcmp(hub->db.epoch, hub->past[i]) == 0)
			return true;
	return false;
}

/* An older state needs an epoch that no cursor has yet; once, for all of us. */
static enum db_status
renew_epoch(struct hub *hub)
{
	struct db writer = { 0 };
	enum db_status status;

	status = db_open(&writer, hub->config->database, DB_WRITER, OPEN_MS);
	if (status == DB_OK)
		status = head_renew_epoch(&writer, hub->db.epoch);
	db_close(&writer);
	return status;
}

static enum db_status
check_head(struct hub *hub)
{
	enum db_status status;
	int64_t newest;

	status = head_read(&hub->db, &newest);
	if (status == DB_OK && went_back(hub, newest)) {
		status = renew_epoch(hub);
		if (status == DB_OK)
			status = head_read(&hub->db, &newest);
	}
	if (status != DB_OK)
		return status;
	if (strcmp(hub->db.epoch, hub->epoch) != 0)
		start_over(hub, newest);
	hub->newest = newest;
	return DB_OK;
}

/* What is new, for a moment; not before those who got what was have it. */
static enum db_status
read_news(struct hub *hub)
{
	int64_t until_us = clock_mono_us() + READ_US;
	enum db_status status;
	bool more = true;

	status = check_head(hub);
	if (status == DB_OK && hub->topics.n == 0) {
		/* Nobody waits for anything: a storm costs us its last id. */
		hub->last_id = hub->newest;
		more = false;
	}
	while (status == DB_OK && more && STAILQ_EMPTY(&hub->dirty) &&
	       clock_mono_us() < until_us) {
		status = read_batch_at_once(hub, &more);
		hub_settle(hub);
	}
	/* Others have a turn before we go on. */
	hub->more = status == DB_OK && more;
	if (hub->more)
		turns_start(&hub->turns);
	return status;
}

static void
complain(struct hub *hub)
{
	int64_t now_ms = clock_mono_ms();

	board_add(hub->board, BOARD_DB_ERRORS, 1);
	if (now_ms - hub->complained_ms < COMPLAIN_MS)
		return;
	hub->complained_ms = now_ms;
	log_warnx("%s: %s", hub->config->database, hub->db.error);
}

/* Opens what lies under the name now. */
static enum db_status
reopen(struct hub *hub)
{
	enum db_status status;

	if (db_leave(&hub->db) != DB_OK)
		return DB_CHANGING;
	hub->version = -1;
	status = db_open(&hub->db, hub->config->database, DB_READER, OPEN_MS);
	db_set_busy(&hub->db, BUSY_MS);
	return status;
}

/* A failure that a fresh connection may cure. */
static void
close_if_broken(struct hub *hub, enum db_status status)
{
	if (status != DB_OK && status != DB_BUSY && status != DB_CHANGING &&
	    hub->db.handle != NULL)
		db_give_up(&hub->db, status);
}

/*
 * What passes by itself is tried again soon, and so is what comes from files
 * that were exchanged; for all else there is the watch.
 */
static void
heed_failure(struct hub *hub, enum db_status status)
{
	bool soon = status == DB_BUSY || status == DB_CHANGING ||
		    (hub->db.handle != NULL && db_replaced(&hub->db));

	hub->more = false;
	hub->suspect = true;
	if (status != DB_CHANGING)
		complain(hub);
	close_if_broken(hub, status);
	hub->again.repeat = soon ? AGAIN_S : 0;
	ev_timer_again(EV_DEFAULT_UC_ & hub->again);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct hub *hub = timer->data;

	(void)revents;
	ev_timer_stop(loop, timer);
	hub_refresh(hub);
}

static void
on_lost(struct ev_loop *loop, ev_async *async, int revents)
{
	struct hub *hub = async->data;

	(void)loop;
	(void)revents;
	hub->suspect = true;
	hub_refresh(hub);
}

/* In the thread of another connection. */
static void
tell_lost(void *arg)
{
	struct hub *hub = arg;

	ev_async_send(EV_DEFAULT_UC_ & hub->lost);
}

static void
watch_files(struct hub *hub)
{
	ev_init(&hub->again, on_again);
	ev_async_init(&hub->lost, on_lost);
	hub->again.data = hub->lost.data = hub;
	ev_async_start(EV_DEFAULT_UC_ & hub->lost);
	hub->db.lost = tell_lost;
	hub->db.lost_arg = hub;
}

enum db_status
hub_refresh(struct hub *hub)
{
	enum db_status status = DB_OK;
	int64_t version;
	bool suspect;

	/* Nobody tells us while we rest. */
	suspect = hub->suspect || hub->watch.resting;
	hub->suspect = false;
	if (hub->db.handle == NULL || (suspect && db_replaced(&hub->db)))
		status = reopen(hub);
	if (status == DB_OK)
		status = db_data_version(&hub->db, &version);
	if (status == DB_OK && (version != hub->version || hub->more)) {
		status = read_news(hub);
		if (status == DB_OK)
			hub->version = version;
	}
	if (status != DB_OK)
		heed_failure(hub, status);
	return status;
}

static bool
on_look(void *arg, bool suspect)
{
	struct hub *hub = arg;
	int64_t before = hub->newest;

	hub->suspect = hub->suspect || suspect;
	hub_refresh(hub);
	/* The slow look comes by once in a while: is there anybody? */
	if (suspect && hub->topics.n == 0 && !hub->keeps_watch)
		watch_rest(&hub->watch);
	return hub->newest != before;
}

/* What was left for later: news first, then those who are behind. */
static void
do_some(void *arg)
{
	struct hub *hub = arg;

	if (hub->more && STAILQ_EMPTY(&hub->dirty))
		hub_refresh(hub);
	feed_some(hub);
	if (TAILQ_EMPTY(&hub->behind) && STAILQ_EMPTY(&hub->dirty) &&
	    !hub->more)
		turns_stop(&hub->turns);
}

enum db_status
hub_start(struct hub *hub, const struct config *config, struct board *board)
{
	enum db_status status;
	int64_t newest = 0;
	int tries = START_TRIES;

	*hub = (struct hub){ .config = config, .board = board, .version = -1 };
	TAILQ_INIT(&hub->clients);
	STAILQ_INIT(&hub->dirty);
	TAILQ_INIT(&hub->behind);
	turns_init(&hub->turns, do_some, hub);
	watch_files(hub);
	do
		status = db_open(&hub->db, config->database, DB_READER, 2000);
	while (status == DB_CHANGING && tries-- > 0 && poll(NULL, 0, 20) == 0);
	if (status == DB_OK)
		status = db_data_version(&hub->db, &hub->version);
	if (status == DB_OK)
		status = head_read(&hub->db, &newest);
	if (status == DB_OK)
		memcpy(hub->epoch, hub->db.epoch, sizeof(hub->epoch));
	hub->last_id = hub->newest = newest;
	/* check_head will find that it has gone back. */
	if (status == DB_OK && lease_went_back(&hub->db)) {
		hub->last_id = newest + 1;
		hub->version = -1;
	}
	watch_start(&hub->watch, config->database, config->check_ms, on_look,
	    hub);
	close_if_broken(hub, status);
	return status;
}

void
hub_stop(struct hub *hub)
{
	struct client *client;

	while ((client = TAILQ_FIRST(&hub->clients)) != NULL) {
		void (*gone)(struct client *) = client->gone;

		client_detach(client);
		gone(client);
	}
	form_forget_all(&hub->forms);
	ev_timer_stop(EV_DEFAULT_UC_ & hub->again);
	ev_async_stop(EV_DEFAULT_UC_ & hub->lost);
	watch_stop(&hub->watch);
	turns_stop(&hub->turns);
	settle_free(&hub->settle);
	db_close(&hub->db);
	topics_free(&hub->topics);
}
