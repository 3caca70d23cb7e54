/* SPDX-License-Identifier: MIT */
/*
 * A held client.  It is fed from the table until it has all that was read by
 * the hub, and is live from then on; one that does not keep up goes back to
 * being fed.  So the table is everybody's queue: in memory a client has at most
 * QUEUE_HIGH bytes, and it is cut only when it takes nothing at all.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/engine/settle.h"
#include "shared/engine/sub.h"
#include "shared/out/sink.h"
#include "shared/publish/mute.h"
#include "shared/table/change.h"
#include "shared/table/loss.h"
#include "shared/table/place.h"
#include "shared/table/want.h"
#include "shared/wire/chunk.h"

/* Of those that beat often: at first, doubling, up to this. */
#define BEAT_FIRST_MS 250
#define BEAT_MAX_MS   2000

static const char *const state_names[CLIENT__MAX] = {
	[CLIENT_NEW] = "new",
	[CLIENT_BEHIND] = "behind",
	[CLIENT_LIVE] = "live",
	[CLIENT_ENDING] = "ending",
};

/* edges[from] has a bit for each state that may follow. */
static const unsigned edges[CLIENT__MAX] = {
	[CLIENT_NEW] = 1u << CLIENT_BEHIND | 1u << CLIENT_ENDING,
	[CLIENT_BEHIND] = 1u << CLIENT_LIVE | 1u << CLIENT_ENDING,
	[CLIENT_LIVE] = 1u << CLIENT_BEHIND | 1u << CLIENT_ENDING,
	[CLIENT_ENDING] = 0,
};

void
client_set_state(struct client *client, enum client_state state)
{
	log_debug("client %p: %s -> %s", (void *)client,
	    state_names[client->state], state_names[state]);
	assert(edges[client->state] & 1u << state);
	client->state = (uint8_t)state;
}

void
client_push(struct client *client, struct chunk *chunk)
{
	sink_push(client->sink, chunk);
	hub_mark_dirty(client->hub, client);
}

struct mute *
client_mute(struct client *client, size_t n)
{
	mutes_pass(&client->mutes,
	    client->state == CLIENT_LIVE ? client->hub->last_id : client->pos);
	return mute_new(&client->mutes, n);
}

/* How long nothing is sent to it at most. */
static int64_t
beat_of(const struct client *client)
{
	int64_t beat_ms = client->hub->config->heartbeat_ms;

	return client->beat_ms != 0 && client->beat_ms < beat_ms
		   ? client->beat_ms
		   : beat_ms;
}

void
client_beat_often(struct client *client)
{
	client->beat_ms = BEAT_FIRST_MS;
}

void
client_schedule(struct client *client)
{
	const struct config *config = client->hub->config;
	int64_t now_ms = clock_mono_ms(), next = client->ends_ms;
	int64_t last = client->sink->progress_ms;

	if (client->sink->blocked || client->state == CLIENT_ENDING)
		next = last + config->stall_ms;
	else if (client->form->transport->beat != NULL &&
		 last + beat_of(client) < next)
		next = last + beat_of(client);
	if (client->state == CLIENT_BEHIND && next > now_ms + config->check_ms)
		next = now_ms + config->check_ms;
	client->timer.repeat =
	    next <= now_ms ? 0.001 : (double)(next - now_ms) / 1000;
	ev_timer_again(EV_DEFAULT_UC_ & client->timer);
}

