/* SPDX-License-Identifier: MIT */
/*
 * The thread of a child that moves the bytes of its parked clients.  All that
 * it has is its own; the rest of the child talks to it through the inbox.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "apache/conn.h"
#include "apache/link.h"
#include "apache/park.h"

#define EVENTS   256   /* of one epoll_wait */
#define TICK_MS  1000  /* between looks at who is stuck */
#define SOON_MS  20    /* while a worker has to leave, or memory to be free */
#define LEAVE_MS 10000 /* for the programs to end their clients at our end */

struct pump pump = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.inbox = STAILQ_HEAD_INITIALIZER(pump.inbox),
	.all = TAILQ_HEAD_INITIALIZER(pump.all),
	.settling = TAILQ_HEAD_INITIALIZER(pump.settling),
	.links = TAILQ_HEAD_INITIALIZER(pump.links),
	.dead = STAILQ_HEAD_INITIALIZER(pump.dead) };

/* The worker has let go of it: from here on it is the pump's. */
static void
take_over(struct parked *p)
{
	struct epoll_event ev = { .data.ptr = p };

	if (p->link != NULL) {
		p->watched = watched_of(p->link);
		if (p->watched->over)
			parked_end(p);
	}
	if (p->lost) {
		/* httpd has ended the connection instead of suspending it. */
		p->state = PARK_DONE;
		p->failed = true;
		parked_drop_output(p);
		if (p->numbered && p->unsent)
			parked_end(p);
		else if (p->numbered)
			watched_owe(p);
		else
			STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
		return;
	}
	p->state = PARK_OPEN;
	p->progress_ms = pump.now_ms;
	TAILQ_INSERT_TAIL(&pump.all, p, entry);
	p->polled = epoll_ctl(pump.epoll, EPOLL_CTL_ADD, p->fd, &ev) == 0;
	if (!p->polled) {
		parked_fail(p);
		return;
	}
	parked_go_on(p);
	/* What came with the request may lie in a filter. */
	parked_read_on(p);
}

/* Whether its worker has done with it, but for a store to what is its own. */
static bool
is_free(const struct parked *p)
{
	return p->lost || conn_is_free(p->conn);
}

