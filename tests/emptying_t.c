/* SPDX-License-Identifier: MIT */
/*
 * Emptying a channel in steps while others publish: what was there when the job
 * had its turn goes, what comes later stays, and nobody is told that a message
 * is stored which goes with the rest.
 */
#include "config.h"

#include "shared/publish/emptying.h"
#include "shared/publish/group.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

static struct db db;

static void
test_steps(void)
{
	struct job job = { .channel = "a" };
	int steps = 0;
	bool done = false;

	table_make(&db, scratch("steps.db"));
	table_fill(db.handle, "a", 3000, 0);
	table_fill(db.handle, "b", 10, 0);
	is_int(emptying_begin(&db, &job), DB_OK, "a channel of 3,000");
	is_int(job.upto, 3000, "has to lose those");
	while (!done && steps++ < 1000) {
		if (emptying_step(&db, &job, &done) != DB_OK)
			bail("%s", db.error);
		table_fill(db.handle, "a", 2, 0);
	}
	ok(steps >= 6, "it takes several steps (%d)", steps);
	is_int(job.removed, 3000, "it lost them");
	is_int(table_count(db.handle, "a"), 2 * steps,
	    "what was published meanwhile stays");
	is_int(table_count(db.handle, "b"), 10, "other channels do");
	job = (struct job){ .channel = "none" };
	is_int(emptying_begin(&db, &job), DB_OK, "a channel without messages");
	is_int(job.upto, 0, "has nothing to lose");
}

/* Another database has ids of its own. */
static void
test_replaced(void)
{
	struct job job = { .channel = "a" };
	bool done;

	table_make(&db, scratch("replaced.db"));
	table_fill(db.handle, "a", 1500, 0);
	if (emptying_begin(&db, &job) != DB_OK ||
	    emptying_step(&db, &job, &done) != DB_OK)
		bail("%s", db.error);
	foreign_run(db.handle,
	    "UPDATE meta SET value = 'another' WHERE name = 'epoch'");
	is_int(emptying_step(&db, &job, &done), DB_MISSING,
	    "a database that was replaced between two steps");
	is_int(table_count(db.handle, "a"), 1500 - job.removed,
	    "loses nothing more");
}

/* Which jobs wait while channels are emptied. */
static void
test_allows(void)
{
	struct job empty[5] = { { .channel = "x" }, { .channel = "y" },
		{ .channel = "z" }, { .channel = "v" }, { .channel = "w" } };
	static struct message messages[] = { { .channel = "x" },
		{ .channel = "x", .dedup = "k" },
		{ .channel = "q", .dedup = "k" },
		{ .channel = "y", .dedup = "k" } };
	static const struct {
		size_t first, n, emptying;
		bool may;
		const char *name;
	} rows[] = {
		{ 0, 1, 1, true, "a message without a key" },
		{ 1, 1, 1, false, "one with a key" },
		{ 1, 1, 0, true, "the same where nothing is emptied" },
		{ 2, 1, 2, true, "a key in another channel" },
		{ 3, 1, 1, true, "in one that is not emptied yet" },
		{ 3, 1, 2, false, "in the second one" },
		{ 2, 2, 2, false, "a batch with such a message behind" },
		{ 0, 0, 1, true, "a second channel to be emptied" },
		{ 0, 0, 4, false, "too many of them" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job job = { .channel = "w",
			.messages = &messages[rows[i].first],
			.n = rows[i].n };
		struct jobs emptying;

		jobs_init(&emptying);
		for (size_t j = 0; j < rows[i].emptying; j++)
			jobs_add(&emptying, &empty[j]);
		is_int(emptying_allows(&emptying, &job), rows[i].may, "%s",
		    rows[i].name);
	}
}

int
main(void)
{
	test_steps();
	test_replaced();
	test_allows();
	db_close(&db);
	return done();
}
