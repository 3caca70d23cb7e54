/* SPDX-License-Identifier: MIT */
/* The end of a daemon: one connection after the other is sent away. */
#include "config.h"

#include <ev.h>

#include "daemon/wsconn.h"
#include "daemon/wsdrain.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/intake/server.h"

#define TICK_S 0.01

static ev_timer ticks;
static int64_t begun_ms;      /* monotonic */
static int64_t length_ms;     /* over which closes are spread */
static unsigned total, ended; /* connections: at the beginning, sent away */

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	int64_t passed_ms = clock_mono_ms() - begun_ms;
	struct wsconn *conn;
	int64_t due = total;

	(void)revents;
	if (passed_ms < length_ms)
		due = 1 + (total - 1) * passed_ms / length_ms;
	while (ended < due && (conn = wsconn_first()) != NULL) {
		ended++;
		wsconn_restart(conn);
	}
	if (wsconn_first() == NULL)
		ev_timer_stop(loop, timer);
}

int64_t
wsdrain_start(struct server *server)
{
	const struct config *config = &server->config;

	wsconn_close_unopened();
	total = wsconn_count();
	if (total == 0)
		return 0;
	begun_ms = clock_mono_ms();
	length_ms = config->ws_drain_ms;
	ev_timer_init(&ticks, on_tick, 0, TICK_S);
	ev_timer_start(EV_DEFAULT_UC_ & ticks);
	/* Behind the last close: for its queue, and for the peer to answer. */
	return length_ms + 2 * config->ws_closing_ms;
}
