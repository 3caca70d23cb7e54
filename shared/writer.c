/* SPDX-License-Identifier: MIT */
/*
 * The writing side of a program: a thread with a connection of its own, so that
 * neither a slow disk nor another writer's lock ever holds up the loop.  All
 * jobs that wait are committed in one transaction (shared/group), up to a size
 * that holds neither those behind nor other writers up for long.  In between
 * the thread prunes.
 *
 * Refused: retrying a busy database from timers of the loop.  It bounds the
 * lock but not fsync.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>

#include "shared/board.h"
#include "shared/clock.h"
#include "shared/config_file.h"
#include "shared/group.h"
#include "shared/log.h"
#include "shared/prune.h"
#include "shared/str.h"
#include "shared/watch.h"
#include "shared/writer.h"

#define WAITING_MAX     10000      /* jobs */
#define WAITING_BYTES   (64 << 20) /* that they take, about */
#define MESSAGE_BYTES   512        /* that a message takes besides its data */
#define GROUP_MAX       1000       /* jobs in one transaction */
#define GROUP_BYTES     (2 << 20)  /* that they take, about: some 10 ms */
#define CGI_PRUNE_STEPS 20         /* after a publish by CGI */
#define MUCH            500        /* messages: who stores them prunes */
#define VERY_MUCH       50000      /* messages: a round is due before time */
#define PRUNE_RATIO     2          /* removed for each one that is stored */
#define ASK_AGAIN       10         /* in the time between two rounds */
#define PRUNE_BUSY_MS   100        /* then the lease is for another one */

/*
 * Jobs wait in two rows, which take turns, so that single messages do not wait
 * for every large batch.  Each row keeps its order: what one WebSocket sends
 * are single messages.
 */
enum row {
	ROW_SINGLE, /* a message, or a channel to be emptied */
	ROW_SEVERAL,
	ROW__MAX
};

/* Settings that the thread may still use. */
struct retired {
	struct config config;
	struct retired *next;
};

struct writer {
	struct config mine;            /* the thread's: texts are borrowed */
	const struct config *config;   /* &mine */
	struct board *board;           /* or NULL */
	struct db db;                  /* the thread's */
	struct prune prune;            /* the thread's: the round under way */
	int lease;                     /* the thread's: -1 = no round */
	int64_t next_prune_ms;         /* the thread's: monotonic */
	int64_t stored;                /* the thread's: since a round of ours */
	int bell;                      /* the thread's: kept open, or -1 */
	enum row row;                  /* the thread's: had its turn last */
	bool threaded;                 /* there is a thread */
	pthread_t thread;              /* it */
	pthread_mutex_t lock;          /* over what follows */
	pthread_cond_t wake;           /* something came, or stop */
	struct jobs waiting[ROW__MAX]; /* to be done */
	struct jobs finished;          /* for the loop */
	size_t bytes;                  /* of all jobs that are not done */
	struct config next;            /* settings to go over to */
	struct retired *retired;       /* not to be used then, NULL = none */
	bool stop;                     /* finish and end */
	ev_async async;                /* to the loop: finished has some */
	ev_prepare turn;               /* to the thread: there is work */
};

/* Opens, or opens anew after the file was replaced or broke. */
static enum db_status
ensure_open(struct writer *w)
{
	if (w->db.handle != NULL && !db_replaced(&w->db))
		return DB_OK;
	db_close(&w->db);
	if (w->bell != -1)
		close(w->bell);
	w->bell = -1;
	return db_open(&w->db, w->config->database,
	    w->config->power ? DB_WRITER_POWER : DB_WRITER,
	    (int)w->config->busy_timeout_ms);
}

/* A connection that failed like this is not used again. */
static void
close_if_broken(struct writer *w, enum db_status status)
{
	switch (status) {
	case DB_OK:
	case DB_BUSY:
	case DB_REFUSED:
		return;
	case DB_FULL:
	case DB_MISSING:
	case DB_NOT_OURS:
	case DB_DAMAGED:
	case DB_FAILED:
		break;
	}
	board_add(w->board, BOARD_DB_ERRORS, 1);
	if (w->db.handle != NULL)
		db_give_up(&w->db, status);
}