void
client_finish(struct client *client)
{
	struct chunk *bye = NULL;

	if (client->state == CLIENT_ENDING)
		return;
	if (client->form->transport->once) {
		/* Its time may be over before it was told. */
		client->was_reset = client->was_reset || client->reset;
		client->form->transport->answer(client);
	} else if (client->form->transport->bye != NULL)
		bye = client->form->transport->bye(client);
	if (bye != NULL)
		sink_push(client->sink, bye);
	sink_end(client->sink);
	client_set_state(client, CLIENT_ENDING);
	hub_mark_dirty(client->hub, client);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct client *client = timer->data;
	const struct config *config = client->hub->config;
	int64_t now_ms = clock_mono_ms();
	int64_t idle_ms = now_ms - client->sink->progress_ms;

	(void)loop;
	(void)revents;
	if ((client->sink->blocked || client->state == CLIENT_ENDING) &&
	    idle_ms >= config->stall_ms) {
		client->doomed = true;
		hub_mark_dirty(client->hub, client);
	} else if (now_ms >= client->ends_ms) {
		client_finish(client);
	} else if (client->form->transport->beat != NULL &&
		   !client->sink->blocked && idle_ms >= beat_of(client)) {
		client_push(client,
		    client->form->transport->beat(client->form));
		if (client->beat_ms != 0 && client->beat_ms < BEAT_MAX_MS)
			client->beat_ms *= 2;
	}
	if (client->state == CLIENT_BEHIND)
		hub_mark_behind(client->hub, client);
	client_schedule(client);
	hub_settle(client->hub);
}

void
client_drained(struct client *client)
{
	client->full = false;
	if (client->state != CLIENT_BEHIND)
		return;
	hub_mark_behind(client->hub, client);
	client_schedule(client);
}

bool
client_ready(const struct client *client, struct iovec *iov)
{
	return !client->doomed && !client->form->transport->once &&
	       sink_lone(client->sink, iov);
}

bool
client_sent(struct client *client, size_t n, int64_t now_ms)
{
	sink_sent(client->sink, n, now_ms);
	client->hub->bytes += n;
	return client->sink->count == 0 && !client->sink->ended &&
	       !client->full;
}

void
client_settle(struct client *client, int64_t now_ms)
{
	uint64_t before = client->sink->sent;
	bool was_blocked = client->sink->blocked;

	if (client->lost) {
		client->gone(client);
		return;
	}
	if (client->doomed) {
		log_info("a client of %s is cut: it took nothing for %lld ms",
		    client->form->transport->name,
		    (long long)(now_ms - client->sink->progress_ms));
		board_add(client->hub->board, BOARD_SLOW, 1);
		client->gone(client);
		return;
	}
	if (client->form->transport->once && client->state == CLIENT_LIVE &&
	    (client->collected > 0 || client->was_reset)) {
		client_finish(client);
	} else if (client->form->transport->once &&
		   client->state == CLIENT_BEHIND && client_is_full(client)) {
		client_finish(client);
	}
	if (sink_flush(client->sink, now_ms) == -1) {
		client->gone(client);
		return;
	}
	client->hub->bytes += client->sink->sent - before;
	if (client->sink->count == 0 && client->sink->ended) {
		client->gone(client);
		return;
	}
	/* The socket took all at once: there is room for more. */
	if (client->full && client->sink->count == 0)
		client_drained(client);
	if (client->sink->blocked != was_blocked)
		client_schedule(client);
}

bool
client_has(const struct client *client, const struct want *want)
{
	return subs_find(&client->subs, want) != NULL;
}

static void
add_sub(struct client *client, const struct want *want, int64_t after)
{
	struct sub *sub = subs_find(&client->subs, want);

	if (sub == NULL) {
		sub = hub_subscribe(client->hub, client, want->name, want->len,
		    want->is_prefix);
		subs_add(&client->subs, sub);
		sub->told = want->told;
	} else if (want->told != LOSS_UNKNOWN) {
		sub->told = want->told;
	} else {
		/* It has seen what it had; the rest it is still told of. */
		if (sub->told < sub->after)
			sub->told = sub->after;
		if (sub->told < client->pos)
			sub->told = client->pos;
	}
	client->unlearned = client->unlearned || sub->told == LOSS_UNKNOWN;
	sub->after = after;
}

/*
 * Up to some id each sub knows by itself how far it has got.  Before, they were
 * all at least as far as the client is.
 */
static void
make_uneven(struct client *client, int64_t after)
{
	int64_t pos = client->pos, most = pos > after ? pos : after;
	struct sub *sub;

	if (client->evened_at != pos) {
		SUBS_FOREACH(sub, &client->subs)
		{
			sub->after = sub->after > pos ? sub->after : pos;
		}
		client->evened_at = pos;
	}
	if (client->uneven_upto < most)
		client->uneven_upto = most;
}

