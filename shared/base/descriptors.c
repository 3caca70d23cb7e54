/* SPDX-License-Identifier: MIT */
/*
 * Open files, which run out before max_clients where the limit on them is low.
 * Who comes then is to get an answer, so the limit is divided: what the process
 * needs for itself, what held clients may have, and some for those who are told
 * that there is no room.  An answer takes a moment, so few are enough for many;
 * the oldest that only waits for its peer to close makes room for the next.
 */
#include "config.h"

#include <sys/resource.h>

#include <dirent.h>
#include <stddef.h>

#include "shared/base/descriptors.h"

#define OWN_LIKELY 24  /* open by ourselves, where nothing tells */
#define OWN_MORE   14  /* to come: databases, rings, files read at times */
#define SPARE_MIN  6   /* for refusals, at least */
#define SPARE_MAX  256 /* and at most */
#define SPARE_PART 16  /* of the limit: one in so many */

static int64_t limit = INT64_MAX; /* open files that are allowed */
static int64_t own, spare;        /* ours; for refusals */
static int64_t connections;       /* open now */
static bool (*relief)(void);

void
descriptors_raise(void)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) == -1)
		return;
	now.rlim_cur = now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &now);
}

/* Descriptors that are open now. */
static int64_t
count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = 0;

	if (dir == NULL)
		return OWN_LIKELY + connections;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the folder itself */
}

void
descriptors_plan(void)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) == -1 ||
	    now.rlim_cur == RLIM_INFINITY)
		return;
	limit = (int64_t)now.rlim_cur;
	own = count_open() - connections + OWN_MORE;
	spare = limit / SPARE_PART;
	spare = spare < SPARE_MIN   ? SPARE_MIN
		: spare > SPARE_MAX ? SPARE_MAX
				    : spare;
}

int64_t
descriptors_limit(void)
{
	return limit;
}

int64_t
descriptors_for_clients(void)
{
	return limit > own + spare ? limit - own - spare : 0;
}

void
descriptors_count(int n)
{
	connections += n;
}

bool
descriptors_are_short(void)
{
	return connections > descriptors_for_clients();
}

bool
descriptors_are_gone(void)
{
	return connections >= descriptors_for_clients() + spare;
}

void
descriptors_set_relief(bool (*close_one)(void))
{
	relief = close_one;
}

bool
descriptors_make_room(void)
{
	while (descriptors_are_gone())
		if (relief == NULL || !relief())
			return false;
	return true;
}
