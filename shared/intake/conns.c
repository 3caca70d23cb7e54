/* SPDX-License-Identifier: MIT */
/*
 * All connections of the process, sorted by what they wait for: a request, the
 * end by their peer, anything else.  In each list the oldest stands first.
 */
#include "config.h"

#include <sys/queue.h>

#include <stddef.h>

#include "shared/intake/conn.h"
#include "shared/intake/conns.h"
#include "shared/intake/server.h"

#define LINGER_MAX 1024 /* connections at once; above, the oldest goes */
#define LOOK_MAX   64   /* of those that wait for a request, for an idle one */

TAILQ_HEAD(conns, conn);

static struct conns reading = TAILQ_HEAD_INITIALIZER(reading);
static struct conns working = TAILQ_HEAD_INITIALIZER(working);
static struct conns lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned nconns, nlingering;

static struct conns *
list_of(enum conn_state state)
{
	switch (state) {
	case CONN_READING:
		return &reading;
	case CONN_LINGERING:
		return &lingering;
	case CONN_WORKING:
	case CONN_HELD:
	case CONN_ANSWERED:
	case CONN__MAX:
		break;
	}
	return &working;
}

void
conns_add(struct conn *conn)
{
	conn->sorted = conn->state;
	TAILQ_INSERT_TAIL(list_of(conn->sorted), conn, link);
	nconns++;
}

void
conns_remove(struct conn *conn)
{
	TAILQ_REMOVE(list_of(conn->sorted), conn, link);
	nlingering -= conn->sorted == CONN_LINGERING;
	nconns--;
}

void
conns_sort(struct conn *conn)
{
	conns_remove(conn);
	conns_add(conn);
	nlingering += conn->sorted == CONN_LINGERING;
	if (nlingering > LINGER_MAX)
		conn_close(TAILQ_FIRST(&lingering));
}

bool
conns_relieve(void)
{
	struct conn *conn = TAILQ_FIRST(&lingering);
	int looks = 0;

	if (conn == NULL)
		TAILQ_FOREACH(conn, &reading, link)
			if (conn_is_idle(conn) || ++looks == LOOK_MAX)
				break;
	if (conn == NULL || looks == LOOK_MAX)
		return false;
	conn_close(conn);
	return true;
}

unsigned
conn_count(void)
{
	return nconns;
}

static void
close_list(struct conns *list)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(list)) != NULL) {
		/* The writer is gone, and does not come back to it. */
		if (conn->state == CONN_WORKING)
			conn->state = CONN_ANSWERED;
		conn_close(conn);
	}
}

unsigned
conn_stop_idle(void)
{
	close_list(&reading);
	return nconns;
}

void
conn_close_all(void)
{
	close_list(&lingering);
	close_list(&reading);
	close_list(&working);
}
