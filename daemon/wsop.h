/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSOP_H
#define DAEMON_WSOP_H

#include <stddef.h>

struct wsconn;

/*
 * Carries out one text message of the subprotocol tidings.json and answers it
 * with {"op":"ok"} or {"op":"error"}.  Never closes the connection.
 */
void wsop_handle(struct wsconn *conn, const char *text, size_t len);

#endif
