/* SPDX-License-Identifier: MIT */
/*
 * Waking.  A writer that has never heard of us appends to the -wal file; that
 * write is seen through inotify, but it comes before the commit is visible in
 * the wal-index.  So every event starts a series of looks at growing distance,
 * from 50 microseconds to 0.4 s, and each later event starts it anew.  A look
 * that found something does not end it, only thins it out: the kernel merges
 * equal events, and a second commit may hide behind the first one's.
 *
 * The folder is watched, not the file: -wal comes and goes, and a restored
 * backup is a new file under the old name.  timerfd, since epoll's own timeout
 * has steps of a millisecond.  Refused: update hooks (they see the own
 * connection alone) and polling (a core for a millisecond).
 */
#include "config.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/table/beside.h"
#include "shared/table/db.h"
#include "shared/table/watch.h"

#define FIRST_NS     50000     /* first look after an event */
#define LAST_NS      410000000 /* longest wait in a series */
#define FACTOR       2         /* each wait to the one before */
#define FOUND_FACTOR 16        /* the same once a look found something */
#define CLOSE_NS     1000000   /* waits up to this need no event to end them */
#define BLIND_MS     100       /* safety timer where inotify is missing */
#define BELL         "-bell"
#define GONE         (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT)
#define EVENTS                                                                 \
	(IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |     \
	    IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVE_SELF | IN_DELETE_SELF)
/* What writers do to the -shm all the time is not among them. */
#define EXCHANGED (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

/* What inotify tells. */
enum news {
	NEWS_WAL = 1,    /* somebody writes: a commit may follow */
	NEWS_BELL = 2,   /* somebody committed */
	NEWS_FILE = 4,   /* a file came, went or changed its owner */
	NEWS_FOLDER = 8, /* the folder is not the one that is watched */
};

static bool
look(struct watch *watch, bool suspect)
{
	watch->looks++;
	return watch->look(watch->arg, suspect);
}

/* Arms the timer for the next look of the series, unless it is over. */
static void
schedule(struct watch *watch)
{
	struct itimerspec when = { { 0, 0 }, { 0, 0 } };

	if (watch->timer_fd == -1 || watch->delay_ns > LAST_NS)
		return;
	when.it_value.tv_sec = (time_t)(watch->delay_ns / 1000000000);
	when.it_value.tv_nsec = (long)(watch->delay_ns % 1000000000);
	timerfd_settime(watch->timer_fd, 0, &when, NULL);
}

/* The safety timer runs faster where it is all that there is. */
static void
set_safety(struct watch *watch)
{
	bool blind = watch->wd == -1 && !watch->resting;
	int64_t ms =
	    blind && watch->check_ms > BLIND_MS ? BLIND_MS : watch->check_ms;

	if (watch->safety.repeat == (double)ms / 1000)
		return;
	watch->safety.repeat = (double)ms / 1000;
	ev_timer_again(EV_DEFAULT_UC_ & watch->safety);
}

/*
 * Watches what has the folder's name now, unless we rest.  For the folder that
 * is watched already the kernel answers with the same number.
 */
static void
watch_present_folder(struct watch *watch)
{
	int wd;

	if (watch->resting)
		return;
	if (watch->inotify_fd != -1) {
		wd =
		    inotify_add_watch(watch->inotify_fd, watch->folder, EVENTS);
		if (watch->wd != -1 && watch->wd != wd)
			inotify_rm_watch(watch->inotify_fd, watch->wd);
		watch->wd = wd;
	}
	set_safety(watch);
}

/* What an event says, bits of enum news. */
static unsigned
read_event(const struct watch *watch, const struct inotify_event *ev)
{
	size_t len = strlen(watch->name);
	const char *rest;

	if (ev->mask & GONE)
		return ev->wd == watch->wd ? NEWS_FOLDER | NEWS_FILE : 0;
	if (ev->mask & IN_Q_OVERFLOW)
		return NEWS_FILE;
	if (ev->len == 0 || strncmp(ev->name, watch->name, len) != 0)
		return 0;
	rest = ev->name + len;
	if (strcmp(rest, BELL) == 0)
		return NEWS_BELL;
	if (strcmp(rest, "-wal") == 0)
		return ev->mask & IN_MODIFY ? NEWS_WAL : NEWS_FILE;
	if (strcmp(rest, "-shm") == 0)
		return ev->mask & EXCHANGED ? NEWS_FILE : 0;
	if (rest[0] != '\0')
		return 0;
	return ev->mask & IN_MODIFY ? NEWS_WAL : NEWS_FILE;
}

/* Takes what inotify has.  Returns bits of enum news. */
static unsigned
drain(struct watch *watch)
{
	union {
		struct inotify_event event; /* for its alignment */
		char bytes[8192];
	} buf;
	unsigned news = 0;
	ssize_t n;

	if (watch->inotify_fd == -1)
		return 0;
	n = read(watch->inotify_fd, buf.bytes, sizeof(buf.bytes));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev = (const void *)(buf.bytes + at);

		news |= read_event(watch, ev);
		at += (ssize_t)(sizeof(*ev) + ev->len);
	}
	if (news & NEWS_FOLDER)
		watch_present_folder(watch);
	return news;
}

/* While looks follow each other closely, they find events as well. */
static void
listen_between(struct watch *watch)
{
	if (watch->inotify_fd == -1)
		return;
	if (watch->timer_fd == -1 || watch->delay_ns > CLOSE_NS)
		ev_io_start(EV_DEFAULT_UC_ & watch->inotify);
	else
		ev_io_stop(EV_DEFAULT_UC_ & watch->inotify);
}

