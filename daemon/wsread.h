/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSREAD_H
#define DAEMON_WSREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wsconn;

/* Call once, before the first connection. */
void wsread_init(void);

/*
 * Reads frames of an open connection and does what they ask for.  What is put
 * off is kept; call wsread_later when the connection's queue may have shrunk.
 */
void wsread_bytes(struct wsconn *conn, const void *bytes, size_t len);
void wsread_later(struct wsconn *conn);

/* A connection that was not read from has its turn when it may. */
void wsread_resume(struct wsconn *conn);

/*
 * Asked before an open connection is read from: whether that has to wait,
 * because enough was done in this turn of the loop.  Then it is seen to later.
 */
bool wsread_put_off(struct wsconn *conn);

/*
 * Looks at a message on its way in once message_timeout has passed since the
 * look before: whether too little of it has come.
 */
bool wsread_is_late(struct wsconn *conn, int64_t now_ms);

/* Work of this turn that its bytes do not show, about in bytes. */
void wsread_add_work(size_t n);

/* Forgets what was put off and the message that was on its way in. */
void wsread_drop(struct wsconn *conn);

#endif
