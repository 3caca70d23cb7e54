/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way to a child of httpd.  They are gathered while the loop
 * works and sent before it sleeps, straight from the chunks.
 *
 * A few of them are open at a time, for clients of several forms that have
 * their turns mixed; a client goes on in a later packet than the one it was put
 * into last, and so has its bytes in order.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/out/outbox.h"
#include "shared/wire/chunk.h"

#define OPEN_MAX 8  /* packets that clients may still be put into */
#define ROWS     64 /* of a table of numbers at first */
#define AGAIN_MS 10 /* until the kernel is asked for memory again */

/* What came of sending a packet. */
enum sent {
	SENT,       /* the link has it */
	SENT_FULL,  /* not now: epoll tells when */
	SENT_SHORT, /* not now, for want of memory: nobody tells when */
	SENT_GONE,  /* nor ever */
};

/* A packet that is not sent yet. */
struct outgoing {
	struct handover_head head;  /* as it is sent */
	uint64_t serial;            /* larger than that of those before */
	uint32_t *items;            /* numbers or pairs */
	size_t used;                /* of `items`, in units of 4 bytes */
	size_t cap;                 /* allocated */
	struct slice slice;         /* HANDOVER_DATA, else empty */
	TAILQ_ENTRY(outgoing) link; /* of the outbox, or of `spare` */
};

/* Packets that were sent: their memory is used again. */
static struct outgoings spare = TAILQ_HEAD_INITIALIZER(spare);
static unsigned nspare;

static struct outgoing *
outgoing_new(struct outbox *outbox, enum handover_type type)
{
	struct outgoing *o = TAILQ_FIRST(&spare);

	if (o != NULL) {
		TAILQ_REMOVE(&spare, o, link);
		nspare--;
	} else {
		o = xcalloc(1, sizeof(*o));
	}
	o->head = (struct handover_head){ .type = type };
	o->used = 0;
	o->slice.n = o->slice.len = 0;
	o->serial = ++outbox->serial;
	TAILQ_INSERT_TAIL(&outbox->packets, o, link);
	outbox->npackets++;
	return o;
}

static void
outgoing_free(struct outbox *outbox, struct outgoing *o)
{
	TAILQ_REMOVE(&outbox->packets, o, link);
	outbox->npackets--;
	for (unsigned i = 0; i < o->slice.n; i++)
		chunk_unref(o->slice.piece[i].chunk);
	o->slice.n = 0;
	if (nspare < OPEN_MAX) {
		TAILQ_INSERT_HEAD(&spare, o, link);
		nspare++;
		return;
	}
	free(o->items);
	free(o);
}

static void
add_item(struct outgoing *o, uint32_t word)
{
	if (o->used == o->cap) {
		o->cap = o->cap == 0 ? ROWS : o->cap * 2;
		o->items = xreallocarray(o->items, o->cap, sizeof(*o->items));
	}
	o->items[o->used++] = word;
}

/* Whether `words` more units of 4 bytes fit in. */
static bool
has_room(const struct outgoing *o, size_t words)
{
	return sizeof(o->head) + (o->used + words) * sizeof(*o->items) +
		   o->slice.len <=
	       HANDOVER_PACKET_MAX;
}

static enum sent
send_packet(const struct outbox *outbox, struct outgoing *o)
{
	struct iovec iov[2 + SLICE_PIECES] = { { &o->head, sizeof(o->head) },
		{ o->items, o->used * sizeof(*o->items) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 + o->slice.n };
	ssize_t n;

	for (unsigned i = 0; i < o->slice.n; i++) {
		const struct piece *piece = &o->slice.piece[i];

		iov[2 + i].iov_base = piece->chunk->bytes + piece->offset;
		iov[2 + i].iov_len = piece->len;
	}
	do
		n = sendmsg(outbox->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n != -1)
		return SENT;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return SENT_FULL;
	return errno == ENOBUFS || errno == ENOMEM ? SENT_SHORT : SENT_GONE;
}

/* Sends packets until not more than `keep` are left, or no more are taken. */
static enum sent
send_some(struct outbox *outbox, unsigned keep)
{
	enum sent sent = SENT;

	if (outbox->full)
		return SENT_FULL;
	while (outbox->npackets > keep && sent == SENT) {
		struct outgoing *o = TAILQ_FIRST(&outbox->packets);

		sent = send_packet(outbox, o);
		if (sent == SENT)
			outgoing_free(outbox, o);
	}
	outbox->full = sent != SENT;
	if (sent == SENT_FULL)
		ev_io_start(EV_DEFAULT_UC_ & outbox->writable);
	else if (sent == SENT_SHORT)
		ev_timer_again(EV_DEFAULT_UC_ & outbox->again);
	else if (sent == SENT_GONE)
		outbox->dead(outbox);
	return sent;
}

static void
try_again(struct outbox *outbox)
{
	outbox->full = false;
	send_some(outbox, 0);
	if (!outbox->full)
		outbox->room(outbox);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)revents;
	ev_io_stop(loop, io);
	try_again(io->data);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)revents;
	ev_timer_stop(loop, timer);
	try_again(timer->data);
}

