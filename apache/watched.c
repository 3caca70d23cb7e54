/* SPDX-License-Identifier: MIT */
/*
 * The pump's side of a link.  What there is to tell is gathered on a list and
 * told at the end of each turn, many clients in one packet; while the link
 * takes nothing it stays there.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apache/link.h"
#include "apache/park.h"

#define PACKETS   64   /* read in one turn */
#define ITEMS_MAX 1024 /* pairs or numbers of one packet */
#define AGAIN_MS  20   /* until memory is asked for again */

void
watched_owe(struct parked *p)
{
	if (p->owing || !p->numbered || p->watched == NULL || p->watched->mute)
		return;
	p->owing = true;
	TAILQ_INSERT_TAIL(&p->watched->owing, p, owe_entry);
}

void
watched_owe_nothing(struct parked *p)
{
	if (p->owing)
		TAILQ_REMOVE(&p->watched->owing, p, owe_entry);
	p->owing = false;
}

/* Whether the link took it; one that does not is clogged or mute. */
bool
watched_tell(struct watched *w, enum handover_type type, uint32_t count,
    const void *items, size_t size, const void *bytes, size_t len)
{
	struct handover_head head = { (uint32_t)type, count };
	struct iovec iov[3] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)items, size },
		{ (void *)(uintptr_t)bytes, len } };

	if (w->mute || w->clogged)
		return false;
	if (link_send(w->link, iov, 3, -1, 0) == 0)
		return true;
	if (errno == EAGAIN) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT,
			.data.ptr = w };

		w->clogged = true;
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, link_fd(w->link), &ev);
	} else if (errno == ENOBUFS) {
		/* The socket has room: epoll would not let us sleep. */
		w->clogged = true;
		w->again_ms = pump.now_ms + AGAIN_MS;
	} else {
		w->mute = true;
	}
	return false;
}

static bool
tell_held(struct watched *w, struct parked *p)
{
	if (p->held == NULL)
		return true;
	if (!watched_tell(w, HANDOVER_INPUT_OF, 1, &p->number,
		sizeof(p->number), p->held, p->held_len))
		return false;
	free(p->held);
	p->held = NULL;
	p->held_len = 0;
	return true;
}

static bool
is_gone(const struct parked *p)
{
	return p->failed || p->left;
}

/* Tells what some of those on the list have to tell. */
static bool
tell_some(struct watched *w)
{
	static struct handover_pair pairs[ITEMS_MAX];
	static uint32_t gone[ITEMS_MAX];
	struct parked *p;
	uint32_t npairs = 0, ngone = 0, n = 0;

	TAILQ_FOREACH(p, &w->owing, owe_entry) {
		if (n == ITEMS_MAX)
			break;
		n++;
		if (!is_gone(p) && !tell_held(w, p))
			return false;
		if (p->taken > 0 && !is_gone(p))
			pairs[npairs++] =
			    (struct handover_pair){ p->number, p->taken };
		if (is_gone(p) && !p->told_gone)
			gone[ngone++] = p->number;
	}
	if (npairs > 0 && !watched_tell(w, HANDOVER_TAKEN, npairs, pairs,
			      npairs * sizeof(*pairs), NULL, 0))
		return false;
	for (uint32_t i = 0; i < npairs; i++)
		link_parked(w->link, pairs[i].number)->taken = 0;
	if (ngone > 0 && !watched_tell(w, HANDOVER_GONE, ngone, gone,
			     ngone * sizeof(*gone), NULL, 0))
		return false;
	for (; n > 0; n--) {
		p = TAILQ_FIRST(&w->owing);
		p->told_gone = is_gone(p);
		watched_owe_nothing(p);
		/* More may lie in mod_ssl, where epoll does not see it. */
		parked_read_on(p);
	}
	return true;
}

void
watched_settle(struct watched *w)
{
	if (w->again_ms != 0 && pump.now_ms >= w->again_ms) {
		w->again_ms = 0;
		w->clogged = false;
	}
	while (!TAILQ_EMPTY(&w->owing) && !w->clogged && !w->mute)
		if (!tell_some(w))
			break;
	if (w->mute)
		while (!TAILQ_EMPTY(&w->owing))
			watched_owe_nothing(TAILQ_FIRST(&w->owing));
}

/* Returns false if the packet is none of the protocol. */
static bool
link_packet(struct watched *w, const uint32_t *packet, size_t len)
{
	uint32_t type = packet[0], count = packet[1];
	size_t size = type == HANDOVER_READ ? sizeof(struct handover_pair)
					    : sizeof(uint32_t);
	const uint32_t *items = packet + 2;
	struct chunk *chunk = NULL;
	const char *bytes;

	if (count > (len - sizeof(struct handover_head)) / size)
		return false;
	bytes = (const char *)items + count * size;
	len -= (size_t)(bytes - (const char *)packet);
	for (uint32_t i = 0; i < count; i++) {
		size_t step = size / sizeof(uint32_t);
		struct parked *p = link_parked(w->link, items[i * step]);

		if (p == NULL)
			continue;
		if (type == HANDOVER_DATA && len > 0)
			parked_data(p, bytes, len, &chunk);
		else if (type == HANDOVER_END)
			parked_end(p);
		else if (type == HANDOVER_READ)
			parked_used(p, items[i * step + 1]);
	}
	chunk_drop(chunk);
	if (type == HANDOVER_STOP)
		link_retire(w->link);
	return type == HANDOVER_STOP || type == HANDOVER_DATA ||
	       type == HANDOVER_END || type == HANDOVER_READ;
}

/* The program is gone: its clients come back, to the next one. */
static void
link_over(struct watched *w)
{
	uint32_t n = link_numbers(w->link);

	link_retire(w->link);
	/* Who has it still is to hear of it. */
	shutdown(link_fd(w->link), SHUT_RDWR);
	w->mute = w->over = true;
	epoll_ctl(pump.epoll, EPOLL_CTL_DEL, link_fd(w->link), NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct parked *p = link_parked(w->link, i);

		if (p != NULL)
			parked_end(p);
	}
}

void
watched_event(struct watched *w, uint32_t events)
{
	static uint32_t packet[HANDOVER_PACKET_MAX / sizeof(uint32_t)];
	ssize_t n = 0;

	if (w->over)
		return;
	if (events & EPOLLOUT) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

		w->clogged = false;
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, link_fd(w->link), &ev);
	}
	for (int i = 0; i < PACKETS; i++) {
		n = recv(link_fd(w->link), packet, sizeof(packet),
		    MSG_DONTWAIT | MSG_TRUNC);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n < (ssize_t)sizeof(struct handover_head) ||
		    (size_t)n > sizeof(packet) ||
		    !link_packet(w, packet, (size_t)n)) {
			link_over(w);
			return;
		}
	}
}

static struct watched *
find(const struct link *link)
{
	struct watched *w;

	TAILQ_FOREACH(w, &pump.links, entry)
		if (w->link == link)
			return w;
	return NULL;
}

/* A link of which the first client comes. */
static struct watched *
watched_new(struct link *link)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct watched *w = must(calloc(1, sizeof(*w)));

	w->source = SOURCE_LINK;
	w->link = link_ref(link);
	TAILQ_INIT(&w->owing);
	TAILQ_INSERT_TAIL(&pump.links, w, entry);
	ev.data.ptr = w;
	if (epoll_ctl(pump.epoll, EPOLL_CTL_ADD, link_fd(link), &ev) == -1)
		link_over(w); /* nobody would ever read it */
	return w;
}

struct watched *
watched_of(struct link *link)
{
	struct watched *w = find(link);

	return w != NULL ? w : watched_new(link);
}
