/* SPDX-License-Identifier: MIT */
#ifndef APACHE_MOD_TIDINGS_H
#define APACHE_MOD_TIDINGS_H

#include <stdbool.h>

#include <sys/uio.h>

#include "httpd.h"

#include "http_config.h"
#include "util_filter.h"

#include "apache/worker.h"

struct link;
struct parked;

/* The one symbol that httpd looks for; all others stay inside. */
extern module AP_MODULE_DECLARE_DATA tidings_module
    __attribute__((visibility("default")));

/* A connection that is parked, or about to be; of its own pool. */
struct conn {
	struct parked *parked;     /* whose it is */
	request_rec *r;            /* until it is finished */
	conn_rec *c;               /* until it is destroyed */
	apr_bucket_brigade *bb;    /* for both ways */
	bool begun;                /* its answer has begun */
	bool ready;                /* the pump's, or gone before it was */
	struct worker_turn worker; /* who suspended it, once it is ready */
};

/*
 * apache/conn.c: the end of the filters, behind mod_ssl.  What it is given goes
 * to parked_put.
 */
apr_status_t conn_write_out(ap_filter_t *f, apr_bucket_brigade *bb);

/* mod_logio's, or NULL. */
extern void (*conn_log_bytes_out)(conn_rec *c, apr_off_t bytes);

/*
 * apache/park.c: clients that stay with this child.
 */

/* For register_hooks and for child_init. */
void park_register(void);
void park_child_init(apr_pool_t *pchild, server_rec *server);

/* Whether this MPM can do without a thread for a connection. */
bool park_possible(const request_rec *r);

/*
 * Parks the connection of the request, whose variables are `iov`, with the
 * program behind `link`.  `stall` is how long the client may take nothing.
 * Returns true: the handler is to return SUSPENDED; or false with errno, and
 * the request is as it was.
 */
bool park(request_rec *r, struct link *link, const struct iovec *iov, int n,
    int wait_ms, apr_interval_time_t stall);

#endif
