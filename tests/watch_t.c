/* SPDX-License-Identifier: MIT */
/*
 * Noticing commits where the kernel gives no inotify, no watch or no timer:
 * never later than 100 ms, and not at all while nobody waits.
 *
 * A folder whose watch was refused after a rest was looked at once in a
 * `check`.
 */
#include "config.h"

#include <sys/inotify.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/table/watch.h"
#include "tests/tap/tap.h"

#define CHECK_MS 60000 /* so that it does not come by itself */

static bool no_inotify, no_watch, no_timer; /* what is refused */
static struct watch watch;
static int looks, suspects; /* calls */

int __real_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __real_timerfd_create(int clock, int flags);
int __wrap_inotify_init1(int flags);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_timerfd_create(int clock, int flags);

static int
refuse(int error)
{
	errno = error;
	return -1;
}

int
__wrap_inotify_init1(int flags)
{
	return no_inotify ? refuse(EMFILE) : __real_inotify_init1(flags);
}

int
__wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	return no_watch ? refuse(ENOSPC)
			: __real_inotify_add_watch(fd, path, mask);
}

int
__wrap_timerfd_create(int clock, int flags)
{
	return no_timer ? refuse(EMFILE) : __real_timerfd_create(clock, flags);
}

static bool
on_look(void *arg, bool suspect)
{
	(void)arg;
	looks++;
	suspects += suspect;
	return false;
}

static void
run_ms(int ms)
{
	int64_t end_ms = clock_mono_ms() + ms;

	while (clock_mono_ms() < end_ms) {
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
		usleep(500);
	}
}

/* Looks in a second. */
static int
looks_of(int ms)
{
	looks = 0;
	run_ms(ms);
	return looks;
}

static void
touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd == -1 || write(fd, "x", 1) != 1)
		bail("%s: %s", path, strerror(errno));
	close(fd);
}

/* Looks that come of a write, without those of the timer. */
static int
looks_of_a_write(const char *path)
{
	run_ms(1000); /* a series before it */
	touch(path);
	return looks_of(80);
}

static void
test_refused(void)
{
	static const struct {
		const char *what;
		bool inotify, watch, timer; /* refused */
		bool blind;                 /* events are not seen */
	} rows[] = {
		{ "with all of it", false, false, false, false },
		{ "without inotify", true, false, false, true },
		{ "without a watch", false, true, false, true },
		{ "without a timer", false, false, true, false },
		{ "without any", true, true, true, true },
	};
	const char *path = scratch("db");

	touch(path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *what = rows[i].what;
		int n;

		no_inotify = rows[i].inotify;
		no_watch = rows[i].watch;
		no_timer = rows[i].timer;
		watch_start(&watch, path, CHECK_MS, on_look, NULL);
		n = looks_of(1000);
		ok(rows[i].blind ? n >= 4 && n <= 10 : n == 0,
		    "%s: %d looks in a second", what, n);
		n = looks_of_a_write(path);
		ok(rows[i].blind ? n <= 4 : n > 0, "%s: %d behind a write",
		    what, n);
		watch_rest(&watch);
		run_ms(200);
		n = looks_of(500);
		is_int(n, 0, "%s: none while nobody waits", what);
		watch_wake(&watch);
		n = looks_of(1000);
		ok(n >= (rows[i].blind ? 4 : !rows[i].timer),
		    "%s: again behind that: %d", what, n);
		watch_set_period(&watch, 50);
		n = looks_of(1000);
		ok(n >= 8, "%s: a shorter period is kept to: %d", what, n);
		watch_stop(&watch);
	}
	no_inotify = no_watch = no_timer = false;
}

/* The watch is lost while all goes on, and comes back. */
static void
test_lost_for_a_while(void)
{
	const char *path = scratch("db");
	int n;

	watch_start(&watch, path, CHECK_MS, on_look, NULL);
	watch_rest(&watch);
	no_watch = true;
	watch_wake(&watch);
	run_ms(1000);
	n = looks_of(1000);
	ok(n >= 4, "a watch that is refused after a rest: %d looks", n);
	no_watch = false;
	run_ms(300);
	is_int(looks_of(500), 0, "when it is had again, none without events");
	ok(looks_of_a_write(path) > 0, "but at a write");
	ok(suspects > 0, "what was done meanwhile is looked at with suspicion");
	watch_stop(&watch);
}

int
main(void)
{
	ev_default_loop(0);
	test_refused();
	test_lost_for_a_while();
	return done();
}