/*
 * Subscriptions of one client have one place in the table, so that it is fed in
 * one walk.  Where a new one begins earlier the client goes back, and each sub
 * remembers how far it had got; where it begins later it does the same.
 */
void
client_subscribe(struct client *client, const struct want *want, size_t n,
    int64_t after)
{
	if (n == 0)
		return;
	if (client->state == CLIENT_LIVE && client->pos < client->hub->last_id)
		client->pos = client->hub->last_id;
	/* Who asks for what lies behind gets all of it. */
	mutes_pass(&client->mutes, client->pos);
	if (client->subs.n == 0) {
		client->pos = client->evened_at = after;
		client->uneven_upto = 0;
	} else if (after != client->pos) {
		make_uneven(client, after);
	}
	for (size_t i = 0; i < n; i++)
		add_sub(client, &want[i], after);
	if (after < client->pos)
		client->pos = client->evened_at = after;
	if (client->pos < client->hub->last_id &&
	    client->state == CLIENT_LIVE) {
		client_set_state(client, CLIENT_BEHIND);
		hub_mark_behind(client->hub, client);
	}
}

void
client_unsubscribe(struct client *client, const struct want *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sub *sub = subs_find(&client->subs, &want[i]);

		if (sub == NULL)
			continue;
		subs_remove(&client->subs, sub);
		hub_unsubscribe(client->hub, sub);
	}
}

void
client_attach(struct client *client, struct hub *hub, struct sink *sink,
    struct form *form, const struct place *place, int64_t life_ms)
{
	TAILQ_INIT(&client->mutes);
	client->hub = hub;
	client->sink = sink;
	client->form = form;
	client->pos = place->after;
	client->reset = place->reset;
	client->ends_ms = clock_mono_ms() + life_ms;
	client_subscribe(client, place->wants->p, place->wants->n,
	    place->after);
	TAILQ_INSERT_TAIL(&hub->clients, client, link);
	hub->nclients++;
	board_add(hub->board, BOARD_CLIENTS, 1);
	ev_init(&client->timer, on_timer);
	client->timer.data = client;
}

void
client_start(struct client *client)
{
	struct hub *hub = client->hub;

	client_set_state(client, CLIENT_BEHIND);
	hub_mark_dirty(hub, client);
	client_feed(client);
	/* Most are live now and need no look soon. */
	client_schedule(client);
	hub_settle(hub);
}

void
client_restart(struct client *client)
{
	struct sub *sub;

	if (client->state == CLIENT_ENDING || client->state == CLIENT_NEW)
		return;
	client->pos = client->uneven_upto = client->evened_at = 0;
	client->reset = true;
	SUBS_FOREACH(sub, &client->subs)
	{
		sub->after = 0;
		sub->told = LOSS_UNKNOWN;
	}
	client->unlearned = true;
	mutes_clear(&client->mutes);
	if (client->state == CLIENT_LIVE)
		client_set_state(client, CLIENT_BEHIND);
	hub_mark_behind(client->hub, client);
}

void
client_detach(struct client *client)
{
	struct hub *hub = client->hub;
	struct sub *sub;

	if (hub == NULL)
		return;
	while ((sub = subs_take(&client->subs)) != NULL)
		hub_unsubscribe(hub, sub);
	mutes_clear(&client->mutes);
	str_free(&client->body);
	str_free(&client->head);
	form_release(&hub->forms, client->form);
	ev_timer_stop(EV_DEFAULT_UC_ & client->timer);
	TAILQ_REMOVE(&hub->clients, client, link);
	settle_forget(hub, client);
	if (client->dirty) {
		STAILQ_REMOVE(&hub->dirty, client, client, dirty_link);
		hub->ndirty--;
	}
	if (client->behind)
		TAILQ_REMOVE(&hub->behind, client, behind_link);
	hub->nclients--;
	board_add(hub->board, BOARD_CLIENTS, -1);
	*client = (struct client){ 0 };
}
