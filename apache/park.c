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
 * second, it destroys no connection before SETTLE_MS.
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

#include "apache/park.h"

static ap_filter_rec_t *out_filter;

static void
on_suspend(conn_rec *c, request_rec *r)
{
	struct parked *p =
	    ap_get_module_config(c->conn_config, &tidings_module);

	(void)r;
	if (p == NULL || p->ready)
		return;
	p->ready = true;
	pump_post(p);
}

/* The pool of the connection goes: by the pump, or before it had it. */
static apr_status_t
on_pool_gone(void *arg)
{
	struct parked *p = arg;

	if (!p->ready) {
		p->ready = p->lost = true;
		p->c = NULL;
		p->r = NULL;
		pump_post(p);
	}
	return APR_SUCCESS;
}

bool
park_possible(const request_rec *r)
{
	int can = 0;

	return r->connection->cs != NULL &&
	       ap_mpm_query(AP_MPMQ_IS_ASYNC, &can) == APR_SUCCESS && can &&
	       !pump_is_leaving();
}

/* The connection as it is to be while it is parked. */
static void
settle_connection(request_rec *r, struct parked *p)
{
	conn_rec *c = r->connection;

	/* It would end the input after the time for a body. */
	ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
	ap_add_output_filter_handle(out_filter, p, NULL, c);
	r->output_filters = r->proto_output_filters = c->output_filters;
	r->input_filters = r->proto_input_filters = c->input_filters;
	p->bb = apr_brigade_create(c->pool, c->bucket_alloc);
	apr_socket_timeout_set(ap_get_conn_socket(c), 0);
	c->keepalive = AP_CONN_CLOSE;
	ap_set_module_config(c->conn_config, &tidings_module, p);
	apr_pool_cleanup_register(c->pool, p, on_pool_gone,
	    apr_pool_cleanup_null);
}

bool
park(request_rec *r, struct link *link, const struct iovec *iov, int n,
    int wait_ms, apr_interval_time_t stall)
{
	struct {
		struct handover_head head;
		uint32_t number;
	} first = { { .type = HANDOVER_PARK, .count = 1 }, 0 };
	struct iovec all[4] = { { &first, sizeof(first) } };
	struct parked *p;

	if (!pump_start())
		return false;
	p = ap_calloc(1, sizeof(*p));
	p->source = SOURCE_CLIENT;
	p->link = link;
	p->r = r;
	p->c = r->connection;
	p->stall_ms = apr_time_as_msec(stall);
	STAILQ_INIT(&p->queue);
	if (apr_os_sock_get(&p->fd, ap_get_conn_socket(p->c)) != APR_SUCCESS ||
	    !link_number(link, p, &p->number)) {
		free(p);
		errno = EAGAIN;
		return false;
	}
	p->numbered = true;
	first.number = p->number;
	memcpy(all + 1, iov, (size_t)n * sizeof(*iov));
	if (link_send(link, all, n + 1, -1, wait_ms) == -1) {
		int saved = errno;

		/* The pump may have met it already: it alone ends numbers. */
		p->c = NULL;
		p->r = NULL;
		p->ready = p->lost = p->unsent = true;
		pump_post(p);
		errno = saved;
		return false;
	}
	settle_connection(r, p);
	return true;
}

void
park_child_init(apr_pool_t *pchild, server_rec *server)
{
	(void)server;
	pump.log_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
	apr_pool_pre_cleanup_register(pchild, NULL, pump_stop);
}

void
park_register(void)
{
	out_filter = ap_register_output_filter("TIDINGS_PARKED",
	    parked_write_out, NULL, AP_FTYPE_NETWORK - 1);
	/* Behind all others, who may use the connection. */
	ap_hook_suspend_connection(on_suspend, NULL, NULL,
	    APR_HOOK_REALLY_LAST);
}
