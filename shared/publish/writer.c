/* SPDX-License-Identifier: MIT */
/*
 * The writing side of a program: a thread with a connection of its own, so that
 * neither a slow disk nor another writer's lock ever holds up the loop.  Jobs
 * that wait (shared/publish/waiting) are committed in one transaction (shared/publish/group).
 * In between the thread empties channels (shared/publish/emptying) and prunes
 * (shared/table/round), a few milliseconds at a time.
 *
 * Refused: retrying a busy database from timers of the loop.  It bounds the
 * lock but not fsync.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/publish/emptying.h"
#include "shared/publish/group.h"
#include "shared/publish/waiting.h"
#include "shared/publish/writer.h"
#include "shared/table/prune.h"
#include "shared/table/round.h"
#include "shared/table/watch.h"

#define WAITING_MAX   10000      /* jobs */
#define WAITING_BYTES (64 << 20) /* that they take, about */
#define MESSAGE_BYTES 512        /* that a message takes besides its data */
#define CGI_PRUNE_MS  20         /* after a publish by CGI */
#define PRUNE_RATIO   2          /* removed for each one that is stored */
#define ASK_AGAIN     10         /* in the time between two rounds */
#define STOP_MS       5000       /* for channels that are being emptied */
#define AGAIN_MS      20         /* while the database is exchanged */
#define COMPLAIN_MS   10000      /* between lines about a broken database */

/* Settings that the thread may still use. */
struct retired {
	struct config config;
	struct retired *next;
};

struct writer {
	struct config mine;          /* the thread's: texts are borrowed */
	const struct config *config; /* &mine */
	struct board *board;         /* or NULL */
	struct db db;                /* the thread's */
	struct round round;          /* the thread's: of pruning */
	int64_t next_prune_ms;       /* the thread's: monotonic */
	struct jobs emptying;        /* the thread's: channels */
	int64_t next_empty_ms;       /* the thread's: monotonic */
	int bell;                    /* the thread's: kept open, or -1 */
	int64_t complained_ms;       /* the thread's: monotonic, 0 = never */
	bool threaded;               /* there is a thread */
	pthread_t thread;            /* it */
	pthread_mutex_t lock;        /* over what follows */
	pthread_cond_t wake;         /* something came, or stop */
	struct waiting waiting;      /* to be done */
	struct jobs finished;        /* for the loop */
	size_t bytes;                /* of all jobs that are not done */
	struct config next;          /* settings to go over to */
	struct retired *retired;     /* not to be used then, NULL = none */
	bool lost;                   /* the database is to be closed */
	bool stop;                   /* finish and end */
	int64_t stop_ms;             /* monotonic: emptying ends then */
	ev_async async;              /* to the loop: finished has some */
	ev_prepare turn;             /* to the thread: there is work */
};

/* Opens, or opens anew after the file was replaced or broke. */
static enum db_status
ensure_open(struct writer *w)
{
	if (w->db.handle != NULL && !db_replaced(&w->db))
		return DB_OK;
	if (db_leave(&w->db) != DB_OK)
		return DB_CHANGING;
	if (w->bell != -1)
		close(w->bell);
	w->bell = -1;
	return db_open(&w->db, w->config->database,
	    w->config->power ? DB_WRITER_POWER : DB_WRITER,
	    (int)w->config->busy_timeout_ms);
}

/* A line about what those who read don't see: see complain in shared/engine/hub.c. */
static void
complain(struct writer *w, enum db_status status)
{
	int64_t now_ms = clock_mono_ms();

	board_add(w->board, BOARD_DB_ERRORS, 1);
	if (status != DB_FULL && status != DB_FAILED)
		return;
	if (w->complained_ms == 0 || now_ms - w->complained_ms >= COMPLAIN_MS) {
		w->complained_ms = now_ms;
		log_warnx("%s: %s", w->config->database, w->db.error);
	}
}

/* A connection that failed like this is not used again. */
static void
close_if_broken(struct writer *w, enum db_status status)
{
	switch (status) {
	case DB_OK:
	case DB_BUSY:
	case DB_CHANGING:
	case DB_REFUSED:
		return;
	default:
		break;
	}
	complain(w, status);
	if (w->db.handle != NULL)
		db_give_up(&w->db, status);
}