static void
publish_group(struct writer *w, struct jobs *group)
{
	enum db_status status = ensure_open(w);
	int64_t n;

	if (status == DB_OK)
		status = group_commit(&w->db, group);
	if (status == DB_OK) {
		watch_ring_kept(w->config->database, &w->bell);
		n = group_stored(group);
		w->stored += n;
		board_add(w->board, BOARD_PUBLISHED, n);
		return;
	}
	group_fail(group, status, w->db.error);
	close_if_broken(w, status);
}

static void
empty_channel(struct writer *w, struct job *job)
{
	enum db_status status = ensure_open(w);

	if (status == DB_OK)
		status =
		    change_delete_channel(&w->db, job->channel, &job->removed);
	job->status = status;
	if (status != DB_OK) {
		job_fail(job, status, w->db.error);
		close_if_broken(w, status);
	}
}

static bool
has_work(const struct writer *w)
{
	return w->waiting[ROW_SINGLE].first != NULL ||
	       w->waiting[ROW_SEVERAL].first != NULL;
}

/* The row whose turn it is, among those where somebody waits. */
static struct jobs *
next_row(struct writer *w)
{
	enum row other = w->row == ROW_SINGLE ? ROW_SEVERAL : ROW_SINGLE;

	if (w->waiting[other].first != NULL)
		w->row = other;
	return &w->waiting[w->row];
}

/* The next jobs that go together; one that empties a channel goes alone. */
static void
take_group(struct jobs *waiting, struct jobs *group)
{
	size_t bytes = 0;

	jobs_init(group);
	while (waiting->first != NULL && group->n < GROUP_MAX) {
		const struct job *next = waiting->first;

		bytes += next->cost;
		if (group->n > 0 && (next->n == 0 || bytes > GROUP_BYTES))
			return;
		jobs_add(group, jobs_take(waiting));
		if (group->first->n == 0)
			return;
	}
}

static void
do_group(struct writer *w, struct jobs *group)
{
	if (group->first->n == 0)
		empty_channel(w, group->first);
	else
		publish_group(w, group);
}

/* Whether so much was published here that nobody else could prune it. */
static bool
stores_much(const struct writer *w)
{
	return w->stored >= MUCH;
}

/* Whether so much that a round begins before its time. */
static bool
is_early(const struct writer *w)
{
	return w->stored >= VERY_MUCH;
}

/* The round is over, or cannot go on. */
static void
end_round(struct writer *w, enum db_status status)
{
	if (status == DB_OK) {
		prune_note(w->lease, &w->db);
		if (stores_much(w))
			prune_claim(w->lease);
		w->stored = 0;
	}
	if (w->prune.removed > 0)
		log_debug("pruned %lld messages", (long long)w->prune.removed);
	if (status == DB_BUSY)
		prune_pass(w->lease);
	else
		close(w->lease);
	w->lease = -1;
	close_if_broken(w, status);
}

/* One step and more, until `rows` messages are removed. */
static enum db_status
prune_steps(struct writer *w, int64_t rows, bool *done)
{
	int64_t upto = w->prune.removed + rows, before;
	enum db_status status;

	do {
		before = w->prune.removed;
		status = prune_step(&w->db, w->config, &w->prune, done);
	} while (status == DB_OK && !*done && w->prune.removed > before &&
		 w->prune.removed < upto);
	return status;
}

/*
 * What is removed may come back after a loss of power, with its watermark as it
 * was, so nothing waits for the disk; the next publish does.
 */
static enum db_status
prune_unsynced(struct writer *w, int64_t rows, bool *done)
{
	enum db_status status, back;

	if (!w->config->power)
		return prune_steps(w, rows, done);
	status = db_set_power(&w->db, false);
	if (status == DB_OK)
		status = prune_steps(w, rows, done);
	back = db_set_power(&w->db, true);
	if (back == DB_OK)
		return status;
	/* Opened anew it is as it must be. */
	return db_give_up(&w->db, back);
}

/*
 * Some steps of a round: as many as it takes to remove `rows` messages, and one
 * at least.  Returns whether there is more to do at once.
 */
