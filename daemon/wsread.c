/* SPDX-License-Identifier: MIT */
/*
 * What comes in on an open connection.
 *
 * In one turn of the loop there is a bound to the work that all of it may make,
 * and who does not take our answers makes none at all: such a connection is
 * paused.  It is not read from, and what had been read already is kept and has
 * its turn later, in the order in which they were paused.
 */
#include "config.h"

#include <stdlib.h>

#include "daemon/wsconn.h"
#include "daemon/wsform.h"
#include "daemon/wsop.h"
#include "daemon/wsread.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/turns.h"
#include "shared/intake/incoming.h"
#include "shared/intake/seek.h"
#include "shared/intake/server.h"
#include "shared/wire/chunk.h"

#define QUEUE_HIGH     (1 << 18) /* bytes of answers; above, no more is read */
#define INFLATER_BYTES 45000     /* about what one takes */
#define TURN_WORK      (1 << 20) /* about in bytes */
#define TURN_US        3000      /* the same in time */
#define WRITING_HIGH   (1 << 20) /* bytes of publishes with the writer */

/* Those with a turn to come. */
static TAILQ_HEAD(, wsconn) busy = TAILQ_HEAD_INITIALIZER(busy);
static struct turns busy_turns;

/* Done since this turn of the loop began. */
static size_t work;
static int64_t until_us; /* monotonic: its time is over, 0 = not begun */
static ev_check new_turn;

/* Counts what it holds of an unfinished message. */
static void
count_incoming(struct wsconn *conn)
{
	incoming_count(&conn->counted,
	    conn->in.message.cap + conn->rest.cap +
		(conn->in.inflater != NULL ? INFLATER_BYTES : 0));
}

void
wsread_drop(struct wsconn *conn)
{
	if (conn->seek != NULL)
		seek_cancel(conn->seek);
	conn->seek = NULL;
	ws_in_free(&conn->in);
	str_free(&conn->rest);
	conn->rest_at = 0;
	conn->message_ms = conn->unread_ms = 0;
	conn->paused = conn->unread = conn->sink.tell_drained = false;
	if (conn->busy)
		TAILQ_REMOVE(&busy, conn, busy_link);
	conn->busy = false;
	count_incoming(conn);
}

bool
wsread_is_late(struct wsconn *conn, int64_t now_ms)
{
	int64_t took_ms = now_ms - conn->message_ms;
	uint64_t got = conn->in.taken - conn->paced;

	if (conn->message_ms == 0 || conn->unread_ms != 0 ||
	    took_ms < conn->server->config.ws_message_ms)
		return false;
	conn->message_ms = now_ms;
	conn->paced = conn->in.taken;
	return incoming_is_slow(got, took_ms);
}

/*
 * Whether there is room for its answers and for what it publishes, and nothing
 * is under way that is to be answered first.
 */
static bool
may_be_read(const struct wsconn *conn)
{
	return conn->seek == NULL && conn->sink.queued <= QUEUE_HIGH &&
	       conn->writing <= WRITING_HIGH;
}

/* Whether as much was done in this turn as may be, in bytes or in time. */
static bool
is_turn_over(void)
{
	int64_t now_us = clock_mono_us();

	if (until_us == 0)
		until_us = now_us + TURN_US;
	return work >= TURN_WORK || now_us >= until_us;
}

void
wsread_add_work(size_t n)
{
	work += n;
}

/* Once there is room for its answers. */
void
wsread_later(struct wsconn *conn)
{
	if (conn->state != WS_OPEN || !conn->paused || conn->busy ||
	    !may_be_read(conn))
		return;
	conn->busy = true;
	TAILQ_INSERT_TAIL(&busy, conn, busy_link);
	turns_start(&busy_turns);
}

void
wsread_resume(struct wsconn *conn)
{
	conn->paused = conn->sink.tell_drained = true;
	wsread_later(conn);
}

/* A whole message from the client. */
static void
on_message(struct wsconn *conn)
{
	const struct ws_in *in = &conn->in;
	const char *text = in->message.len > 0 ? in->message.p : "";
	size_t len = in->message.len;

	work += len;
	conn->message_ms = 0;
	if (conn->is_echo)
		wsconn_send(conn, wsform_frame((enum ws_opcode)in->opcode, text,
				      len, conn->window_bits));
	else if (!conn->is_json)
		wsconn_fail(conn, WS_CODE_UNSUPPORTED,
		    "sending needs the subprotocol tidings.json");
	else if (in->opcode != WS_TEXT)
		wsconn_fail(conn, WS_CODE_UNSUPPORTED,
		    "operations are text, not binary");
	else
		wsop_handle(conn, text, len);
	if (conn->state == WS_OPEN)
		ws_forget(&conn->in);
}

