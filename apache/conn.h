/* SPDX-License-Identifier: MIT */
#ifndef APACHE_CONN_H
#define APACHE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

/*
 * A suspended connection of httpd's, as the pump sees it.  Here is all that the
 * pump wants of httpd: apache/conn.c does it with httpd, the unit tests with a
 * connection of their own.  Everything is for the pump's thread alone.
 */
struct conn;

/* Whether its worker has let go of it so far that it can be used. */
bool conn_is_free(const struct conn *conn);

/* Whether its worker has left it for good, so that it can be destroyed. */
bool conn_is_left(const struct conn *conn);

/*
 * Writes plain bytes through the filters.  What they make of them is given to
 * parked_put before this returns.  Returns false if the connection is broken.
 */
bool conn_write(struct conn *conn, const char *bytes, size_t len);

/*
 * Reads plain bytes.  Returns how many, 0 where the client has closed in order,
 * or -1 with errno: EAGAIN if there are none, else the connection is broken.
 */
ssize_t conn_read(struct conn *conn, char *buf, size_t size);

/* So many bytes of its filters went out by the socket; for httpd's log. */
void conn_wrote(struct conn *conn, size_t len);

/* Ends the request, which is logged; `aborted` tells httpd why. */
void conn_end_request(struct conn *conn, bool aborted);

/* Says goodbye in the way of the filters, as TLS wants it. */
void conn_say_goodbye(struct conn *conn);

/*
 * Destroys the connection, which its worker has left, closes its descriptor and
 * frees `conn`.
 */
void conn_destroy(struct conn *conn);

/* Logs that its client took nothing for so long. */
void conn_note_cut(const struct conn *conn, int64_t stall_ms);

/* Whether this child of httpd is on its way out.  For any thread. */
bool httpd_is_leaving(void);

#endif