static void
empty_inbox(void)
{
	struct inbox inbox = STAILQ_HEAD_INITIALIZER(inbox);
	struct inbox early = STAILQ_HEAD_INITIALIZER(early);
	struct parked *p;

	pthread_mutex_lock(&pump.lock);
	STAILQ_CONCAT(&inbox, &pump.inbox);
	pthread_mutex_unlock(&pump.lock);
	while ((p = STAILQ_FIRST(&inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(&inbox, inbox_entry);
		if (is_free(p))
			take_over(p);
		else
			STAILQ_INSERT_TAIL(&early, p, inbox_entry);
	}
	pump.look_again = !STAILQ_EMPTY(&early);
	if (!pump.look_again)
		return;
	pthread_mutex_lock(&pump.lock);
	STAILQ_CONCAT(&pump.inbox, &early);
	pthread_mutex_unlock(&pump.lock);
}

static void
bury_the_dead(void)
{
	struct watched *w, *next;
	struct parked *p;

	while ((p = STAILQ_FIRST(&pump.dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&pump.dead, inbox_entry);
		parked_drop_output(p);
		free(p->held);
		free(p);
	}
	for (w = TAILQ_FIRST(&pump.links); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (!w->over)
			continue;
		TAILQ_REMOVE(&pump.links, w, entry);
		link_unref(w->link);
		free(w);
	}
}

/* Asks the programs to end their clients; those who stay are cut. */
static void
leave(void)
{
	struct watched *w;
	struct parked *p, *next;

	if (pump.leave_ms == 0)
		pump.leave_ms = pump.now_ms + LEAVE_MS;
	TAILQ_FOREACH(w, &pump.links, entry)
		if (!w->left)
			w->left = watched_tell(w, HANDOVER_LEAVE, 0, NULL, 0,
			    NULL, 0);
	if (pump.now_ms < pump.leave_ms)
		return;
	for (p = TAILQ_FIRST(&pump.all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->state == PARK_OPEN)
			parked_fail(p);
	}
}

/* Once a second: who takes nothing, whose time is over. */
static void
tick(void)
{
	struct parked *p, *next;

	pump.tick_ms = pump.now_ms + TICK_MS;
	for (p = TAILQ_FIRST(&pump.all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->state == PARK_LINGER && !p->settling &&
		    pump.now_ms >= p->ends_ms) {
			parked_destroy(p);
		} else if (p->state == PARK_OPEN && p->rest_len > 0 &&
			   pump.now_ms - p->progress_ms >= p->stall_ms) {
			conn_note_cut(p->conn, pump.now_ms - p->progress_ms);
			parked_fail(p);
		} else if (p->taken > 0 && p->rest_len > 0) {
			/* Slow, but it takes: the program is to know. */
			watched_owe(p);
		}
	}
	if (httpd_is_leaving())
		leave();
}

/* Those whose worker has left by now. */
static void
destroy_settled(void)
{
	struct parked *p, *next;

	for (p = TAILQ_FIRST(&pump.settling); p != NULL; p = next) {
		next = TAILQ_NEXT(p, settle_entry);
		parked_destroy(p);
	}
}

/* How long to wait for the next event; -1 = for ever. */
static int
patience_ms(void)
{
	const struct watched *w;

	if (pump.look_again)
		return 1;
	if (!TAILQ_EMPTY(&pump.settling))
		return SOON_MS;
	TAILQ_FOREACH(w, &pump.links, entry)
		if (w->again_ms != 0)
			return SOON_MS;
	return TAILQ_EMPTY(&pump.all) ? -1 : TICK_MS;
}

static void
on_event(const struct epoll_event *event)
{
	enum source *source = event->data.ptr;
	uint64_t rung;

	if (source == NULL) {
		if (read(pump.bell, &rung, sizeof(rung)) != -1)
			empty_inbox();
	} else if (*source == SOURCE_LINK) {
		watched_event((struct watched *)source, event->events);
	} else {
		parked_event((struct parked *)source, event->events);
	}
}

void
pump_turn(void)
{
	struct epoll_event events[EVENTS];
	struct watched *w;
	int n = epoll_wait(pump.epoll, events, EVENTS, patience_ms());

	pump.now_ms = mono_ms();
	for (int i = 0; i < n; i++)
		on_event(&events[i]);
	if (pump.look_again)
		empty_inbox();
	destroy_settled();
	if (pump.now_ms >= pump.tick_ms)
		tick();
	TAILQ_FOREACH(w, &pump.links, entry)
		watched_settle(w);
	bury_the_dead();
}

static void *
run_pump(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&pump.stop, __ATOMIC_ACQUIRE))
		pump_turn();
	return NULL;
}

static void
ring(void)
{
	uint64_t one = 1;

	if (write(pump.bell, &one, sizeof(one)) == -1)
		return; /* it rings already */
}

int
pump_open(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int error;

	pump.epoll = epoll_create1(EPOLL_CLOEXEC);
	pump.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pump.epoll != -1 && pump.bell != -1 &&
	    epoll_ctl(pump.epoll, EPOLL_CTL_ADD, pump.bell, &ev) == 0)
		return 0;
	error = errno;
	close(pump.epoll);
	close(pump.bell);
	return error;
}

/* Its thread, which gets no signals.  Returns 0 or an error number. */
static int
make_thread(void)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&pump.thread, NULL, run_pump, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		close(pump.epoll);
		close(pump.bell);
	}
	return error;
}

bool
pump_start(void)
{
	int error = 0;

	pthread_mutex_lock(&pump.lock);
	if (!pump.started) {
		error = pump_open();
		if (error == 0)
			error = make_thread();
		pump.started = error == 0;
	}
	pthread_mutex_unlock(&pump.lock);
	errno = error;
	return error == 0;
}

/* Before the pools of the child go. */
void
pump_stop(void)
{
	if (!pump.started)
		return;
	__atomic_store_n(&pump.stop, true, __ATOMIC_RELEASE);
	ring();
	pthread_join(pump.thread, NULL);
	pump.started = false;
}

void
pump_post(struct parked *p)
{
	pthread_mutex_lock(&pump.lock);
	STAILQ_INSERT_TAIL(&pump.inbox, p, inbox_entry);
	pthread_mutex_unlock(&pump.lock);
	ring();
}
