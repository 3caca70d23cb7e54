/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_CONN_H
#define SHARED_INTAKE_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <ev.h>

#include "shared/engine/client.h"
#include "shared/intake/req.h"
#include "shared/out/sink.h"
#include "shared/wire/fcgi.h"

struct handed;
struct server;

/* Where a connection stands. */
enum conn_state {
	CONN_READING,   /* a request is on its way in, or none is there */
	CONN_WORKING,   /* the program has the request */
	CONN_HELD,      /* a client of the hub */
	CONN_ANSWERED,  /* the answer is on its way out */
	CONN_LINGERING, /* it is out; the client is to close */
	CONN__MAX
};

/*
 * One FastCGI connection, a client that httpd handed over, or the one request
 * of a CGI program.
 */
struct conn {
	struct sink sink;       /* first: a sink's owner is found so */
	struct client client;   /* attached while CONN_HELD */
	struct server *server;  /* whose it is */
	struct fcgi_in in;      /* reader of the connection */
	struct req *req;        /* from its head to the answer, or NULL */
	ev_timer deadline;      /* for what comes and goes; CGI: looks */
	TAILQ_ENTRY(conn) link; /* all of the process */
	size_t counted;         /* its share of what is on its way in */
	uint64_t paced;         /* bytes of the body at the last look */
	uint32_t lingered;      /* bytes dropped while CONN_LINGERING */
	bool body_left;         /* FastCGI: its end has not come */
	bool served;            /* FastCGI: has had an answer */
	uint8_t state;          /* enum conn_state */
	uint8_t sorted;         /* the same, as conns.c has it */
};

/* Takes an accepted, non-blocking socket over. */
void conn_new_fcgi(struct server *server, int fd);

/* Takes a client that httpd handed over, and its request. */
void conn_new_handed(struct server *server, const struct handed *from,
    struct req *req);

/* The request in the environment and on standard input. */
void conn_new_cgi(struct server *server);

/* The program has pushed its answer and ended the sink. */
void conn_answered(struct conn *conn);

/*
 * Closes it.  While the writer has its request only the socket: conn_answered
 * does the rest.
 */
void conn_close(struct conn *conn);

/* Whether it is kept between two requests. */
bool conn_is_idle(const struct conn *conn);

/*
 * The program is done with a request that it kept: it has answered, or attached
 * conn->client and pushed the head, or the connection is closed.
 */
void conn_go_on(struct conn *conn);

/* Closes those that wait for a request; returns how many others remain. */
unsigned conn_stop_idle(void);

/* How many there are. */
unsigned conn_count(void);

/* Closes all. */
void conn_close_all(void);

#endif
