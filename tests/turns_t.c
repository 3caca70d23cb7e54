/* SPDX-License-Identifier: MIT */
/* Work in pieces: its turn comes however busy the loop is. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/turns.h"
#include "tests/tap/tap.h"

/* Two of them, and what each has done. */
struct worker {
	struct turns turns; /* its own */
	int pieces;         /* done so far */
	int stop_at;        /* ends by itself then, 0 = never */
};

static int busy; /* calls of a watcher that is always ready */

static void
piece(void *arg)
{
	struct worker *worker = arg;

	if (++worker->pieces == worker->stop_at)
		turns_stop(&worker->turns);
}

static void
on_busy(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)io;
	(void)revents;
	busy++;
}

static void
on_end(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
run_turns(int n)
{
	for (int i = 0; i < n; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
}

static void
test_turns(void)
{
	struct worker one = { .pieces = 0 }, two = { .pieces = 0 };

	turns_init(&one.turns, piece, &one);
	turns_init(&two.turns, piece, &two);
	run_turns(3);
	is_int(one.pieces, 0, "none before it is started");
	turns_start(&one.turns);
	turns_start(&one.turns);
	run_turns(10);
	is_int(one.pieces, 10, "started twice: one piece in each turn");
	is_int(two.pieces, 0, "the other has not begun");
	turns_start(&two.turns);
	run_turns(10);
	ok(one.pieces == 20 && two.pieces == 10, "both have their turn");
	turns_stop(&one.turns);
	turns_stop(&one.turns);
	run_turns(10);
	ok(one.pieces == 20 && two.pieces == 20, "one is stopped");
	turns_stop(&two.turns);
}

/* Something else is ready in every turn. */
static void
test_busy_loop(void)
{
	struct worker worker = { .pieces = 0 };
	ev_io io;
	int fd[2];

	if (pipe(fd) == -1 || write(fd[1], "x", 1) != 1)
		bail("pipe: %s", strerror(errno));
	ev_io_init(&io, on_busy, fd[0], EV_READ);
	ev_set_priority(&io, EV_MAXPRI);
	ev_io_start(EV_DEFAULT_UC_ & io);
	turns_init(&worker.turns, piece, &worker);
	turns_start(&worker.turns);
	run_turns(100);
	ok(busy >= 90, "a loop that is always busy");
	is_int(worker.pieces, 100, "has a turn for the work all the same");
	turns_stop(&worker.turns);
	ev_io_stop(EV_DEFAULT_UC_ & io);
	close(fd[0]);
	close(fd[1]);
}

/* The loop does not sleep while there is work, and does afterwards. */
static void
test_sleep(void)
{
	struct worker worker = { .stop_at = 1000 };
	ev_timer end;
	unsigned before, after;

	turns_init(&worker.turns, piece, &worker);
	turns_start(&worker.turns);
	ev_timer_init(&end, on_end, 0.5 * patience(), 0);
	ev_timer_start(EV_DEFAULT_UC_ & end);
	before = ev_iteration(EV_DEFAULT_UC);
	ev_run(EV_DEFAULT_UC_ 0);
	after = ev_iteration(EV_DEFAULT_UC);
	is_int(worker.pieces, 1000, "all pieces, though nothing else happens");
	ok(after - before < 1100, "then the loop sleeps (%u turns)",
	    after - before);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	test_turns();
	test_busy_loop();
	test_sleep();
	return done();
}