static void
on_event(struct wsconn *conn, enum ws_event event)
{
	const struct ws_in *in = &conn->in;

	switch (event) {
	case WS_EV_MESSAGE:
		on_message(conn);
		break;
	case WS_EV_PING:
		if (in->opcode == 0)
			conn->message_ms = 0;
		wsconn_send(conn,
		    ws_frame(WS_PONG, in->control.len > 0 ? in->control.p : "",
			in->control.len));
		break;
	case WS_EV_CLOSE:
		wsconn_fail(conn, (enum ws_code)in->code, "");
		break;
	case WS_EV_BAD:
		wsconn_fail(conn, (enum ws_code)in->code, in->why);
		break;
	case WS_EV_PONG:
	case WS_EV_MORE:
	case WS_EV_PAUSE:
		break;
	}
}

/* Keeps what the reader has not taken. */
static void
keep_rest(struct wsconn *conn)
{
	struct ws_in *in = &conn->in;

	if (in->feed_len == 0) {
		str_free(&conn->rest);
		conn->rest_at = 0;
	} else if (conn->rest.p != NULL) {
		conn->rest_at = conn->rest.len - in->feed_len;
	} else {
		str_add(&conn->rest, in->feed, in->feed_len);
	}
}

/* Bounds of what comes: one message in time, all of them together in size. */
static void
check_incoming(struct wsconn *conn)
{
	const struct config *config = &conn->server->config;

	count_incoming(conn);
	if (conn->in.opcode == 0 && conn->in.wslay == NULL) {
		conn->message_ms = 0;
	} else if (conn->message_ms == 0) {
		conn->message_ms = clock_mono_ms();
		conn->paced = 0;
		wsconn_set_timer(conn);
	}
	if (!may_be_read(conn))
		conn->unread_ms = clock_mono_ms();
	if (incoming_is_over(conn->in.message.len, config->ws_max_incoming))
		wsconn_fail(conn, WS_CODE_AGAIN,
		    "too many large messages are on their way in");
}

/* Reads on while that is allowed.  Returns whether all was read. */
static bool
read_all(struct wsconn *conn)
{
	while (conn->state == WS_OPEN && may_be_read(conn) && !is_turn_over()) {
		enum ws_event event = ws_read(&conn->in);

		if (event == WS_EV_MORE)
			return true;
		if (event == WS_EV_PAUSE)
			work += TURN_WORK;
		on_event(conn, event);
	}
	return false;
}

void
wsread_bytes(struct wsconn *conn, const void *bytes, size_t len)
{
	bool all;

	/* The time in which we would not read is not the peer's. */
	if (conn->unread_ms != 0 && conn->message_ms != 0)
		conn->message_ms += clock_mono_ms() - conn->unread_ms;
	conn->unread_ms = 0;
	work += len;
	ws_feed(&conn->in, bytes, len);
	all = read_all(conn);
	if (conn->state != WS_OPEN)
		return;
	conn->paused = conn->sink.tell_drained = !all;
	sink_want_input(&conn->sink, all);
	keep_rest(conn);
	check_incoming(conn);
}

bool
wsread_put_off(struct wsconn *conn)
{
	if (!is_turn_over())
		return false;
	conn->unread = conn->paused = conn->sink.tell_drained = true;
	sink_want_input(&conn->sink, false);
	wsread_later(conn);
	return true;
}

static void
have_turn(struct wsconn *conn)
{
	wsconn_hold(conn);
	if (conn->unread) {
		conn->unread = conn->paused = conn->sink.tell_drained = false;
		sink_want_input(&conn->sink, true);
		wsconn_receive(conn);
	} else {
		wsread_bytes(conn,
		    conn->rest.p == NULL ? NULL : conn->rest.p + conn->rest_at,
		    conn->rest.len - conn->rest_at);
	}
	wsconn_release(conn);
}

/* Those who wait, as many as a turn allows. */
static void
do_busy(void *arg)
{
	struct wsconn *conn;

	(void)arg;
	work = 0;
	until_us = 0;
	while (!is_turn_over() && (conn = TAILQ_FIRST(&busy)) != NULL) {
		TAILQ_REMOVE(&busy, conn, busy_link);
		conn->busy = false;
		have_turn(conn);
	}
	if (TAILQ_EMPTY(&busy))
		turns_stop(&busy_turns);
}

static void
on_new_turn(struct ev_loop *loop, ev_check *check, int revents)
{
	(void)loop;
	(void)check;
	(void)revents;
	work = 0;
	until_us = 0;
}

void
wsread_init(void)
{
	turns_init(&busy_turns, do_busy, NULL);
	ev_check_init(&new_turn, on_new_turn);
	ev_check_start(EV_DEFAULT_UC_ & new_turn);
}
