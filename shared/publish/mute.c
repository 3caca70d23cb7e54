/* SPDX-License-Identifier: MIT */
/*
 * Messages that are kept from their publisher ("echo": false).  Each job of its
 * connection has a note in the list, which is dropped once all of its ids are
 * passed.
 *
 * The search looks at every note.  It does not rely on the order in which jobs
 * are committed: a job that is still waiting must not hide one behind it.
 */
#include "config.h"

#include <stdlib.h>

#include "shared/base/str.h"
#include "shared/publish/mute.h"

struct mute *
mute_new(struct mutes *mutes, size_t n)
{
	struct mute *mute = xcalloc(1, sizeof(*mute) + n * sizeof(*mute->ids));

	mute->n = n;
	mute->waited_for = mute->listed = true;
	TAILQ_INSERT_TAIL(mutes, mute, link);
	return mute;
}

void
mute_set(struct mute *mute, size_t i, int64_t id)
{
	atomic_store_explicit(&mute->ids[i], id, memory_order_relaxed);
}

void
mute_tell(struct mute *mute)
{
	atomic_store_explicit(&mute->told, true, memory_order_release);
}

static void
free_if_done(struct mute *mute)
{
	if (!mute->waited_for && !mute->listed)
		free(mute);
}

void
mute_settle(struct mute *mute)
{
	mute->waited_for = false;
	free_if_done(mute);
}

static void
drop(struct mutes *mutes, struct mute *mute)
{
	TAILQ_REMOVE(mutes, mute, link);
	mute->listed = false;
	free_if_done(mute);
}

void
mute_cancel(struct mutes *mutes, struct mute *mute)
{
	mute->waited_for = false;
	drop(mutes, mute);
}

/* The next id of a note that is not below this one; INT64_MAX for none. */
static int64_t
next_id(struct mute *mute, int64_t id)
{
	for (; mute->at < mute->n; mute->at++) {
		int64_t next = atomic_load_explicit(&mute->ids[mute->at],
		    memory_order_relaxed);

		if (next >= id)
			return next;
	}
	return INT64_MAX;
}

bool
mutes_have(struct mutes *mutes, int64_t id)
{
	struct mute *mute = TAILQ_FIRST(mutes), *next;
	bool found = false;

	for (; mute != NULL && !found; mute = next) {
		int64_t first;

		next = TAILQ_NEXT(mute, link);
		if (!atomic_load_explicit(&mute->told, memory_order_acquire))
			continue;
		first = next_id(mute, id);
		found = first == id;
		if (first == INT64_MAX)
			drop(mutes, mute);
	}
	return found;
}

void
mutes_pass(struct mutes *mutes, int64_t upto)
{
	mutes_have(mutes, upto + 1);
}

void
mutes_clear(struct mutes *mutes)
{
	struct mute *mute;

	while ((mute = TAILQ_FIRST(mutes)) != NULL)
		drop(mutes, mute);
}