static bool
is_same(const struct slice *a, const struct slice *b)
{
	return a->len == b->len && a->n == b->n &&
	       memcmp(a->piece, b->piece, a->n * sizeof(a->piece[0])) == 0;
}

/* A packet in which a client's next one can be, or NULL. */
static struct outgoing *
find_open(const struct outbox *outbox, enum handover_type type,
    const struct slice *slice, size_t words, uint64_t behind)
{
	struct outgoing *o = TAILQ_LAST(&outbox->packets, outgoings);

	for (int i = 0; i < OPEN_MAX && o != NULL && o->serial > behind; i++) {
		if (o->head.type == type && has_room(o, words) &&
		    (slice == NULL || is_same(&o->slice, slice)))
			return o;
		o = TAILQ_PREV(o, outgoings, link);
	}
	return NULL;
}

uint64_t
outbox_put(struct outbox *outbox, enum handover_type type,
    const struct slice *slice, uint32_t number, uint32_t bytes, uint64_t behind)
{
	size_t words = type == HANDOVER_READ ? 2 : 1;
	struct outgoing *o = find_open(outbox, type, slice, words, behind);
	uint64_t serial;

	if (o == NULL) {
		o = outgoing_new(outbox, type);
		if (slice != NULL)
			o->slice = *slice;
		for (unsigned i = 0; slice != NULL && i < slice->n; i++)
			chunk_ref(slice->piece[i].chunk);
	}
	serial = o->serial;
	o->head.count++;
	add_item(o, number);
	if (type == HANDOVER_READ)
		add_item(o, bytes);
	if (outbox->npackets > OPEN_MAX)
		send_some(outbox, OPEN_MAX);
	return serial;
}

void
outbox_send(struct outbox *outbox)
{
	send_some(outbox, 0);
}

void
outbox_init(struct outbox *outbox, int fd, void (*room)(struct outbox *),
    void (*dead)(struct outbox *))
{
	outbox->fd = fd;
	outbox->room = room;
	outbox->dead = dead;
	TAILQ_INIT(&outbox->packets);
	ev_io_init(&outbox->writable, on_writable, fd, EV_WRITE);
	outbox->writable.data = outbox;
	ev_timer_init(&outbox->again, on_again, 0., AGAIN_MS / 1000.);
	outbox->again.data = outbox;
}

static void
stop_waiting(struct outbox *outbox)
{
	ev_io_stop(EV_DEFAULT_UC_ & outbox->writable);
	ev_timer_stop(EV_DEFAULT_UC_ & outbox->again);
}

void
outbox_finish(struct outbox *outbox, int wait_ms)
{
	int64_t until_ms = clock_mono_ms() + wait_ms, left_ms;
	struct pollfd pfd = { .fd = outbox->fd, .events = POLLOUT };
	enum sent sent;

	do {
		outbox->full = false;
		sent = send_some(outbox, 0);
		left_ms = until_ms - clock_mono_ms();
		/* The socket does not tell when there is memory again. */
		if (sent == SENT_SHORT && left_ms > 0)
			poll(NULL, 0, AGAIN_MS);
	} while (outbox->npackets > 0 && left_ms > 0 &&
		 poll(&pfd, 1, (int)left_ms) == 1 &&
		 (pfd.revents & (POLLERR | POLLHUP)) == 0);
	stop_waiting(outbox);
}

void
outbox_free(struct outbox *outbox)
{
	struct outgoing *o;

	stop_waiting(outbox);
	while ((o = TAILQ_FIRST(&outbox->packets)) != NULL)
		outgoing_free(outbox, o);
}
