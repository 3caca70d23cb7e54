/* SPDX-License-Identifier: MIT */
/*
 * Parked clients: they stay with a child of httpd, and we talk with all of them
 * over its one link (shared/wire/handover.h).
 *
 * What is written to them in one turn of the loop is gathered, and sent before
 * the loop sleeps.  Clients to whom the same bytes go share a packet, which has
 * their numbers and one copy of the bytes, so that a message to thousands is
 * one system call (shared/out/outbox.h).
 *
 * No one can hold others up: a client has at most HANDOVER_WINDOW bytes on
 * their way, a child that does not read has at most some packets, and what is
 * beyond waits in the client's queue as with a full socket.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/base/turns.h"
#include "shared/out/park.h"
#include "shared/out/sink.h"
#include "shared/wire/chunk.h"
#include "shared/wire/handover.h"
#include "shared/wire/packet.h"

#define ROWS 64 /* of the table of numbers at first */

static LIST_HEAD(, park) parks = LIST_HEAD_INITIALIZER(parks);
static ev_prepare before_sleep;
static struct turns turns;

/* Input that is told of at this moment. */
static struct {
	struct sink *sink; /* whose, or NULL */
	const char *bytes; /* not read yet */
	size_t len;        /* how many */
} incoming;

static void
on_before_sleep(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	struct park *park;

	(void)loop;
	(void)prepare;
	(void)revents;
	LIST_FOREACH(park, &parks, link)
		outbox_send(&park->outbox);
}

/* -- turns */

/* Lets a client go on in a turn of its own. */
static void
go_on_later(struct sink *sink)
{
	struct park *park = sink->parked.park;

	if (!sink->parked.is_later) {
		sink->parked.is_later = true;
		TAILQ_INSERT_TAIL(&park->later, sink, parked.later);
		park->nlater++;
	}
	if (!park->outbox.full)
		turns_start(&turns);
}

static void
forget_turn(struct sink *sink)
{
	struct park *park = sink->parked.park;

	if (!sink->parked.is_later)
		return;
	sink->parked.is_later = false;
	TAILQ_REMOVE(&park->later, sink, parked.later);
	park->nlater--;
}

static bool
has_input(const struct sink *sink)
{
	return sink->parked.wants_input && sink->parked.input != NULL;
}

/* As in a sink's on_io: behind each callback the sink may be no more. */
static void
have_turn(struct sink *sink)
{
	forget_turn(sink);
	if (sink->parked.tell) {
		sink->parked.tell = false;
		if (has_input(sink))
			go_on_later(sink);
		if (sink_flush(sink, clock_mono_ms()) == -1)
			sink->ops->failed(sink);
		else if (sink->count == 0)
			sink->ops->drained(sink);
	} else if (has_input(sink)) {
		/* As long as something is left it is told again. */
		go_on_later(sink);
		sink->ops->readable(sink);
	}
}

/* Those of one child, each once. */
static void
have_turns(struct park *park)
{
	for (uint32_t n = park->nlater; n > 0 && !park->outbox.full; n--) {
		struct sink *sink = TAILQ_FIRST(&park->later);

		if (sink == NULL)
			break;
		have_turn(sink);
	}
}

static void
do_later(void *arg)
{
	struct park *park;
	bool more = false;

	(void)arg;
	LIST_FOREACH(park, &parks, link) {
		have_turns(park);
		more =
		    more || (!park->outbox.full && !TAILQ_EMPTY(&park->later));
	}
	if (!more)
		turns_stop(&turns);
}

/* -- to the clients */

/* The next piece of a client's queue, all of it if it is not long. */
static void
cut_slice(const struct sink *sink, struct slice *slice)
{
	uint32_t offset = sink->offset;

	slice->n = slice->len = 0;
	while (slice->n < SLICE_PIECES && slice->n < sink->count &&
	       slice->len < SLICE_BYTES) {
		struct chunk *chunk = sink_queue_at(sink, slice->n);
		uint32_t len = chunk->len - offset,
			 room = SLICE_BYTES - slice->len;

		if (len > room)
			len = room;
		slice->piece[slice->n++] = (struct piece){ chunk, offset, len };
		slice->len += len;
		offset = 0;
	}
}

/* Puts a client into a packet, behind all that it is in already. */
static void
put(struct sink *sink, enum handover_type type, const struct slice *slice,
    uint32_t bytes)
{
	struct parked *parked = &sink->parked;

	parked->serial = outbox_put(&parked->park->outbox, type, slice,
	    parked->number, bytes, parked->serial);
}

