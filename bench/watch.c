/* SPDX-License-Identifier: MIT */
/*
 * A run of subscribers in one epoll loop.
 *
 * Its phases: connect a few clients and measure memory (so that what a server
 * allocates once is not charged to the clients), connect all others at a
 * limited rate, let things settle, measure, publish, wait until every client
 * has every message or hope is lost, measure again.
 */
#include "config.h"

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/watch.h"

#define EVENTS   512 /* events taken at once */
#define TURN_MS  20  /* longest wait of a turn */
#define AFTER_MS 100 /* for servers to finish their work */
#define MS_NS    1000000u

TAILQ_HEAD(rest, client);

/* The run while it goes on. */
struct loop {
	struct watch *w;
	struct client *clients; /* w->clients of them */
	size_t opened;          /* clients begun so far */
	size_t goal;            /* clients to begin in this phase */
	uint64_t next_ns;       /* when the next one may begin */
	struct rest rest;       /* resting clients, the first to wake first */
	unsigned pending;       /* clients begun and not yet accepted or out */
};

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Follow a client's change of state. */
static void
after_event(struct loop *l, struct client *c, int met, uint64_t now_ns)
{
	struct watch *w = l->w;

	if (c->met != met) {
		l->pending--;
		w->connected++;
	}
	if (c->state == CLIENT_ANSWERED) {
		if (w->plan.form == FORM_LONGPOLL)
			client_go(c, &w->plan);
		else
			c->state = CLIENT_RESTING;
	}
	if (c->state == CLIENT_FAILED) {
		if (!c->met)
			l->pending--;
		w->failed++;
	} else if (c->state == CLIENT_RESTING && !c->queued) {
		c->queued = 1;
		c->wake_ns = now_ns + (uint64_t)w->rest_ms * MS_NS;
		TAILQ_INSERT_TAIL(&l->rest, c, entry);
	}
}

static void
begin_client(struct loop *l, uint64_t now_ns)
{
	struct client *c = &l->clients[l->opened++];

	l->pending++;
	client_go(c, &l->w->plan);
	after_event(l, c, 0, now_ns);
}

static void
begin_clients(struct loop *l, uint64_t now_ns)
{
	uint64_t step_ns = (uint64_t)(1e9 / l->w->connect_rate);

	if (l->next_ns + 100 * MS_NS < now_ns)
		l->next_ns = now_ns;
	while (l->opened < l->goal && l->next_ns <= now_ns &&
	       l->pending < l->w->pending) {
		l->next_ns += step_ns;
		begin_client(l, now_ns);
	}
}

static void
wake_clients(struct loop *l, uint64_t now_ns)
{
	struct client *c;
	int met;

	while ((c = TAILQ_FIRST(&l->rest)) != NULL && c->wake_ns <= now_ns) {
		TAILQ_REMOVE(&l->rest, c, entry);
		c->queued = 0;
		met = c->met;
		client_go(c, &l->w->plan);
		after_event(l, c, met, now_ns);
	}
}

/* Milliseconds to wait: to the next thing that has a time. */
static int
turn_ms(const struct loop *l, uint64_t now_ns)
{
	const struct client *c = TAILQ_FIRST(&l->rest);
	uint64_t at_ns = now_ns + TURN_MS * MS_NS;

	if (c != NULL && c->wake_ns < at_ns)
		at_ns = c->wake_ns;
	if (l->opened < l->goal && l->pending < l->w->pending &&
	    l->next_ns < at_ns)
		at_ns = l->next_ns;
	return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns) / MS_NS) + 1;
}

static void
turn(struct loop *l)
{
	struct epoll_event events[EVENTS];
	struct client *c;
	uint64_t now_ns = clock_ns();
	int i, n, met;

	begin_clients(l, now_ns);
	wake_clients(l, now_ns);
	n = epoll_wait(l->w->plan.epoll, events, EVENTS, turn_ms(l, now_ns));
	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (i = 0; i < n; i++) {
		c = events[i].data.ptr;
		met = c->met;
		client_event(c, &l->w->plan);
		after_event(l, c, met, now_ns);
	}
}

static void
turn_for(struct loop *l, unsigned ms)
{
	uint64_t end_ns = clock_ns() + (uint64_t)ms * MS_NS;

	while (clock_ns() < end_ns && !interrupted)
		turn(l);
}

