/* SPDX-License-Identifier: MIT */
/*
 * Watching the folder of a database by its constants: how many looks follow a
 * write, and how far apart; how often somebody looks where descriptors ran out
 * at the start, or the folder goes and comes back.  Issue 5, F24.
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/table/watch.h"
#include "tests/tap/tap.h"

#define CHECK_MS 3600000 /* so long that what is seen came otherwise */

static struct watch watch;
static int looks, suspects, lines;
static bool finds; /* what a look says */

static void
count_line(const char *line)
{
	lines += strstr(line, "no inotify") != NULL;
}

static bool
look(void *arg, bool suspect)
{
	(void)arg;
	looks++;
	suspects += suspect;
	return finds;
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until there were so many looks, or the time is over. */
static bool
wait_looks(int n, int ms)
{
	int64_t end = clock_mono_ms() + (int64_t)(ms * patience());
	ev_timer tick;

	ev_timer_init(&tick, on_tick, 0.002, 0.002);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	while (looks < n && clock_mono_ms() < end)
		ev_run(EV_DEFAULT_UC_ EVRUN_ONCE);
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
	return looks >= n;
}

/* A writer that appends to the file behind the database. */
static void
write_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd == -1 || write(fd, "x", 1) != 1)
		bail("%s: %s", path, strerror(errno));
	close(fd);
}

/* Leaves room for `n` descriptors; -1 = for as many as before. */
static void
leave_descriptors(int n)
{
	static struct rlimit before;
	struct rlimit limit;
	int fd = dup(STDERR_FILENO), lowest = fd;

	if (before.rlim_cur == 0)
		getrlimit(RLIMIT_NOFILE, &before);
	close(fd);
	limit = before;
	if (n >= 0)
		limit.rlim_cur = (rlim_t)(lowest + n);
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		bail("setrlimit: %s", strerror(errno));
}

static void
start(const char *path)
{
	looks = suspects = lines = 0;
	finds = false;
	watch_start(&watch, path, CHECK_MS, look, NULL);
}

/* A write starts a series of looks, at growing distance. */
static void
test_series(void)
{
	char wal[400];
	int few;

	write_to(scratch("watched"));
	snprintf(wal, sizeof(wal), "%s-wal", scratch("watched"));
	write_to(wal);
	start(scratch("watched"));
	if (watch.wd == -1) {
		skip(6, "there is no inotify here");
		watch_stop(&watch);
		return;
	}
	is_int(lines, 0, "nothing is amiss");
	ok(!wait_looks(1, 150), "nobody looks while nothing happens");
	write_to(wal);
	ok(wait_looks(10, 5000), "a write to the -wal is followed by looks");
	wait_looks(100, 3000);
	ok(looks >= 12 && looks <= 20,
	    "from 50 microseconds to 0.4 s, each twice the one before (%d)",
	    looks);
	ok(watch.delay_ns > 410000000 && watch.delay_ns <= 820000000,
	    "until the next one were later than that (%lld)",
	    (long long)watch.delay_ns);
	few = looks;
	looks = 0;
	finds = true;
	write_to(wal);
	wait_looks(100, 3000);
	ok(looks >= 3 && looks < few / 2,
	    "and fewer where they find something (%d)", looks);
	watch_stop(&watch);
}

