/* SPDX-License-Identifier: MIT */
/*
 * Removing messages in steps: which go, what the watermark says meanwhile, and
 * how long a step holds the lock.  Issue 5, A2: 500 messages of 100 KB were
 * removed in one transaction of half a second.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "shared/base/clock.h"
#include "shared/table/db.h"
#include "shared/table/removal.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define STEP_MS 30 /* of processor time, at most */

static struct db db;

/* Milliseconds of the processor. */
static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* All steps of one channel; returns how many there were. */
static int
remove_all(const char *channel, int64_t upto, int *removed, double *longest_ms)
{
	bool done = false;
	int steps = 0, n;

	*removed = 0;
	*longest_ms = 0;
	while (!done && steps++ < 100000) {
		double began_ms = cpu_ms();

		if (removal_channel(&db, channel, upto, NULL, &n, &done) !=
		    DB_OK)
			bail("%s", db.error);
		*removed += n;
		if (cpu_ms() - began_ms > *longest_ms)
			*longest_ms = cpu_ms() - began_ms;
	}
	return steps;
}

static void
test_channel(void)
{
	int n, removed;
	double ms;
	bool done;

	table_make(&db, scratch("channel.db"));
	table_fill(db.handle, "other", 5, 10);
	table_fill(db.handle, "a", 1234, 10);
	table_fill(db.handle, "other", 5, 10);
	table_fill(db.handle, "a", 3, 10);
	is_int(removal_channel(&db, "a", 5 + 1234, NULL, &n, &done), DB_OK,
	    "a step");
	ok(n > 0 && n <= REMOVAL_MAX && !done, "removes some (%d)", n);
	is_int(foreign_int(db.handle,
		   "SELECT min(id) FROM changes WHERE channel = 'a'"),
	    5 + n + 1, "the oldest of them");
	is_int(table_watermark(db.handle, "a"), 5 + 1234,
	    "and tells of all that are to go");
	remove_all("a", 5 + 1234, &removed, &ms);
	is_int(n + removed, 1234, "later steps remove the others");
	is_int(table_count(db.handle, "a"), 3, "what is newer stays");
	is_int(table_count(db.handle, "other"), 10, "and what others have");
	is_int(table_watermark(db.handle, "a"), 5 + 1234,
	    "the watermark was right");
	is_int(table_watermark(db.handle, "other"), 0,
	    "nobody else's was touched");
	is_int(removal_channel(&db, "nosuch", 99, NULL, &n, &done), DB_OK,
	    "a channel without messages");
	ok(done && n == 0 && table_watermark(db.handle, "nosuch") == 0,
	    "loses none");
}

/* What had run out is missed by nobody. */
static void
test_expired(void)
{
	int removed;
	double ms;

	table_make(&db, scratch("expired.db"));
	foreign_run(db.handle,
	    "INSERT INTO changes (channel, expires_ms) VALUES ('a', NULL), "
	    "('a', 9000000000000), ('a', 1), ('a', 1), ('b', 1), ('b', 2)");
	remove_all("a", 4, &removed, &ms);
	is_int(removed, 4, "four messages, the newest of which ran out");
	is_int(table_watermark(db.handle, "a"), 2,
	    "the watermark is that of the last missed");
	remove_all("b", 6, &removed, &ms);
	is_int(table_watermark(db.handle, "b"), 0,
	    "a channel where all ran out has none");
}

/* A step takes a moment, whatever is removed. */
static void
test_budget(void)
{
	static const struct {
		int n, bytes;
	} rows[] = { { 20000, 10 }, { 5000, 3000 }, { 600, 100000 },
		{ 60, 1000000 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int removed = 0, steps = 0;
		double ms = 1e9;

		/* On a busy machine the processor is slow now and then. */
		for (int tries = 0; tries < 4 && ms > STEP_MS; tries++) {
			table_make(&db, scratch("budget.db"));
			table_fill(db.handle, "a", rows[i].n, rows[i].bytes);
			steps = remove_all("a", INT64_MAX, &removed, &ms);
		}
		is_int(removed, rows[i].n, "%d messages of %d bytes", rows[i].n,
		    rows[i].bytes);
		/* Under a checker it tells nothing. */
		ok(ms <= STEP_MS || patience() > 1,
		    "%d steps, %.1f ms of the processor at most", steps, ms);
	}
}

static void
test_ids(void)
{
	struct removal removal = { .ids = { 2, 4, 77 }, .n = 3 };
	struct removal none = { .n = 0 };
	int n;

	table_make(&db, scratch("ids.db"));
	table_fill(db.handle, "a", 5, 10);
	is_int(removal_run(&db, &none, &n), DB_OK, "nothing to be removed");
	is_int(n, 0, "is nothing");
	is_int(removal_run(&db, &removal, &n), DB_OK, "three ids");
	ok(n >= 1 && n <= 3, "are done, though one was gone already");
	/* A step that was interrupted for long is over. */
	for (int done = n; done < 3; done += n) {
		struct removal rest = { .n = 3 - done };

		memcpy(rest.ids, removal.ids + done,
		    sizeof(int64_t) * 3 - sizeof(int64_t) * (size_t)done);
		removal_run(&db, &rest, &n);
	}
	is_int(foreign_int(db.handle, "SELECT sum(id) FROM changes"), 1 + 3 + 5,
	    "no other message is gone");
	is_int(table_watermark(db.handle, "a"), 4, "the watermark follows");
}

/* The database became another one between two steps. */
static void
test_epoch(void)
{
	struct db impatient = { 0 };
	struct sqlite3 *other;
	bool done;
	int n;

	table_make(&db, scratch("epoch.db"));
	table_fill(db.handle, "a", 5, 10);
	is_int(removal_channel(&db, "a", 5, "elsewhere", &n, &done), DB_MISSING,
	    "another epoch is another database");
	ok(!done && n == 0 && table_count(db.handle, "a") == 5 &&
		table_watermark(db.handle, "a") == 0,
	    "of which nothing is removed");
	ok(db.begin_site == NULL, "no transaction is left");
	ok(strstr(db.error, "replaced") != NULL, "it says why (%s)", db.error);
	if (db_open(&impatient, db.path, DB_WRITER, 0) != DB_OK)
		bail("%s", impatient.error);
	other = foreign_open(db.path);
	foreign_run(other, "BEGIN IMMEDIATE");
	is_int(removal_channel(&impatient, "a", 5, NULL, &n, &done), DB_BUSY,
	    "somebody else writes");
	ok(!done && n == 0 && impatient.begin_site == NULL, "nothing is done");
	foreign_run(other, "ROLLBACK");
	is_int(removal_channel(&impatient, "a", 5, db.epoch, &n, &done), DB_OK,
	    "later it is");
	for (int i = 0; i < 5 && !done; i++)
		removal_channel(&impatient, "a", 5, db.epoch, &n, &done);
	ok(done && table_count(db.handle, "a") == 0, "to the end");
	foreign_close(other);
	db_close(&impatient);
}

int
main(void)
{
	test_channel();
	test_expired();
	test_budget();
	test_ids();
	test_epoch();
	db_close(&db);
	return done();
}