/*
 * Connect clients up to the given number. A long-polling client counts as
 * accepted once it has asked: its answer comes with the first message.
 */
static void
connect_up_to(struct loop *l, size_t goal)
{
	struct watch *w = l->w;
	uint64_t end_ns = clock_ns() + (uint64_t)w->connect_ms * MS_NS;
	size_t i;

	l->goal = goal;
	while ((l->opened < goal || l->pending > 0) && !interrupted &&
	       clock_ns() < end_ns) {
		turn(l);
		if (w->plan.form != FORM_LONGPOLL)
			continue;
		for (i = 0; i < l->opened; i++) {
			if (!l->clients[i].met &&
			    l->clients[i].state == CLIENT_ASKED) {
				l->clients[i].met = 1;
				l->pending--;
				w->connected++;
			}
		}
	}
	l->goal = l->opened;
}

static void
measure_memory(struct watch *w, struct usage *u)
{
	size_t i;

	for (i = 0; i < w->ngroups; i++) {
		group_refresh(&w->groups[i]);
		group_measure_memory(&w->groups[i], &u[i]);
	}
}

static void
measure_cpu(struct watch *w, struct usage *u)
{
	size_t i;

	for (i = 0; i < w->ngroups; i++)
		group_measure_cpu(&w->groups[i], &u[i]);
}

static uint64_t
own_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Publish, and take in what comes until all is there or nothing comes. */
static void
publish_and_drain(struct loop *l)
{
	struct watch *w = l->w;
	struct publisher *p = &w->publisher;
	uint64_t last_ns, limit_ns = (uint64_t)w->drain_ms * MS_NS;

	if (p->way == PUBLISH_NONE) {
		turn_for(l, w->hold_ms);
		w->end_ns = clock_ns();
		return;
	}
	publisher_start(p);
	while (!p->done && !interrupted)
		turn(l);
	p->stop = 1;
	publisher_join(p);
	last_ns = clock_ns();
	while (!interrupted && clock_ns() - last_ns < limit_ns &&
	       w->tally.received < (uint64_t)p->published * w->connected)
		turn(l);
	w->end_ns = w->tally.last_ns > 0 ? w->tally.last_ns : clock_ns();
	turn_for(l, AFTER_MS);
}

static void
run_phases(struct loop *l)
{
	struct watch *w = l->w;
	uint64_t own_ns, bytes;

	connect_up_to(l, w->warm < w->clients ? w->warm : w->clients);
	turn_for(l, w->settle_ms);
	measure_memory(w, w->warm_use);
	measure_cpu(w, w->warm_use);
	w->connect_ns = clock_ns();
	connect_up_to(l, w->clients);
	w->connect_ns = clock_ns() - w->connect_ns;
	measure_cpu(w, w->met_use);
	turn_for(l, w->settle_ms);
	measure_memory(w, w->held_use);
	measure_cpu(w, w->held_use);
	own_ns = own_cpu_ns();
	bytes = w->plan.bytes;
	w->begin_ns = clock_ns();
	if (!interrupted)
		publish_and_drain(l);
	w->own_cpu_ns = own_cpu_ns() - own_ns;
	w->bytes = w->plan.bytes - bytes;
	measure_cpu(w, w->end_use);
	measure_memory(w, w->end_use);
}

int
watch_run(struct watch *w)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct loop l = { .w = w };
	size_t i;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	TAILQ_INIT(&l.rest);
	w->plan.tally = &w->tally;
	w->plan.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.clients = calloc(w->clients, sizeof(*l.clients));
	if (w->plan.epoll == -1 || l.clients == NULL)
		err(1, "%zu clients", w->clients);
	publisher_open(&w->publisher, w->publish);
	tally_init(&w->tally, w->publisher.run, w->clients,
	    w->publisher.messages);
	for (i = 0; i < w->clients; i++)
		client_init(&l.clients[i], &w->plan, i);
	run_phases(&l);
	for (i = 0; i < w->clients; i++)
		client_free(&l.clients[i]);
	free(l.clients);
	publisher_close(&w->publisher);
	close(w->plan.epoll);
	tally_sort(&w->tally);
	return interrupted;
}