static bool
prune_some(struct writer *w, int64_t rows)
{
	int busy_ms = (int)w->config->busy_timeout_ms;
	enum db_status status;
	bool done = false;

	if (w->lease == -1) {
		w->lease = prune_lease(w->config->database,
		    is_early(w) ? 0 : w->config->prune_ms * 9 / 10,
		    stores_much(w));
		w->prune = (struct prune){ 0 };
		if (w->lease == -1)
			return false;
	}
	/* As many may come until the next round as did since the last one. */
	w->prune.coming = w->stored;
	status = ensure_open(w);
	if (status == DB_OK) {
		db_set_busy(&w->db,
		    busy_ms < PRUNE_BUSY_MS ? busy_ms : PRUNE_BUSY_MS);
		status = prune_unsynced(w, rows, &done);
		db_set_busy(&w->db, busy_ms);
	}
	if (status == DB_OK && !done) {
		if (stores_much(w) || !prune_is_wanted(w->lease))
			return true;
		prune_pass(w->lease);
		w->lease = -1;
		return false;
	}
	end_round(w, status);
	return false;
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
	w->prune = (struct prune){ 0 };
	w->next_prune_ms = 0;
	db_close(&w->db);
	while ((retired = w->retired) != NULL) {
		w->retired = retired->next;
		config_free(&retired->config);
		free(retired);
	}
}

/* Waits for work or the time to prune.  The lock is held. */
static void
wait_for_work(struct writer *w)
{
	struct timespec until = { .tv_sec = w->next_prune_ms / 1000,
		.tv_nsec = w->next_prune_ms % 1000 * 1000000 };

	while (!has_work(w) && !w->stop && w->retired == NULL &&
	       clock_mono_ms() < w->next_prune_ms)
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) != 0)
			break;
}

/* Does the next group.  Returns how many messages it has stored. */
static int64_t
do_waiting(struct writer *w)
{
	int64_t before = w->stored;
	struct jobs group;
	struct job *job;

	take_group(next_row(w), &group);
	pthread_mutex_unlock(&w->lock);
	do_group(w, &group);
	pthread_mutex_lock(&w->lock);
	while ((job = jobs_take(&group)) != NULL)
		jobs_add(&w->finished, job);
	ev_async_send(EV_DEFAULT_UC_ & w->async);
	return w->stored - before;
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
	    now_ms +
	    (more ? prune_pause_ms(now_ms - began_ms)
		  : w->config->prune_ms / (stores_much(w) ? ASK_AGAIN : 1));
	return more;
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
		if (has_work(w))
			stored = do_waiting(w);
		else if (w->stop)
			break;
		if (more || clock_mono_ms() >= w->next_prune_ms ||
		    (is_early(w) && stored > 0))
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
	w->lease = w->bell = -1;
	w->threaded = threaded;
	/* Programs that start together do not prune together. */
	w->next_prune_ms =
	    clock_mono_ms() + clock_jitter((uint32_t)config->prune_ms);
	jobs_init(&w->waiting[ROW_SINGLE]);
	jobs_init(&w->waiting[ROW_SEVERAL]);
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
	if (w->lease == -1)
		w->lease = prune_lease(w->config->database, 0, false);
	if (w->lease != -1 && ensure_open(w) == DB_OK)
		prune_note(w->lease, &w->db);
	if (w->lease != -1)
		close(w->lease);
	if (w->bell != -1)
		close(w->bell);
	db_close(&w->db);
	free(w);
}

bool
writer_submit(struct writer *w, struct job *job)
{
	struct jobs *row = &w->waiting[job->n > 1 ? ROW_SEVERAL : ROW_SINGLE];
	struct jobs alone;
	bool taken;

	if (!w->threaded) {
		jobs_init(&alone);
		jobs_add(&alone, job);
		do_group(w, &alone);
		job->done(job);
		for (int i = 0; i < CGI_PRUNE_STEPS; i++)
			if (!prune_some(w, 0))
				break;
		return true;
	}
	job->cost = job_bytes(job) + (job->n + 1) * MESSAGE_BYTES;
	pthread_mutex_lock(&w->lock);
	/* One that is large by itself is taken where nothing else waits. */
	taken = w->waiting[ROW_SINGLE].n + w->waiting[ROW_SEVERAL].n <
		    WAITING_MAX &&
		(w->bytes == 0 || w->bytes + job->cost <= WAITING_BYTES);
	if (taken) {
		w->bytes += job->cost;
		jobs_add(row, job);
	}
	pthread_mutex_unlock(&w->lock);
	if (taken)
		ev_prepare_start(EV_DEFAULT_UC_ & w->turn);
	return taken;
}
