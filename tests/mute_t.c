/* SPDX-License-Identifier: MIT */
/*
 * Messages that are kept from their publisher: asked for in the order of ids,
 * told by another thread, wherever they stand, forgotten when they are passed.
 * What is freed twice or never is seen by the checkers.
 */
#include "config.h"

#include <pthread.h>
#include <stdint.h>

#include "shared/publish/mute.h"
#include "tests/tap/tap.h"

static struct mutes mutes = TAILQ_HEAD_INITIALIZER(mutes);

static int
listed(void)
{
	const struct mute *mute;
	int n = 0;

	TAILQ_FOREACH(mute, &mutes, link)
		n++;
	return n;
}

/* A job of one message was stored with this id. */
static void
tell(struct mute *mute, int64_t id)
{
	mute_set(mute, 0, id);
	mute_tell(mute);
}

static void
test_order(void)
{
	struct mute *a = mute_new(&mutes, 1), *b = mute_new(&mutes, 1);

	ok(!mutes_have(&mutes, 5), "nothing is kept back before it has an id");
	is_int(listed(), 2, "and both stay");
	tell(a, 7);
	tell(b, 9);
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

/* A job of several messages, of which one was known before. */
static void
test_several(void)
{
	struct mute *mute = mute_new(&mutes, 4);
	int wrong = 0;

	mute_set(mute, 0, 10);
	mute_set(mute, 1, -1);
	mute_set(mute, 2, 12);
	ok(!mutes_have(&mutes, 10), "nothing counts before all are told");
	mute_set(mute, 3, 15);
	mute_tell(mute);
	mute_settle(mute);
	for (int64_t id = 9; id <= 15; id++)
		wrong += mutes_have(&mutes, id) !=
			 (id == 10 || id == 12 || id == 15);
	is_int(wrong, 0, "each of a job's ids and no other");
	is_int(listed(), 1, "it stays until its last id is passed");
	ok(!mutes_have(&mutes, 16), "nothing behind it");
	is_int(listed(), 0, "none is left");
}

/* Issue 5, C9: a job that still waits hid those behind it. */
static void
test_anywhere(void)
{
	struct mute *first = mute_new(&mutes, 3), *second = mute_new(&mutes, 1),
		    *third = mute_new(&mutes, 1);

	tell(third, 20);
	ok(mutes_have(&mutes, 20), "behind two that are not done");
	tell(second, 22);
	ok(!mutes_have(&mutes, 21), "nobody's");
	is_int(listed(), 2, "what is passed goes wherever it stands");
	ok(mutes_have(&mutes, 22), "behind one that is not done");
	mute_set(first, 0, 23);
	mute_set(first, 1, 24);
	mute_set(first, 2, 25);
	mute_tell(first);
	ok(mutes_have(&mutes, 24), "told last");
	mutes_pass(&mutes, 25);
	is_int(listed(), 0, "none is left");
	mute_settle(first);
	mute_settle(second);
	mute_settle(third);
}

/* The row is read before the job is settled, or long after. */
static void
test_settled_late(void)
{
	struct mute *mute = mute_new(&mutes, 1);

	tell(mute, 20);
	ok(mutes_have(&mutes, 20), "told, not settled");
	ok(!mutes_have(&mutes, 21), "passed");
	mute_settle(mute);
	mute = mute_new(&mutes, 1);
	tell(mute, 30);
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
	struct mute *never = mute_new(&mutes, 2), *later = mute_new(&mutes, 1);

	mute_set(never, 0, -1);
	mute_set(never, 1, -1);
	mute_tell(never);
	mute_settle(never);
	tell(later, 40);
	mute_settle(later);
	ok(mutes_have(&mutes, 40), "behind one that failed");
	ok(!mutes_have(&mutes, 41), "and no other");
	/* Told an id inside the transaction, which then failed. */
	never = mute_new(&mutes, 1);
	tell(never, 50);
	tell(never, -1);
	mute_settle(never);
	ok(!mutes_have(&mutes, 50),
	    "a commit that fails: its id is another's then");
	is_int(listed(), 0, "none is left");
}

/* The client goes, or the database is another one. */
static void
test_clear(void)
{
	struct mute *a = mute_new(&mutes, 1), *b = mute_new(&mutes, 1), *c;

	tell(a, 60);
	mute_settle(a);
	mutes_clear(&mutes);
	is_int(listed(), 0, "all are forgotten");
	tell(b, 61);
	mute_settle(b);
	ok(!mutes_have(&mutes, 61), "the job may still tell");
	c = mute_new(&mutes, 1);
	tell(c, 3);
	mute_settle(c);
	ok(mutes_have(&mutes, 3), "ids may begin anew");
	mutes_clear(&mutes);
	mutes_clear(&mutes);
}

/* A job that is refused takes its own along, and those alone. */
static void
test_cancel(void)
{
	struct mute *a = mute_new(&mutes, 1), *c;

	mute_cancel(&mutes, mute_new(&mutes, 5));
	is_int(listed(), 1, "what stood before is left");
	c = mute_new(&mutes, 1);
	tell(a, 70);
	tell(c, 71);
	ok(mutes_have(&mutes, 70) && mutes_have(&mutes, 71),
	    "and more may follow");
	mute_settle(a);
	mute_settle(c);
	mutes_clear(&mutes);
	mute_cancel(&mutes, mute_new(&mutes, 1));
	is_int(listed(), 0, "the only one");
}

static void *
tell_all(void *arg)
{
	struct mute **told = arg;

	for (int i = 0; i < 1000; i++)
		tell(told[i], 101 + 2 * i);
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
		told[i] = mute_new(&mutes, 1);
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
	test_several();
	test_anywhere();
	test_settled_late();
	test_never();
	test_clear();
	test_cancel();
	test_thread();
	return done();
}
