/* SPDX-License-Identifier: MIT */
/*
 * A parked connection as httpd has it: its filters, its request, its pool.
 */
#include <errno.h>
#include <string.h>

#include "httpd.h"

#include "ap_mpm.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_request.h"

#include "apache/conn.h"
#include "apache/mod_tidings.h"
#include "apache/park.h"

APLOG_USE_MODULE(tidings);

#define PIECES 16 /* of one write to a socket */

void (*conn_log_bytes_out)(conn_rec *c, apr_off_t bytes);

bool
conn_is_free(const struct conn *conn)
{
	return __atomic_load_n(&conn->c->sbh, __ATOMIC_ACQUIRE) == NULL;
}

bool
conn_is_left(const struct conn *conn)
{
	return worker_has_left(&conn->worker);
}

/* All that comes down the filters, encrypted. */
apr_status_t
conn_write_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
	struct conn *conn = f->ctx;
	struct iovec iov[PIECES];
	int n = 0;

	for (apr_bucket *e = APR_BRIGADE_FIRST(bb);
	     e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
		const char *bytes;
		apr_size_t len;

		if (APR_BUCKET_IS_METADATA(e))
			continue;
		if (apr_bucket_read(e, &bytes, &len, APR_BLOCK_READ) !=
		    APR_SUCCESS) {
			conn->parked->failed = true;
			break;
		}
		if (len == 0)
			continue;
		iov[n++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
		if (n == PIECES) {
			parked_put(conn->parked, iov, n);
			n = 0;
		}
	}
	if (n > 0)
		parked_put(conn->parked, iov, n);
	/* An EOR among them ends the request here. */
	apr_brigade_cleanup(bb);
	return conn->parked->failed ? APR_ECONNABORTED : APR_SUCCESS;
}

/* Three digits, or 0. */
static int
status_of(const char *text)
{
	int status = 0;

	for (int i = 0; i < 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		status = status * 10 + text[i] - '0';
	}
	return status >= 100 && status < 600 ? status : 0;
}

/* What the log is to show: the status, and the bytes behind the head. */
static void
count_answer(struct conn *conn, const char *bytes, size_t len)
{
	const char *end;

	if (!conn->begun) {
		conn->begun = true;
		if (len > 12 && strncmp(bytes, "HTTP/1.", 7) == 0 &&
		    status_of(bytes + 9) != 0)
			conn->r->status = status_of(bytes + 9);
		end = memmem(bytes, len, "\r\n\r\n", 4);
		len = end == NULL ? 0 : len - (size_t)(end + 4 - bytes);
	}
	conn->r->sent_bodyct = 1;
	conn->r->bytes_sent += (apr_off_t)len;
}

bool
conn_write(struct conn *conn, const char *bytes, size_t len)
{
	conn_rec *c = conn->c;
	apr_status_t rv;

	count_answer(conn, bytes, len);
	APR_BRIGADE_INSERT_TAIL(conn->bb,
	    apr_bucket_transient_create(bytes, len, c->bucket_alloc));
	/* mod_ssl would wait for more; nobody below it heeds this. */
	APR_BRIGADE_INSERT_TAIL(conn->bb,
	    apr_bucket_flush_create(c->bucket_alloc));
	rv = ap_pass_brigade(c->output_filters, conn->bb);
	apr_brigade_cleanup(conn->bb);
	return rv == APR_SUCCESS;
}

ssize_t
conn_read(struct conn *conn, char *buf, size_t size)
{
	apr_size_t len = size;
	apr_status_t rv = ap_get_brigade(conn->c->input_filters, conn->bb,
	    AP_MODE_READBYTES, APR_NONBLOCK_READ, (apr_off_t)size);

	if (rv == APR_SUCCESS)
		rv = apr_brigade_flatten(conn->bb, buf, &len);
	if (rv == APR_SUCCESS && len == 0 && !APR_BRIGADE_EMPTY(conn->bb))
		rv = APR_EOF;
	apr_brigade_cleanup(conn->bb);
	if (rv == APR_SUCCESS && len > 0)
		return (ssize_t)len;
	if (APR_STATUS_IS_EOF(rv))
		return 0;
	errno = rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv) ? EAGAIN
							      : ECONNABORTED;
	return -1;
}

void
conn_wrote(struct conn *conn, size_t len)
{
	if (conn_log_bytes_out != NULL)
		conn_log_bytes_out(conn->c, (apr_off_t)len);
}

void
conn_end_request(struct conn *conn, bool aborted)
{
	conn_rec *c = conn->c;
	request_rec *r = conn->r;

	conn->r = NULL;
	c->aborted = aborted;
	ap_process_request_after_handler(r);
	c->cs->state = CONN_STATE_SUSPENDED;
}

void
conn_say_goodbye(struct conn *conn)
{
	ap_prep_lingering_close(conn->c);
	ap_flush_conn(conn->c);
}

void
conn_destroy(struct conn *conn)
{
	/* What the MPM counts it as. */
	conn->c->cs->state = CONN_STATE_SUSPENDED;
	apr_pool_destroy(conn->c->pool);
}

void
conn_note_cut(const struct conn *conn, int64_t stall_ms)
{
	ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
	    "a parked client is cut: it took nothing for %d ms", (int)stall_ms);
}

bool
httpd_is_leaving(void)
{
	int state = AP_MPMQ_RUNNING;

	return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS &&
	       state == AP_MPMQ_STOPPING;
}