static int
flush(struct sink *sink, int64_t now_ms)
{
	struct parked *parked = &sink->parked;
	struct park *park = parked->park;
	bool was_blocked = sink->blocked;
	struct slice slice; /* large: not cleared */

	if (park == NULL)
		return -1;
	sink->blocked = false;
	while (sink->count > 0) {
		cut_slice(sink, &slice);
		sink->blocked = park->outbox.full ||
				parked->on_way + slice.len > HANDOVER_WINDOW;
		if (sink->blocked)
			break;
		put(sink, HANDOVER_DATA, &slice, 0);
		parked->on_way += slice.len;
		sink->progress_ms = now_ms;
		sink->sent += slice.len;
		sink_take_off(sink, slice.len);
	}
	if (sink->blocked && !was_blocked)
		sink->progress_ms = now_ms;
	if ((sink->blocked && park->outbox.full) ||
	    (was_blocked && !sink->blocked && sink->tell_drained)) {
		parked->tell = true;
		go_on_later(sink);
	}
	return 0;
}

/* -- from the clients */

static void
drop_input(struct parked *parked)
{
	if (parked->input == NULL)
		return;
	str_free(parked->input);
	free(parked->input);
	parked->input = NULL;
}

/* From what was kept of a client's input, of which there is some. */
static size_t
read_kept(struct parked *parked, void *buf, size_t size)
{
	struct str *input = parked->input;
	size_t n = input->len < size ? input->len : size;

	memcpy(buf, input->p, n);
	input->len -= n;
	memmove(input->p, input->p + n, input->len);
	if (input->len == 0)
		drop_input(parked);
	return n;
}

static void
keep_input(struct parked *parked, const char *bytes, size_t len)
{
	if (parked->input == NULL)
		parked->input = xcalloc(1, sizeof(*parked->input));
	str_add(parked->input, bytes, len);
}

static ssize_t
read_input(struct sink *sink, void *buf, size_t size)
{
	struct parked *parked = &sink->parked;
	size_t n;

	if (parked->park == NULL)
		return 0;
	if (incoming.sink == sink && incoming.len > 0) {
		n = incoming.len < size ? incoming.len : size;
		memcpy(buf, incoming.bytes, n);
		incoming.bytes += n;
		incoming.len -= n;
	} else if (parked->input != NULL) {
		n = read_kept(parked, buf, size);
	} else {
		errno = EAGAIN;
		return -1;
	}
	parked->used += (uint32_t)n;
	if (parked->used >= HANDOVER_REPORT) {
		put(sink, HANDOVER_READ, NULL, parked->used);
		parked->used = 0;
	}
	return (ssize_t)n;
}

static void
want_input(struct sink *sink, bool want)
{
	sink->parked.wants_input = want;
	if (sink->parked.park != NULL && has_input(sink))
		go_on_later(sink);
}

/* The client of a number, or NULL if it is over. */
static struct sink *
find_sink(const struct park *park, uint32_t number)
{
	return number < park->size ? park->sinks[number] : NULL;
}

/*
 * Told at once if it is read from, so that nothing is copied that need not be;
 * what its owner leaves is kept.
 */
static const char *
take_input(struct park *park, const struct packet *packet)
{
	struct sink *sink = find_sink(park, packet_number(packet, 0));
	size_t kept = 0;

	if (sink == NULL)
		return NULL;
	if (sink->parked.input != NULL)
		kept = sink->parked.input->len;
	if (kept + packet->len > HANDOVER_INPUT)
		return "more input than there is room for";
	if (sink->parked.wants_input && kept == 0) {
		incoming.sink = sink;
		incoming.bytes = packet->bytes;
		incoming.len = packet->len;
		sink->ops->readable(sink);
		if (incoming.sink == NULL)
			return NULL; /* it was closed over that */
		incoming.sink = NULL;
		if (incoming.len == 0)
			return NULL;
		keep_input(&sink->parked, incoming.bytes, incoming.len);
	} else {
		keep_input(&sink->parked, packet->bytes, packet->len);
	}
	if (has_input(sink))
		go_on_later(sink);
	return NULL;
}

static const char *
take_taken(struct park *park, const struct packet *packet)
{
	int64_t now_ms = clock_mono_ms();

	for (uint32_t i = 0; i < packet->count; i++) {
		struct handover_pair pair = packet_pair(packet, i);
		struct sink *sink = find_sink(park, pair.number);

		if (sink == NULL)
			continue;
		if (pair.bytes > sink->parked.on_way)
			return "more bytes taken than were sent";
		sink->parked.on_way -= pair.bytes;
		sink->progress_ms = now_ms;
		if (sink->blocked) {
			sink->parked.tell = true;
			go_on_later(sink);
		}
	}
	return NULL;
}

