/* SPDX-License-Identifier: MIT */
/*
 * Writing to clients.  Most have one message each, which is one send(): of
 * those as many as there are leave by one system call (shared/out/sendq).  All
 * others, and those whose socket does not take it, are written to one by one.
 *
 * Whoever is called back may close clients, or write to them.  So before
 * anybody is, all sinks know what has left.
 */
#include "config.h"

#include <sys/uio.h>

#include <errno.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/engine/settle.h"
#include "shared/out/sink.h"

#define WORTH 8 /* clients; fewer are written to one by one */

/* The next of those that have something to be written. */
static struct client *
take_dirty(struct hub *hub)
{
	struct client *client = STAILQ_FIRST(&hub->dirty), *next;

	if (client == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&hub->dirty, dirty_link);
	hub->ndirty--;
	client->dirty = false;
	/* With thousands of clients memory is what takes the time. */
	next = STAILQ_FIRST(&hub->dirty);
	if (next != NULL)
		sink_prefetch(next->sink);
	return client;
}

/* Puts what can be sent at once into the batch.  Returns how many it has. */
static unsigned
gather(struct hub *hub)
{
	struct settle *settle = &hub->settle;
	struct client *client;
	struct iovec iov;
	unsigned n = 0;

	while (n < SENDQ_MAX && (client = take_dirty(hub)) != NULL) {
		if (client_ready(client, &iov)) {
			sendq_add(settle->sendq, n, client->sink->fd,
			    iov.iov_base, iov.iov_len);
			client->ready = true;
		}
		settle->at[n++] = client;
		client->place = (uint16_t)n;
	}
	return n;
}

/* Whether the peer is gone, as for sink_flush. */
static bool
is_end(int32_t result)
{
	return result < 0 && result != -EAGAIN && result != -EINTR &&
	       result != -ENOBUFS;
}

/* Tells the sinks; who had nothing but this is done. */
static void
account(struct hub *hub, const int32_t *results, unsigned n, int64_t now_ms)
{
	struct settle *settle = &hub->settle;

	for (unsigned i = 0; i < n; i++) {
		struct client *client = settle->at[i];

		if (i + 1 < n)
			sink_prefetch(settle->at[i + 1]->sink);
		if (!client->ready)
			continue;
		client->ready = false;
		settle->batched++;
		client->lost = is_end(results[i]);
		if (results[i] > 0 &&
		    client_sent(client, (size_t)results[i], now_ms))
			settle_forget(hub, client);
	}
}

static void
settle_batch(struct hub *hub, int64_t now_ms)
{
	struct settle *settle = &hub->settle;
	unsigned n = gather(hub);
	const int32_t *results = sendq_send(settle->sendq);

	settle->busy = true;
	account(hub, results, n, now_ms);
	for (unsigned i = 0; i < n; i++) {
		struct client *client = settle->at[i];

		if (client == NULL)
			continue;
		settle_forget(hub, client);
		client_settle(client, now_ms);
	}
	settle->busy = false;
	if (sendq_is_broken(settle->sendq)) {
		log_warnx("io_uring fails: messages are sent one by one");
		sendq_free(settle->sendq);
		settle->sendq = NULL;
	}
}

/* Whether there is a batch to be made, and somebody to send it. */
static bool
may_batch(struct hub *hub)
{
	struct settle *settle = &hub->settle;

	if (hub->ndirty < WORTH || settle->busy || !hub->config->io_uring)
		return false;
	if (!settle->tried) {
		settle->tried = true;
		settle->sendq = sendq_new();
	}
	return settle->sendq != NULL;
}

void
settle_some(struct hub *hub, int64_t until_us)
{
	int64_t now_us = clock_mono_us();
	struct client *client;

	while (!STAILQ_EMPTY(&hub->dirty) && now_us < until_us) {
		if (may_batch(hub))
			settle_batch(hub, now_us / 1000);
		else if ((client = take_dirty(hub)) != NULL)
			client_settle(client, now_us / 1000);
		now_us = clock_mono_us();
	}
}

void
settle_forget(struct hub *hub, struct client *client)
{
	if (client->place == 0)
		return;
	hub->settle.at[client->place - 1] = NULL;
	client->place = 0;
}

void
settle_free(struct settle *settle)
{
	sendq_free(settle->sendq);
	settle->sendq = NULL;
}