/* Whether to try again: while files are exchanged the thread can wait. */
static bool
goes_on(const struct writer *w, enum db_status status, int64_t began_ms)
{
	if (status != DB_CHANGING || !w->threaded ||
	    clock_mono_ms() - began_ms >= w->config->busy_timeout_ms)
		return false;
	poll(NULL, 0, AGAIN_MS);
	return true;
}

static void
publish_group(struct writer *w, struct jobs *group)
{
	int64_t began_ms = clock_mono_ms(), n;
	enum db_status status;

	do {
		status = ensure_open(w);
		if (status == DB_OK)
			status = group_commit(&w->db, group);
	} while (goes_on(w, status, began_ms));
	if (status == DB_OK) {
		watch_ring_kept(w->config->database, &w->bell);
		n = group_stored(group);
		w->round.stored += n;
		board_add(w->board, BOARD_PUBLISHED, n);
		return;
	}
	group_fail(group, status, w->db.error);
	close_if_broken(w, status);
}

/* Finds out what a channel has to lose; it loses that in steps. */
static void
begin_emptying(struct writer *w, struct jobs *group)
{
	struct job *job = jobs_take(group);
	int64_t began_ms = clock_mono_ms();
	enum db_status status;

	do {
		status = ensure_open(w);
		if (status == DB_OK)
			status = emptying_begin(&w->db, job);
	} while (goes_on(w, status, began_ms));
	job->status = status;
	if (status == DB_OK && job->upto > 0) {
		jobs_add(&w->emptying, job);
		return;
	}
	if (status != DB_OK) {
		job_fail(job, status, w->db.error);
		close_if_broken(w, status);
	}
	jobs_add(group, job);
}

/* One step of the channel that came first.  Returns its job once it is done. */
static struct job *
empty_some(struct writer *w)
{
	struct job *job = w->emptying.first;
	enum db_status status = ensure_open(w);
	bool done = false;

	if (status == DB_OK)
		status = emptying_step(&w->db, job, &done);
	if ((status == DB_OK && !done) || status == DB_CHANGING)
		return NULL;
	if (status != DB_OK) {
		job_fail(job, status, w->db.error);
		close_if_broken(w, status);
	}
	return jobs_take(&w->emptying);
}

static void
do_group(struct writer *w, struct jobs *group)
{
	if (group->first->n == 0)
		begin_emptying(w, group);
	else
		publish_group(w, group);
}

/*
 * Some steps of a round of pruning: as many as it takes to remove `rows`
 * messages, and one at least.  Returns whether there is more to do at once.
 */
static bool
prune_some(struct writer *w, int64_t rows)
{
	enum db_status status;
	bool done = false, more;

	if (!round_begin(&w->round, w->config))
		return false;
	status = ensure_open(w);
	if (status == DB_OK)
		status = round_steps(&w->round, &w->db, w->config, rows, &done);
	more = round_settle(&w->round, &w->db, status, done);
	close_if_broken(w, status);
	return more;
}

/* Whether a job may be done now. */
static bool
may_do(const struct job *job, void *arg)
{
	const struct writer *w = arg;

	return emptying_allows(&w->emptying, job);
}

static bool
has_work(struct writer *w)
{
	return waiting_is_ready(&w->waiting, may_do, w);
}

/* Goes over to other settings.  The lock is held. */
static void
take_settings(struct writer *w)
{
	struct retired *retired;

	if (w->retired == NULL)
		return;
	w->mine = w->next;
	/* These go by the old ones: a round of pruning, the connection. */
	round_restart(&w->round);
	w->next_prune_ms = 0;
	db_close(&w->db);
	while ((retired = w->retired) != NULL) {
		w->retired = retired->next;
		config_free(&retired->config);
		free(retired);
	}
}

/* When there is something to be done though no job comes. */
static int64_t
next_due_ms(const struct writer *w)
{
	return w->emptying.first != NULL && w->next_empty_ms < w->next_prune_ms
		   ? w->next_empty_ms
		   : w->next_prune_ms;
}

