/* SPDX-License-Identifier: MIT */
/*
 * From a request to a client of the engine: its place is looked for in pieces,
 * and meanwhile its connection may end.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/board.h"
#include "shared/base/chore.h"
#include "shared/base/descriptors.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/hold.h"
#include "shared/intake/seek.h"
#include "shared/intake/server.h"

/*
 * Over HTTP/2 httpd notices that a client has left its stream when it writes to
 * it, and until then the stream occupies a worker; a few of them stall all
 * others of that connection.
 */
static bool
is_http2(const struct req *req)
{
	return strcmp(req_var(req, "HTTP2"), "on") == 0 ||
	       strncmp(req_var(req, "SERVER_PROTOCOL"), "HTTP/2", 6) == 0;
}

/* A client whose place is looked for. */
struct holding {
	struct seek seek;      /* first: it is found so */
	struct server *server; /* whose */
	struct conn *conn;     /* the client's */
	struct form *form;     /* how it is framed */
	int64_t life_ms;       /* it may stay */
	held_fn *held;         /* writes the head */
	bool *over;            /* of hold_client, NULL = that has returned */
};

static void
free_holding(struct seek *seek)
{
	struct holding *h = (struct holding *)(void *)seek;

	form_release(&h->server->hub.forms, h->form);
	seek_free(seek);
	free(h);
}

static bool
is_crowded(struct server *server, const struct conn *conn)
{
	return (int64_t)server->hub.nclients + chore_count() >=
		   server->config.max_clients ||
	       (conn->sink.kind != SINK_LINK && descriptors_are_short()) ||
	       (server->stopping && conn->sink.kind == SINK_FCGI);
}

static void
refuse_crowd(struct server *server, struct req *req)
{
	board_add(server->board, BOARD_REFUSED, 1);
	req_fail(req, 503, 1202, "this server holds as many clients as it may");
}

static void
on_place(struct seek *seek, enum db_status status)
{
	struct holding *h = (struct holding *)(void *)seek;
	struct server *server = h->server;
	struct conn *conn = h->conn;
	bool *over = h->over;

	if (over != NULL)
		*over = true;
	if (!conn->sink.is_open) {
		/* It did not wait for us. */
	} else if (status != DB_OK) {
		server_db_refusal(server, conn->req, status,
		    server->hub.db.error);
	} else if (is_crowded(server, conn)) {
		refuse_crowd(server, conn->req);
	} else {
		conn->client.conditional = seek->interest.conditional;
		client_attach(&conn->client, &server->hub, &conn->sink, h->form,
		    &seek->place, h->life_ms);
		h->form = NULL;
		if (is_http2(conn->req))
			client_beat_often(&conn->client);
		h->held(server, conn, conn->req);
	}
	free_holding(seek);
	if (over == NULL)
		conn_go_on(conn);
}

void
hold_client(struct server *server, struct conn *conn,
    const struct transport *transport, const char *param,
    const struct interest *interest, int64_t life_ms, held_fn *held)
{
	bool over = false;
	struct holding *h = xcalloc(1, sizeof(*h));

	*h = (struct holding){ .seek = { .interest = *interest,
				   .found = on_place,
				   .drop = free_holding },
		.server = server,
		.conn = conn,
		.form = form_get(&server->hub.forms, transport, param),
		.life_ms = life_ms,
		.held = held,
		.over = &over };
	if (is_crowded(server, conn)) {
		refuse_crowd(server, conn->req);
		free_holding(&h->seek);
		return;
	}
	seek_begin(&h->seek, &server->hub);
	if (!over)
		h->over = NULL;
}