static void
begin_series(struct watch *watch)
{
	watch->delay_ns = FIRST_NS;
	watch->factor = FACTOR;
}

static void
on_recheck(struct ev_loop *loop, ev_io *io, int revents)
{
	struct watch *watch = io->data;
	uint64_t expired;
	unsigned news;
	bool found;

	(void)loop;
	(void)revents;
	if (read(watch->timer_fd, &expired, sizeof(expired)) == -1)
		return;
	news = drain(watch);
	found = look(watch, (news & NEWS_FILE) != 0);
	if (news != 0)
		begin_series(watch);
	else if (found)
		watch->factor = FOUND_FACTOR;
	watch->delay_ns *= news != 0 ? 1 : watch->factor;
	schedule(watch);
	listen_between(watch);
}

static void
on_inotify(struct ev_loop *loop, ev_io *io, int revents)
{
	struct watch *watch = io->data;
	unsigned news = drain(watch);

	(void)loop;
	(void)revents;
	if (news == 0)
		return;
	/* A write to the -wal alone is not visible yet. */
	if (news != NEWS_WAL || watch->timer_fd == -1)
		look(watch, (news & NEWS_FILE) != 0);
	begin_series(watch);
	schedule(watch);
	listen_between(watch);
}

static void
on_safety(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct watch *watch = timer->data;

	(void)loop;
	(void)revents;
	watch_present_folder(watch);
	look(watch, true);
}

static void
split_path(struct watch *watch, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	watch->name = xstrndup(name, strlen(name));
	watch->folder = slash == NULL ? xstrndup(".", 1)
			: slash == path
			    ? xstrndup("/", 1)
			    : xstrndup(path, (size_t)(slash - path));
}

static void
start_inotify(struct watch *watch)
{
	watch->timer_fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watch_present_folder(watch);
	if (watch->wd == -1)
		log_warn("no inotify on %s, looking every %d ms instead",
		    watch->folder, BLIND_MS);
}

void
watch_set_period(struct watch *watch, int64_t check_ms)
{
	watch->check_ms = check_ms;
	set_safety(watch);
}

void
watch_start(struct watch *watch, const char *path, int64_t check_ms,
    bool (*look_fn)(void *, bool), void *arg)
{
	char *real = realpath(path, NULL);

	*watch = (struct watch){ .look = look_fn, .arg = arg, .wd = -1 };
	split_path(watch, real == NULL ? path : real);
	free(real);
	ev_init(&watch->safety, on_safety);
	watch->safety.data = watch;
	watch->check_ms = check_ms;
	start_inotify(watch);
	ev_io_init(&watch->inotify, on_inotify, watch->inotify_fd, EV_READ);
	ev_io_init(&watch->recheck, on_recheck, watch->timer_fd, EV_READ);
	watch->inotify.data = watch->recheck.data = watch;
	/* First in every turn of the loop: waking is what we are for. */
	ev_set_priority(&watch->inotify, 1);
	ev_set_priority(&watch->recheck, 1);
	if (watch->inotify_fd != -1)
		ev_io_start(EV_DEFAULT_UC_ & watch->inotify);
	if (watch->timer_fd != -1)
		ev_io_start(EV_DEFAULT_UC_ & watch->recheck);
}

void
watch_rest(struct watch *watch)
{
	static const struct itimerspec never;

	if (watch->resting)
		return;
	watch->resting = true;
	if (watch->wd != -1)
		inotify_rm_watch(watch->inotify_fd, watch->wd);
	watch->wd = -1;
	set_safety(watch);
	if (watch->timer_fd != -1)
		timerfd_settime(watch->timer_fd, 0, &never, NULL);
	if (watch->inotify_fd != -1)
		ev_io_start(EV_DEFAULT_UC_ & watch->inotify);
}

void
watch_wake(struct watch *watch)
{
	if (!watch->resting)
		return;
	watch->resting = false;
	watch_present_folder(watch);
	/* What was committed before this watch began. */
	begin_series(watch);
	schedule(watch);
}

void
watch_stop(struct watch *watch)
{
	ev_timer_stop(EV_DEFAULT_UC_ & watch->safety);
	ev_io_stop(EV_DEFAULT_UC_ & watch->inotify);
	ev_io_stop(EV_DEFAULT_UC_ & watch->recheck);
	if (watch->inotify_fd != -1)
		close(watch->inotify_fd);
	if (watch->timer_fd != -1)
		close(watch->timer_fd);
	free(watch->name);
	free(watch->folder);
	*watch = (struct watch){ .inotify_fd = -1, .timer_fd = -1 };
}

void
watch_ring(const char *path)
{
	int bell = -1;

	watch_ring_kept(path, &bell);
	if (bell != -1)
		close(bell);
}

void
watch_ring_kept(const char *path, int *bell)
{
	struct stat sb;

	/* Somebody may have removed it. */
	if (*bell != -1 && (fstat(*bell, &sb) == -1 || sb.st_nlink == 0)) {
		close(*bell);
		*bell = -1;
	}
	if (*bell == -1)
		*bell = beside_open(path, BELL);
	if (*bell != -1 && pwrite(*bell, "\a", 1, 0) == -1)
		log_debug("the doorbell does not ring");
}