void
park_leave(struct park *park, uint32_t number)
{
	struct sink *sink = find_sink(park, number);

	if (sink != NULL && sink->ops->leave != NULL)
		sink->ops->leave(sink);
}

const char *
park_take(struct park *park, const struct packet *packet)
{
	struct sink *sink;

	switch (packet->type) {
	case HANDOVER_INPUT_OF:
		return take_input(park, packet);
	case HANDOVER_TAKEN:
		return take_taken(park, packet);
	case HANDOVER_GONE:
		for (uint32_t i = 0; i < packet->count; i++) {
			sink = find_sink(park, packet_number(packet, i));
			if (sink != NULL)
				sink->ops->failed(sink);
		}
		return NULL;
	case HANDOVER_LEAVE:
		park->leaving = true;
		for (uint32_t i = 0; i < park->size; i++)
			park_leave(park, i);
		return NULL;
	default:
		return "a packet that is not known here";
	}
}

/* -- who is there */

bool
park_is_free(const struct park *park, uint32_t number)
{
	return number < HANDOVER_NUMBERS && find_sink(park, number) == NULL;
}

static void
make_row(struct park *park, uint32_t number)
{
	uint32_t size = park->size == 0 ? ROWS : park->size;

	while (size <= number)
		size *= 2;
	if (size == park->size)
		return;
	park->sinks = xreallocarray(park->sinks, size, sizeof(*park->sinks));
	for (uint32_t i = park->size; i < size; i++)
		park->sinks[i] = NULL;
	park->size = size;
}

static void
remove_sink(struct sink *sink)
{
	struct park *park = sink->parked.park;

	if (incoming.sink == sink)
		incoming.sink = NULL;
	drop_input(&sink->parked);
	if (park == NULL)
		return;
	forget_turn(sink);
	park->sinks[sink->parked.number] = NULL;
	park->nsinks--;
	put(sink, HANDOVER_END, NULL, 0);
	sink->parked.park = NULL;
}

void
park_open(struct park *park, uint32_t number, struct sink *sink,
    const struct sink_ops *ops, int64_t now_ms)
{
	static const struct sink_way way = { .flush = flush,
		.read = read_input,
		.want_input = want_input,
		.remove = remove_sink };

	assert(park_is_free(park, number));
	make_row(park, number);
	park->sinks[number] = sink;
	park->nsinks++;
	sink_open_on(sink, &way, ops, now_ms);
	sink->parked = (struct parked){ .park = park,
		.number = number,
		.wants_input = true };
}

static struct park *
park_of(struct outbox *outbox)
{
	return (void *)((char *)outbox - offsetof(struct park, outbox));
}

static void
on_room(struct outbox *outbox)
{
	if (!TAILQ_EMPTY(&park_of(outbox)->later))
		turns_start(&turns);
}

static void
on_dead(struct outbox *outbox)
{
	park_of(outbox)->dead(park_of(outbox));
}

void
park_init(struct park *park, int fd, void (*dead)(struct park *))
{
	park->dead = dead;
	TAILQ_INIT(&park->later);
	outbox_init(&park->outbox, fd, on_room, on_dead);
	if (turns.piece == NULL) {
		turns_init(&turns, do_later, NULL);
		/* The last of all: what others do then is sent as well. */
		ev_prepare_init(&before_sleep, on_before_sleep);
		ev_set_priority(&before_sleep, EV_MINPRI);
		ev_prepare_start(EV_DEFAULT_UC_ & before_sleep);
	}
	LIST_INSERT_HEAD(&parks, park, link);
}

void
park_finish(struct park *park, int wait_ms)
{
	outbox_finish(&park->outbox, wait_ms);
}

void
park_free(struct park *park)
{
	LIST_REMOVE(park, link);
	/* Nothing more is put into packets, and nobody has a turn. */
	park->outbox.full = true;
	for (uint32_t i = 0; i < park->size; i++) {
		struct sink *sink = park->sinks[i];

		if (sink == NULL)
			continue;
		forget_turn(sink);
		sink->parked.park = NULL;
		park->sinks[i] = NULL;
		sink->ops->failed(sink);
	}
	outbox_free(&park->outbox);
	free(park->sinks);
}
