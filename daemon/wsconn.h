/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSCONN_H
#define DAEMON_WSCONN_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/out/sink.h"
#include "shared/publish/writer.h"
#include "shared/wire/wsframe.h"

struct chunk;
struct handed;
struct http_in;
struct req;
struct seek;
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
	struct sink sink;         /* first: a sink's owner is found so */
	struct client client;     /* attached while it subscribes */
	struct server *server;    /* whose it is */
	struct http_in *head;     /* WS_HANDSHAKE, else NULL */
	struct req *req;          /* kept for access checks, or NULL */
	struct seek *seek;        /* a place that it waits for, or NULL */
	struct ws_in in;          /* reader of frames */
	struct str rest;          /* read, but not fed to it yet */
	size_t rest_at;           /* bytes of `rest` that are done */
	size_t counted;           /* bytes of it among `incoming` */
	ev_timer timer;           /* handshake, ping, closing */
	int64_t heard_ms;         /* monotonic, of the last byte from it */
	int64_t unread_ms;        /* monotonic, since we do not read, or 0 */
	int64_t message_ms;       /* of the last look at a message, 0 = none */
	uint64_t paced;           /* bytes of it that had come by then */
	unsigned jobs;            /* with the writer */
	struct publisher who;     /* of them */
	size_t writing;           /* bytes of them, about */
	TAILQ_ENTRY(wsconn) link; /* all */
	TAILQ_ENTRY(wsconn) busy_link; /* of those with a turn to come */
	uint8_t state;                 /* enum ws_state */
	uint8_t window_bits;           /* of its permessage-deflate, 0 = none */
	bool is_json;                  /* subprotocol tidings.json */
	bool is_echo;                  /* returns what comes */
	uint8_t access;                /* enum access: may it publish */
	bool paused;                   /* not read from until its turn comes */
	bool busy;                     /* has a turn to come */
	bool unread;                   /* its socket is to be read then */
	bool last_jobs;                /* to be closed when its jobs are done */
	bool half_closed;              /* nothing more leaves */
	bool is_apart;                 /* among those that end */
	char peer[48]; /* address of the connection, or "unix" */
};

/* Takes an accepted, non-blocking socket over. */
void wsconn_new(struct server *server, int fd);

/* Takes a client that httpd handed over, and its request. */
void wsconn_new_handed(struct server *server, const struct handed *from,
    struct req *req);

/* For the opening: the state changes; the answer is queued, frames follow. */
void wsconn_set_state(struct wsconn *conn, enum ws_state state);
void wsconn_opened(struct wsconn *conn);

/* Sets the time of the next look at an open connection. */
void wsconn_set_timer(struct wsconn *conn);

/*
 * Between the two a connection that is closed is not freed.  The second one
 * writes what is queued, and may free it.
 */
void wsconn_hold(struct wsconn *conn);
void wsconn_release(struct wsconn *conn);

/* Reads from the socket of a connection that is held. */
void wsconn_receive(struct wsconn *conn);

/* What the hub calls when it gives the client up. */
void wsconn_client_gone(struct client *client);

/* Queues one frame; takes the reference. */
void wsconn_send(struct wsconn *conn, struct chunk *frame);

/* Sends a close frame and begins to close. */
void wsconn_fail(struct wsconn *conn, enum ws_code code, const char *reason);

/* A job of this connection is done; may free it. */
void wsconn_job_done(struct wsconn *conn);

/* The configuration has changed. */
void wsconn_reload(struct server *server);

/* For a stop: one of those that are not ending yet, or NULL. */
struct wsconn *wsconn_first(void);

/* Ends one with 1012, when its jobs are done. */
void wsconn_restart(struct wsconn *conn);

/*
 * Closes the oldest to whom all was said, and who only has to close.  Returns
 * false if there is none.
 */
bool wsconn_relieve(void);

/* Closes those whose handshake is not done. */
void wsconn_close_unopened(void);

/* Connections of all states; and all but those that were refused. */
unsigned wsconn_count(void);
unsigned wsconn_count_taken(void);
void wsconn_free_all(void);

#endif
