/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_SERVER_H
#define SHARED_INTAKE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/types.h>

#include <ev.h>

#include "shared/base/config_file.h"
#include "shared/engine/hub.h"

struct board;
struct conn;
struct handed;
struct listener;
struct req;
struct server;
struct writer;

/* What a program under cgi-bin/ is. */
struct program {
	const char *name;    /* of the program and its socket */
	const char *methods; /* it answers, as "GET, HEAD" */
	bool takes_bodies;   /* up to max_body; else a form of names */
	bool writes;         /* needs the writer */
	bool keeps_watch;    /* of the database, also without clients */
	/*
	 * Looks at the head of a request, before its body comes in: returns 0,
	 * or -1 after it answered.  NULL = all are admitted.
	 */
	int (*admit)(struct server *, struct req *);
	/*
	 * Handles one request whose parameters are parsed.  It answers (or
	 * refuses) at once, holds conn->client, or keeps both until
	 * conn_answered.
	 */
	void (*handle)(struct server *, struct conn *, struct req *);
	/*
	 * Takes a client that httpd hands over, and its request; NULL = there
	 * is no socket for that.
	 */
	void (*handed)(struct server *, const struct handed *, struct req *);
	/* The configuration has changed; or NULL. */
	void (*reload)(struct server *);
	/*
	 * Begins to end the connections, where the program has its own way, or
	 * NULL.  Returns within how many ms they are gone, 0 = there are none.
	 */
	int64_t (*stop)(struct server *);
};

/* One running program. */
struct server {
	const struct program *program; /* which */
	const char *config_path;       /* where settings come from, or NULL */
	struct config config;          /* settings */
	struct hub hub;                /* the engine */
	struct board *board;           /* or NULL */
	struct writer *writer;         /* or NULL */
	struct listener *listener;     /* or NULL: CGI, or stopping */
	struct listener *links;        /* of hand-overs, or NULL */
	char *links_path;              /* of its socket, if we made it */
	uid_t handover_uid;            /* whose hand-overs are taken */
	bool is_cgi;                   /* one request, then exit */
	bool stopping;                 /* on the way out */
	ev_timer trim;                 /* gives memory back */
	ev_timer grace;                /* when to stop waiting for clients */
	ev_signal sigterm, sigint;     /* both stop */
	ev_signal sighup;              /* settings are read anew */
};

/* Refuses a request because the database does not answer: 503. */
void server_db_refusal(struct server *server, struct req *req,
    enum db_status status, const char *detail);

/* A random life within the bounds of the configuration, ms. */
int64_t server_life(const struct server *server);

#endif
