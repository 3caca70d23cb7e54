/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_WATCH_H
#define SHARED_TABLE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

/*
 * Notices that somebody committed.  It only says "look": whether something came
 * is for the one who is called to find out, by PRAGMA data_version.
 */
struct watch {
	ev_io inotify;    /* events of the database's folder */
	ev_io recheck;    /* timerfd: the next look of a series */
	ev_timer safety;  /* slow look that needs nothing else */
	int inotify_fd;   /* -1 = not to be had here */
	int wd;           /* watch of the folder, -1 = it is missing */
	char *folder;     /* of the database */
	int timer_fd;     /* -1 = not to be had here */
	int64_t delay_ns; /* until the next look of a series, 0 = none */
	char *name;       /* of the database inside its folder */
	int factor;       /* of the next delay */
	bool (*look)(void *, bool); /* what to call */
	void *arg;                  /* handed to it */
	uint64_t looks;             /* calls of look so far */
	bool resting;               /* the safety timer alone is left */
	int64_t check_ms;           /* its period, where it is not all */
};

/*
 * Begins to watch the database at `path`.  `look` returns whether it found
 * something new; `suspect` tells it that the file may have been replaced.
 * `check_ms` is the period of the safety timer.  Never fails: without inotify
 * the timer alone is left, and runs at least every 100 ms; so it does while
 * inotify has no watch to give.
 */
void watch_start(struct watch *watch, const char *path, int64_t check_ms,
    bool (*look)(void *arg, bool suspect), void *arg);

/* Another period for the safety timer. */
void watch_set_period(struct watch *watch, int64_t check_ms);

/*
 * Leaves nothing but the safety timer, for as long as nobody waits for
 * anything: each watch costs every writer something, and each wake us.
 * watch_wake takes it up again and looks soon; the file may have been replaced
 * meanwhile.
 */
void watch_rest(struct watch *watch);
void watch_wake(struct watch *watch);

void watch_stop(struct watch *watch);

/*
 * Rings the doorbell of the database at `path` after a commit, so that watchers
 * look at once.  Failing to is no error: they find out anyway.
 */
void watch_ring(const char *path);

/*
 * The same for those who ring often: *bell is the doorbell that is kept open,
 * -1 = not yet.  The caller closes it, also when the database was replaced.
 */
void watch_ring_kept(const char *path, int *bell);

#endif