/* Which files of the folder are heard. */
static void
test_names(void)
{
	static const struct {
		const char *suffix;
		bool heard;
	} rows[] = { { "", true }, { "-wal", true }, { "-bell", true },
		{ "-shm", false }, { "-prune", false }, { "-belly", false },
		{ ".backup", false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[400];

		snprintf(path, sizeof(path), "%s%s", scratch("watched"),
		    rows[i].suffix);
		write_to(path);
		start(scratch("watched"));
		if (watch.wd == -1) {
			skip(1, "there is no inotify here");
			watch_stop(&watch);
			continue;
		}
		write_to(path);
		ok(wait_looks(1, rows[i].heard ? 5000 : 100) == rows[i].heard,
		    "a write to the name with \"%s\" %s", rows[i].suffix,
		    rows[i].heard ? "is heard" : "is not");
		watch_stop(&watch);
	}
}

/* More events than the kernel keeps: any of them may have been ours. */
static void
test_overflow(void)
{
	int a, b, most = 0;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	if (file == NULL || fscanf(file, "%d", &most) != 1 || most > 200000)
		most = 0;
	if (file != NULL)
		fclose(file);
	start(scratch("watched"));
	a = open(scratch("one"), O_WRONLY | O_CREAT, 0600);
	b = open(scratch("other"), O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < most / 2 + 100; i++)
		if (pwrite(a, "x", 1, 0) != 1 || pwrite(b, "x", 1, 0) != 1)
			bail("pwrite: %s", strerror(errno));
	if (most == 0 || watch.wd == -1)
		skip(1, "there is no inotify here, or one without a bound");
	else
		ok(wait_looks(1, 5000) && suspects > 0,
		    "what was lost may have been news of the file");
	close(a);
	close(b);
	watch_stop(&watch);
}

/* What is left without descriptors. */
static void
test_missing(void)
{
	static const struct {
		int descriptors;
		const char *name;
	} rows[] = { { 0, "neither a timer nor inotify" },
		{ 1, "a timer without inotify" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t began_ms;

		leave_descriptors(rows[i].descriptors);
		start(scratch("watched"));
		leave_descriptors(-1);
		ok(watch.wd == -1 && watch.inotify_fd == -1 &&
			(watch.timer_fd == -1) == (rows[i].descriptors == 0),
		    "%s", rows[i].name);
		is_int(lines, 1, "the log says so");
		began_ms = clock_mono_ms();
		ok(wait_looks(10, 9000), "somebody looks all the same");
		ok(clock_mono_ms() - began_ms >= 800 && suspects == looks,
		    "but not all the time, and at the file as well");
		watch_rest(&watch);
		watch_wake(&watch);
		looks = 0;
		ok(wait_looks(3, 3000), "also behind a rest");
		watch_set_period(&watch, 20);
		looks = 0;
		ok(wait_looks(10, 1500), "a shorter period is kept");
		watch_set_period(&watch, CHECK_MS);
		looks = 0;
		ok(wait_looks(3, 3000), "a longer one is not");
		watch_stop(&watch);
	}
}

/* The folder goes, and comes back. */
static void
test_lost(void)
{
	char folder[300], path[400];

	snprintf(folder, sizeof(folder), "%s", scratch("folder"));
	snprintf(path, sizeof(path), "%s/db", folder);
	if (mkdir(folder, 0700) == -1)
		bail("%s: %s", folder, strerror(errno));
	write_to(path);
	start(path);
	if (watch.wd == -1) {
		skip(4, "there is no inotify here");
		watch_stop(&watch);
		return;
	}
	if (rename(folder, scratch("elsewhere")) == -1)
		bail("rename: %s", strerror(errno));
	ok(wait_looks(1, 5000), "a folder that goes is noticed");
	wait_looks(30, 1500);
	looks = 0;
	ok(wait_looks(5, 3000), "and somebody looks every 100 ms");
	if (rename(scratch("elsewhere"), folder) == -1)
		bail("rename: %s", strerror(errno));
	for (int i = 0; i < 50 && watch.wd == -1; i++)
		wait_looks(looks + 1, 200);
	ok(watch.wd != -1, "until it is there again");
	wait_looks(looks + 1, 100);
	looks = 0;
	ok(!wait_looks(3, 600), "then the period is the long one again");
	watch_stop(&watch);
}

/* A rest leaves the slow timer alone. */
static void
test_rest(void)
{
	start(scratch("watched"));
	if (watch.wd == -1) {
		skip(3, "there is no inotify here");
		watch_stop(&watch);
		return;
	}
	watch_rest(&watch);
	write_to(scratch("watched"));
	ok(!wait_looks(1, 300), "nobody looks while it rests");
	watch_wake(&watch);
	ok(wait_looks(1, 3000), "somebody does once it is awake");
	is_int(lines, 0, "nothing is said of either");
	watch_stop(&watch);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(count_line);
	test_series();
	test_names();
	test_overflow();
	test_missing();
	test_lost();
	test_rest();
	return done();
}
