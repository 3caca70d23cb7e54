/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSCONN_H
#define DAEMON_WSCONN_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/client.h"
#include "shared/sink.h"
#include "shared/wsframe.h"

struct chunk;
struct handshake;
struct req;
struct server;

enum ws_state {
	WS_HANDSHAKE, /* the head is on its way in */
	WS_REFUSED,   /* an HTTP answer is on its way out */
	WS_OPEN,      /* frames */
	WS_CLOSING,   /* our close frame is out or on its way */
	WS_GONE,      /* closed; jobs of it are still with the writer */
	WS__MAX
};

/* One connection. */
struct wsconn {
	struct sink sink;        /* first: a sink's owner is found so */
	struct client client;    /* attached while it subscribes */
	struct server *server;   /* whose it is */
	struct handshake *hs;    /* WS_HANDSHAKE, else NULL */
	struct req *req;         /* kept for access checks, or NULL */
	struct ws_in in;         /* reader of frames */
	ev_timer timer;          /* handshake, ping, closing */
	int64_t heard_ms;        /* monotonic, of the last byte from it */
	unsigned jobs;           /* with the writer */
	LIST_ENTRY(wsconn) link; /* all */
	uint8_t state;           /* enum ws_state */
	bool is_json;            /* subprotocol tidings.json */
	bool is_echo;            /* returns what comes */
	bool may_publish;        /* by its handshake */
	char peer[48];           /* address of the connection, or "unix" */
};

/* Takes an accepted, non-blocking socket over. */
void wsconn_new(struct server *server, int fd);

/* Queues and writes one frame; takes the reference. */
void wsconn_send(struct wsconn *conn, struct chunk *frame);

/* Sends a close frame and begins to close. */
void wsconn_fail(struct wsconn *conn, enum ws_code code, const char *reason);

/* A job of this connection is done; may free it. */
void wsconn_job_done(struct wsconn *conn);

/* Ends all with 1012; returns how many there are. */
unsigned wsconn_stop_all(void);
unsigned wsconn_count(void);
void wsconn_free_all(void);

#endif
