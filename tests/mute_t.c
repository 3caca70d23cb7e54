/* SPDX-License-Identifier: MIT */
/*
 * Messages that are kept from their publisher: asked for in the order of ids,
 * told by another thread, forgotten when they are passed.  What is freed twice
 * or never is seen by the checkers.
 */
#include "config.h"

#include <pthread.h>
#include <stdint.h>

#include "shared/mute.h"
#include "tests/tap/tap.h"

static struct mutes mutes = STAILQ_HEAD_INITIALIZER(mutes);

static int
listed(void)
{
	const struct mute *mute;
	int n = 0;

	STAILQ_FOREACH(mute, &mutes, link)
	n++;
	return n;
}

static void
test_order(void)
{
	struct mute *a = mute_new(&mutes), *b = mute_new(&mutes);

	ok(!mutes_have(&mutes, 5), "nothing is kept back before it has an id");
	is_int(listed(), 2, "and both stay");
	mute_tell(a, 7);
	mute_tell(b, 9);
	mute_settle(a);
	ok(!mutes_have(&mutes, 6), "the one before");
	ok(mutes_have(&mutes, 7), "the message itself");
	ok(mutes_have(&mutes, 7), "asked again");
	ok(!mutes_have(&mutes, 8), "the one behind");
	is_int(listed(), 1, "it is forgotten then");
	ok(mutes_have(&mutes, 9), "the second");
	ok(!mutes_have(&mutes, 10), "nothing behind it");
	is_int(listed(), 0, "none is left");
	mute_settle(b);
	ok(!mutes_have(&mutes, 11), "an empty list has none");
}

/* The row is read before the job is settled, or long after. */
static void
test_settled_late(void)
{
	struct mute *mute = mute_new(&mutes);

	mute_tell(mute, 20);
	ok(mutes_have(&mutes, 20), "told, not settled");
	ok(!mutes_have(&mutes, 21), "passed");
	mute_settle(mute);
	mute = mute_new(&mutes);
	mute_tell(mute, 30);
	mute_settle(mute);
	ok(mutes_have(&mutes, 30), "settled before it is read");
	mutes_pass(&mutes, 29);
	is_int(listed(), 1, "what is not passed stays");
	mutes_pass(&mutes, 30);
	is_int(listed(), 0, "what is passed goes");
}

/* One that is never stored holds up nobody. */
static void
test_never(void)
{
	struct mute *never = mute_new(&mutes), *later = mute_new(&mutes);

	mute_tell(never, -1);
	mute_settle(never);
	mute_tell(later, 40);
	mute_settle(later);
	ok(mutes_have(&mutes, 40), "behind one that failed");
	ok(!mutes_have(&mutes, 41), "and no other");
	/* Told an id inside the transaction, which then failed. */
	never = mute_new(&mutes);
	mute_tell(never, 50);
	mute_tell(never, -1);
	mute_settle(never);
	ok(!mutes_have(&mutes, 50),
	    "a commit that fails: its id is another's then");
	is_int(listed(), 0, "none is left");
}

/* The client goes, or the database is another one. */
static void
test_clear(void)
{
	struct mute *a = mute_new(&mutes), *b = mute_new(&mutes), *c;

	mute_tell(a, 60);
	mute_settle(a);
	mutes_clear(&mutes);
	is_int(listed(), 0, "all are forgotten");
	mute_tell(b, 61);
	mute_settle(b);
	ok(!mutes_have(&mutes, 61), "the job may still tell");
	c = mute_new(&mutes);
	mute_tell(c, 3);
	mute_settle(c);
	ok(mutes_have(&mutes, 3), "ids may begin anew");
	mutes_clear(&mutes);
	mutes_clear(&mutes);
}

/* A job that is refused takes its own along, and those alone. */
static void
test_cut(void)
{
	struct mute *a = mute_new(&mutes), *b, *c;

	b = mute_new(&mutes);
	mute_new(&mutes);
	mutes_cut(&mutes, b);
	is_int(listed(), 1, "what stood before is left");
	c = mute_new(&mutes);
	mute_tell(a, 70);
	mute_tell(c, 71);
	ok(mutes_have(&mutes, 70) && mutes_have(&mutes, 71),
	    "and more may follow");
	mute_settle(a);
	mute_settle(c);
	mutes_clear(&mutes);
	b = mute_new(&mutes);
	mutes_cut(&mutes, b);
	is_int(listed(), 0, "the only one");
}

static void *
tell_all(void *arg)
{
	struct mute **told = arg;

	for (int i = 0; i < 1000; i++)
		mute_tell(told[i], 101 + 2 * i);
	return NULL;
}

/* Told by a thread while the loop asks. */
static void
test_thread(void)
{
	struct mute *told[1000];
	pthread_t thread;
	int wrong = 0;

	for (int i = 0; i < 1000; i++)
		told[i] = mute_new(&mutes);
	if (pthread_create(&thread, NULL, tell_all, told) != 0)
		bail("no thread");
	for (int i = 0; i < 10000; i++)
		wrong += mutes_have(&mutes, 100);
	pthread_join(thread, NULL);
	for (int64_t id = 100; id < 2101; id++)
		wrong += mutes_have(&mutes, id) != (id > 100 && id % 2 == 1);
	is_int(wrong, 0, "every second of 2000 messages");
	for (int i = 0; i < 1000; i++)
		mute_settle(told[i]);
	is_int(listed(), 0, "none is left");
}

int
main(void)
{
	test_order();
	test_settled_late();
	test_never();
	test_clear();
	test_cut();
	test_thread();
	return done();
}
