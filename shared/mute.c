/* SPDX-License-Identifier: MIT */
/*
 * Messages that are kept from their publisher ("echo": false).  Jobs are done
 * in order and ids only grow, so the list is in order as well, and the first
 * one that is not stored yet ends the search.
 */
#include "config.h"

#include <stdlib.h>

#include "shared/mute.h"
#include "shared/str.h"

struct mute *
mute_new(struct mutes *mutes)
{
	struct mute *mute = xcalloc(1, sizeof(*mute));

	mute->waited_for = mute->listed = true;
	STAILQ_INSERT_TAIL(mutes, mute, link);
	return mute;
}

void
mute_tell(struct mute *mute, int64_t id)
{
	atomic_store_explicit(&mute->id, id, memory_order_release);
}

static int64_t
id_of(struct mute *mute)
{
	return atomic_load_explicit(&mute->id, memory_order_acquire);
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

void
mutes_cut(struct mutes *mutes, struct mute *first)
{
	struct mutes kept = STAILQ_HEAD_INITIALIZER(kept);
	struct mute *mute;
	bool cut = false;

	while ((mute = STAILQ_FIRST(mutes)) != NULL) {
		STAILQ_REMOVE_HEAD(mutes, link);
		cut = cut || mute == first;
		if (cut)
			free(mute);
		else
			STAILQ_INSERT_TAIL(&kept, mute, link);
	}
	STAILQ_CONCAT(mutes, &kept);
}

static void
drop_first(struct mutes *mutes)
{
	struct mute *mute = STAILQ_FIRST(mutes);

	STAILQ_REMOVE_HEAD(mutes, link);
	mute->listed = false;
	free_if_done(mute);
}

void
mutes_pass(struct mutes *mutes, int64_t upto)
{
	struct mute *mute;

	while ((mute = STAILQ_FIRST(mutes)) != NULL) {
		int64_t id = id_of(mute);

		if (id == 0 || id > upto)
			return;
		drop_first(mutes);
	}
}

bool
mutes_have(struct mutes *mutes, int64_t id)
{
	struct mute *mute;

	mutes_pass(mutes, id - 1);
	mute = STAILQ_FIRST(mutes);
	return mute != NULL && id_of(mute) == id;
}

void
mutes_clear(struct mutes *mutes)
{
	while (!STAILQ_EMPTY(mutes))
		drop_first(mutes);
}