/* Waits for work or the time to empty or prune.  The lock is held. */
static void
wait_for_work(struct writer *w)
{
	int64_t due_ms = next_due_ms(w);
	struct timespec until = { .tv_sec = due_ms / 1000,
		.tv_nsec = due_ms % 1000 * 1000000 };

	while (!has_work(w) && (!w->stop || w->emptying.first != NULL) &&
	       !w->lost && w->retired == NULL && clock_mono_ms() < due_ms)
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) != 0)
			break;
}

/* The lock is held. */
static void
tell_finished(struct writer *w, struct job *job)
{
	jobs_add(&w->finished, job);
	ev_async_send(EV_DEFAULT_UC_ & w->async);
}

/* Does the next group.  Returns how many messages it has stored. */
static int64_t
do_waiting(struct writer *w)
{
	int64_t before = w->round.stored;
	struct jobs group;
	struct job *job;

	waiting_take(&w->waiting, &group, may_do, w);
	pthread_mutex_unlock(&w->lock);
	do_group(w, &group);
	pthread_mutex_lock(&w->lock);
	while ((job = jobs_take(&group)) != NULL)
		tell_finished(w, job);
	return w->round.stored - before;
}

/*
 * Empties channels between groups, with pauses for the writers of other
 * processes.  At a stop what is left is given up after a while.
 */
static void
empty_between(struct writer *w)
{
	int64_t began_ms = clock_mono_ms(), now_ms;
	struct job *job;

	pthread_mutex_unlock(&w->lock);
	job = empty_some(w);
	pthread_mutex_lock(&w->lock);
	now_ms = clock_mono_ms();
	w->next_empty_ms = now_ms + 1 + (now_ms - began_ms);
	if (job != NULL)
		tell_finished(w, job);
	while (w->stop && now_ms >= w->stop_ms &&
	       (job = jobs_take(&w->emptying)) != NULL) {
		job_fail(job, DB_BUSY, "the server stops: try again");
		tell_finished(w, job);
	}
}

/*
 * Prunes between groups: more than they bring, so that a storm does not make
 * the table grow for ever.  Where there is no group of ours there are pauses,
 * for the writers of other processes.
 */
static bool
prune_between(struct writer *w, int64_t stored)
{
	int64_t began_ms = clock_mono_ms(), now_ms;
	bool more;

	pthread_mutex_unlock(&w->lock);
	more = prune_some(w, stored * PRUNE_RATIO);
	pthread_mutex_lock(&w->lock);
	now_ms = clock_mono_ms();
	/* Who stores much does not wait long for the lease of another. */
	w->next_prune_ms =
	    now_ms + (more ? prune_pause_ms(now_ms - began_ms)
			   : w->config->prune_ms /
				 (round_insists(&w->round) ? ASK_AGAIN : 1));
	return more;
}

/* Closes a database whose files were exchanged.  The lock is held. */
static void
heed_loss(struct writer *w)
{
	if (!w->lost)
		return;
	w->lost = false;
	pthread_mutex_unlock(&w->lock);
	while (w->db.handle != NULL && db_replaced(&w->db) && db_leave(&w->db))
		poll(NULL, 0, AGAIN_MS);
	pthread_mutex_lock(&w->lock);
}

