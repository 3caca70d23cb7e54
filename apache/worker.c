/* SPDX-License-Identifier: MIT */
/*
 * Whether the worker that suspended a connection has left it.  There are two
 * proofs.  It has taken up another connection: each begins with the hook
 * create_connection or resume_connection, on that thread.  Or it waits for one,
 * which it says in the scoreboard.
 *
 * A child that is about to end says something else there, for all its workers
 * at once.  Then, and where the scoreboard has no place for the thread, time
 * has to do: what the worker has left to do takes some nanoseconds, once it
 * runs.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "httpd.h"

#include "ap_mpm.h"
#include "http_connection.h"
#include "http_log.h"
#include "http_main.h"
#include "mpm_common.h"
#include "scoreboard.h"

#include "apache/link.h"
#include "apache/mod_tidings.h"
#include "apache/worker.h"

APLOG_USE_MODULE(tidings);

#define LEFT_MS 2000 /* until a worker has left without a proof */

struct worker {
	unsigned turn;             /* connections that it took up; atomic */
	const worker_score *score; /* its place in the scoreboard, or NULL */
};

/* Of a thread that has suspended a connection for us. */
static _Thread_local struct worker *self;

/* The place of this thread, which the id of the connection tells. */
static const worker_score *
find_score(const conn_rec *c)
{
	const worker_score *score;
	int limit = 0;

	if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &limit) != APR_SUCCESS ||
	    limit <= 0 || c->id < 0)
		return NULL;
	score = ap_get_scoreboard_worker_from_indexes((int)(c->id / limit),
	    (int)(c->id % limit));
	return score != NULL && pthread_equal(score->tid, pthread_self())
		   ? score
		   : NULL;
}

void
worker_note(const conn_rec *c, struct worker_turn *turn)
{
	if (self == NULL) {
		self = must(calloc(1, sizeof(*self)));
		self->score = find_score(c);
	}
	turn->worker = self;
	turn->turn = self->turn;
	turn->at_ms = mono_ms();
}

/* A child that begins takes the places of one that ends. */
static bool
is_idle(const worker_score *score)
{
	return __atomic_load_n(&score->status, __ATOMIC_ACQUIRE) ==
		   SERVER_READY &&
	       score->pid == getpid();
}

bool
worker_has_left(const struct worker_turn *turn)
{
	const struct worker *worker = turn->worker;

	if (__atomic_load_n(&worker->turn, __ATOMIC_ACQUIRE) != turn->turn ||
	    (worker->score != NULL && is_idle(worker->score)))
		return true;
	if (mono_ms() - turn->at_ms < LEFT_MS)
		return false;
	ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, ap_server_conf,
	    "a parked connection goes without a proof that its worker left");
	return true;
}

static void
take_turn(void)
{
	if (self != NULL)
		__atomic_store_n(&self->turn, self->turn + 1, __ATOMIC_RELEASE);
}

static conn_rec *
on_create(apr_pool_t *p, server_rec *server, apr_socket_t *csd, long id,
    void *sbh, apr_bucket_alloc_t *alloc)
{
	(void)p;
	(void)server;
	(void)csd;
	(void)id;
	(void)sbh;
	(void)alloc;
	take_turn();
	return NULL;
}

static void
on_resume(conn_rec *c, request_rec *r)
{
	(void)c;
	(void)r;
	take_turn();
}

void
worker_register(void)
{
	ap_hook_create_connection(on_create, NULL, NULL, APR_HOOK_REALLY_FIRST);
	ap_hook_resume_connection(on_resume, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
