/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSOPEN_H
#define DAEMON_WSOPEN_H

#include <stddef.h>

struct req;
struct wsconn;

/*
 * Reads bytes of the opening handshake (RFC 6455, section 4.2).  When the head
 * is whole the connection is WS_OPEN, or WS_REFUSED with the answer queued.
 * Returns how many of the bytes belong to the head.
 */
size_t wsopen_read(struct wsconn *conn, const unsigned char *bytes, size_t len);

/*
 * The same for a client that httpd handed over: `req`, which is taken over, has
 * its head.
 */
void wsopen_handed(struct wsconn *conn, struct req *req);

/* Refuses one with 503 whose head has not been read. */
void wsopen_refuse_unread(struct wsconn *conn);

#endif
