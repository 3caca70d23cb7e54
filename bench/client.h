/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <sys/queue.h>

#include <stdint.h>

#include "bench/fcgi.h"
#include "bench/http.h"
#include "bench/inflate.h"
#include "bench/sse.h"
#include "bench/tally.h"
#include "bench/target.h"
#include "bench/tls.h"
#include "bench/ws.h"

/* How a client receives. */
enum form {
	FORM_SSE,
	FORM_IFRAME,
	FORM_POLL,
	FORM_LONGPOLL,
	FORM_WS,     /* a frame is the message */
	FORM_WSJSON, /* a frame is JSON with the message in it */
	FORM__MAX
};

/* What all clients of a run have in common. */
struct plan {
	const struct target *target;
	const char *path;    /* with query */
	const char *headers; /* further request lines, each with CRLF */
	enum form form;
	int fcgi;    /* 1 = speak FastCGI instead of HTTP */
	int resume;  /* 1 = a lost client comes back with its cursor */
	int tls;     /* 1 = over TLS */
	int deflate; /* 1 = offer permessage-deflate, and take nothing less */
	struct shape shape; /* what messages look like */
	int epoll;          /* where clients are waited for */
	struct tally *tally;
	uint64_t requests; /* requests sent */
	uint64_t bytes;    /* bytes received, of all layers above TCP */
	uint64_t packed;   /* messages that came compressed */
	uint64_t lost;     /* connections that ended against the plan */
	unsigned told;     /* refusals that were printed */
};

enum client_state {
	CLIENT_NEW,        /* nothing done yet */
	CLIENT_CONNECTING, /* waits for the connection */
	CLIENT_SHAKING,    /* waits for the handshake of TLS */
	CLIENT_ASKED,      /* waits for the response's head */
	CLIENT_HELD,       /* receives */
	CLIENT_ANSWERED,   /* has a whole answer and may ask again */
	CLIENT_RESTING,    /* waits until it may ask or connect again */
	CLIENT_FAILED,     /* is out */
	CLIENT__MAX
};

struct client {
	enum client_state state;
	int fd;             /* or -1 */
	struct ssl_st *tls; /* of fd, or NULL */
	int met;            /* 1 = the server has accepted it once */
	size_t index;       /* its number */
	struct seen seen;   /* which messages it has */
	uint64_t wake_ns;   /* end of its rest */
	char cursor[64];    /* last one received, or empty */
	char etag[128];     /* of the last response, or empty */
	char modified[64];  /* of the last response, or empty */
	int close;          /* 1 = the server closes after this response */
	int queued;         /* 1 = in the list of resting clients */
	struct fcgi fcgi;
	struct http http;
	struct sse sse;
	struct ws ws;
	struct inflate inflate; /* of what comes compressed */
	struct buf body;        /* unfinished body or script */
	TAILQ_ENTRY(client) entry;
};

/* Prepare client number index; the plan's tally must be set. */
void client_init(struct client *c, const struct plan *plan, size_t index);
void client_free(struct client *c);

/* Begin to connect, or (when still connected) ask again. */
void client_go(struct client *c, struct plan *plan);

/* Something can be read or written. Afterwards the state tells what to do. */
void client_event(struct client *c, struct plan *plan);

#endif