/* Another connection, in its thread, has found that they were. */
static void
tell_lost(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	w->lost = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static void *
run(void *arg)
{
	struct writer *w = arg;
	bool more = false;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int64_t stored = 0;

		wait_for_work(w);
		take_settings(w);
		heed_loss(w);
		if (has_work(w))
			stored = do_waiting(w);
		else if (w->stop && w->emptying.first == NULL)
			break;
		if (w->emptying.first != NULL &&
		    clock_mono_ms() >= w->next_empty_ms)
			empty_between(w);
		if (clock_mono_ms() >= w->next_prune_ms ||
		    (stored > 0 && (more || round_is_early(&w->round))))
			more = prune_between(w, stored);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void
on_async(struct ev_loop *loop, ev_async *async, int revents)
{
	struct writer *w = async->data;
	struct jobs finished;
	struct job *job;

	(void)loop;
	(void)revents;
	jobs_init(&finished);
	pthread_mutex_lock(&w->lock);
	while ((job = jobs_take(&w->finished)) != NULL) {
		w->bytes -= job->cost;
		jobs_add(&finished, job);
	}
	pthread_mutex_unlock(&w->lock);
	while ((job = jobs_take(&finished)) != NULL)
		job->done(job);
}

/*
 * The thread is woken once all that the loop has found in its turn is there:
 * that is one group then, and nobody waits for it any longer.
 */
static void
on_turn(struct ev_loop *loop, ev_prepare *turn, int revents)
{
	struct writer *w = turn->data;

	(void)loop;
	(void)revents;
	ev_prepare_stop(EV_DEFAULT_UC_ & w->turn);
	pthread_cond_signal(&w->wake);
}

static void
start_thread(struct writer *w)
{
	pthread_condattr_t attr;
	sigset_t all, before;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	w->db.lost = tell_lost;
	w->db.lost_arg = w;
	ev_async_init(&w->async, on_async);
	w->async.data = w;
	ev_async_start(EV_DEFAULT_UC_ & w->async);
	ev_prepare_init(&w->turn, on_turn);
	w->turn.data = w;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		fatalx("the writer's thread can't be started");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct writer *
writer_start(const struct config *config, struct board *board, bool threaded)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->mine = *config;
	w->config = &w->mine;
	w->board = board;
	round_init(&w->round);
	w->bell = -1;
	w->threaded = threaded;
	/* Programs that start together do not prune together. */
	w->next_prune_ms =
	    clock_mono_ms() + clock_jitter((uint32_t)config->prune_ms);
	waiting_init(&w->waiting);
	jobs_init(&w->emptying);
	jobs_init(&w->finished);
	if (threaded)
		start_thread(w);
	return w;
}

void
writer_reload(struct writer *w, const struct config *config,
    const struct config *before)
{
	struct retired *retired = xcalloc(1, sizeof(*retired));

	retired->config = *before;
	if (w == NULL || !w->threaded) {
		if (w != NULL)
			w->mine = *config;
		config_free(&retired->config);
		free(retired);
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->next = *config;
	retired->next = w->retired;
	w->retired = retired;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void
writer_stop(struct writer *w)
{
	if (w == NULL)
		return;
	if (w->threaded) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		w->stop_ms = clock_mono_ms() + STOP_MS;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
		take_settings(w);
		on_async(EV_DEFAULT_UC, &w->async, 0);
		ev_async_stop(EV_DEFAULT_UC_ & w->async);
		ev_prepare_stop(EV_DEFAULT_UC_ & w->turn);
		pthread_mutex_destroy(&w->lock);
		pthread_cond_destroy(&w->wake);
	}
	ensure_open(w);
	round_stop(&w->round, &w->db, w->config);
	if (w->bell != -1)
		close(w->bell);
	db_close(&w->db);
	free(w);
}

/* Without a thread: all that the job asks for, then some pruning. */
static void
do_alone(struct writer *w, struct job *job)
{
	int64_t until_ms;
	struct jobs alone;

	jobs_init(&alone);
	jobs_add(&alone, job);
	do_group(w, &alone);
	while (w->emptying.first != NULL) {
		int64_t began_ms = clock_mono_ms();

		if (empty_some(w) == NULL)
			poll(NULL, 0, 1 + (int)(clock_mono_ms() - began_ms));
	}
	job->done(job);
	until_ms = clock_mono_ms() + CGI_PRUNE_MS;
	while (prune_some(w, 0) && clock_mono_ms() < until_ms)
		continue;
}

bool
writer_submit(struct writer *w, struct job *job)
{
	bool taken;

	/* Until it is done it is not. */
	job_fail(job, DB_FAILED, "it was not done");
	if (!w->threaded) {
		do_alone(w, job);
		return true;
	}
	job->cost = job_bytes(job) + (job->n + 1) * MESSAGE_BYTES;
	pthread_mutex_lock(&w->lock);
	/* One that is large by itself is taken where nothing else waits. */
	taken = waiting_count(&w->waiting) < WAITING_MAX &&
		(w->bytes == 0 || w->bytes + job->cost <= WAITING_BYTES);
	if (taken) {
		w->bytes += job->cost;
		waiting_add(&w->waiting, job);
	}
	pthread_mutex_unlock(&w->lock);
	if (taken)
		ev_prepare_start(EV_DEFAULT_UC_ & w->turn);
	return taken;
}
