/* SPDX-License-Identifier: MIT */
/*
 * Parked connections: those with TLS, whose keys this child has.  The handler
 * returns SUSPENDED, so that no thread stays with them, and one thread of the
 * child, the pump, moves the bytes between them and the programs' links.
 *
 * It does so through the connection's filters, in which mod_ssl works, but at
 * the end of the way out stands a filter of ours in place of httpd's own: it
 * writes what the socket takes and keeps the rest, at most one piece of the
 * window, and has no way to wait.  So a client that does not read costs its own
 * buffer and nobody's time.
 *
 * Refused: callbacks of the MPM, one for each delivery.  A wake of the
 * listener, a queue and a wake of a worker cost more than the delivery; and
 * they block.
 *
 * httpd 2.4 has no way to give a suspended connection back to the MPM.  The
 * pump ends it by itself: the request as its handler would, then the connection
 * as the MPM would (lingering close, pool destroyed).
 *
 * Who touches what: before the hook suspend_connection a connection is its
 * worker's, from then on the pump's.  After the hook the worker stores to it
 * twice.  For the first, to c->sbh, the pump waits; as nobody can see the
 * second, it destroys no connection before its worker has provably gone on
 * (apache/worker.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "httpd.h"

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_core.h"
#include "http_protocol.h"
#include "mpm_common.h"

#include "apache/conn.h"
#include "apache/link.h"
#include "apache/mod_tidings.h"
#include "apache/park.h"

static ap_filter_rec_t *out_filter;

static void
on_suspend(conn_rec *c, request_rec *r)
{
	struct conn *conn =
	    ap_get_module_config(c->conn_config, &tidings_module);

	(void)r;
	/* One that httpd closes instead is told of when its pool goes. */
	if (conn == NULL || conn->ready || c->cs->state != CONN_STATE_SUSPENDED)
		return;
	worker_note(c, &conn->worker);
	conn->ready = true;
	pump_post(conn->parked);
}

/* The pool of the connection goes: by the pump, or before it had it. */
static apr_status_t
on_pool_gone(void *arg)
{
	struct conn *conn = arg;

	if (!conn->ready) {
		conn->ready = true;
		conn->parked->lost = true;
		conn->parked->conn = NULL;
		pump_post(conn->parked);
	}
	return APR_SUCCESS;
}

bool
park_possible(const request_rec *r)
{
	int can = 0;

	return r->connection->cs != NULL &&
	       ap_mpm_query(AP_MPMQ_IS_ASYNC, &can) == APR_SUCCESS && can &&
	       !httpd_is_leaving();
}

/* The connection as it is to be while it is parked. */
static void
settle_connection(request_rec *r, struct conn *conn)
{
	conn_rec *c = r->connection;

	/* It would end the input after the time for a body. */
	ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
	ap_add_output_filter_handle(out_filter, conn, NULL, c);
	r->output_filters = r->proto_output_filters = c->output_filters;
	r->input_filters = r->proto_input_filters = c->input_filters;
	conn->bb = apr_brigade_create(c->pool, c->bucket_alloc);
	apr_socket_timeout_set(ap_get_conn_socket(c), 0);
	c->keepalive = AP_CONN_CLOSE;
	ap_set_module_config(c->conn_config, &tidings_module, conn);
	apr_pool_cleanup_register(c->pool, conn, on_pool_gone,
	    apr_pool_cleanup_null);
}

static struct conn *
conn_new(request_rec *r)
{
	struct conn *conn = apr_pcalloc(r->connection->pool, sizeof(*conn));

	conn->r = r;
	conn->c = r->connection;
	return conn;
}

bool
park(request_rec *r, struct link *link, const struct iovec *iov, int n,
    int wait_ms, apr_interval_time_t stall)
{
	struct conn *conn;
	int fd;

	if (!pump_start())
		return false;
	if (apr_os_sock_get(&fd, ap_get_conn_socket(r->connection)) !=
	    APR_SUCCESS) {
		errno = EAGAIN;
		return false;
	}
	conn = conn_new(r);
	conn->parked = parked_offer(conn, link, fd, iov, n, wait_ms,
	    apr_time_as_msec(stall));
	if (conn->parked == NULL)
		return false;
	settle_connection(r, conn);
	return true;
}

static apr_status_t
on_child_end(void *unused)
{
	(void)unused;
	pump_stop();
	return APR_SUCCESS;
}

void
park_child_init(apr_pool_t *pchild, server_rec *server)
{
	(void)server;
	conn_log_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
	apr_pool_pre_cleanup_register(pchild, NULL, on_child_end);
}

void
park_register(void)
{
	worker_register();
	out_filter = ap_register_output_filter("TIDINGS_PARKED", conn_write_out,
	    NULL, AP_FTYPE_NETWORK - 1);
	/* Behind all others, who may use the connection. */
	ap_hook_suspend_connection(on_suspend, NULL, NULL,
	    APR_HOOK_REALLY_LAST);
}
