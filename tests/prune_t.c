/* SPDX-License-Identifier: MIT */
/* Retention: what goes, what stays, and that it is written down. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/table/db.h"
#include "shared/table/prune.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

static struct db db;
static struct config config;

static void
set_config(const char *text)
{
	const char *path = scratch("prune.conf");
	FILE *file = fopen(path, "w");
	char error[300];

	if (file == NULL || fputs(text, file) == EOF || fclose(file) == EOF)
		bail("%s: %s", path, strerror(errno));
	config_free(&config);
	if (config_load(&config, path, error, sizeof(error)) == -1)
		bail("%s", error);
}

/* A whole round; returns how many messages it removed. */
static int64_t
round_of_pruning(void)
{
	struct prune prune = { 0 };
	bool finished = false;

	for (int i = 0; i < 100000 && !finished; i++)
		if (prune_step(&db, &config, &prune, &finished) != DB_OK)
			bail("%s", db.error);
	ok(finished, "the round ends");
	return prune.removed;
}

static void
insert(const char *channel, int n, int64_t created_ms, int64_t expires_ms)
{
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < n; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data, created_ms, "
		    "expires_ms) VALUES (%Q, %d, %lld, nullif(%lld, 0))",
		    channel, i, (long long)created_ms, (long long)expires_ms);
	foreign_run(db.handle, "COMMIT");
}

static void
test_count(void)
{
	int64_t now_ms = clock_wall_ms(), mark;

	table_make(&db, scratch("count.db"));
	set_config("[retention]\ncount = 10\nage = 1h\n"
		   "[retention many*]\ncount = 2000\n"
		   "[retention all]\ncount = 0\n");
	insert("few", 11, now_ms, 0);
	mark = foreign_int(db.handle,
	    "SELECT min(id) FROM changes WHERE channel = 'few'");
	insert("exact", 10, now_ms, 0);
	insert("many.1", 3600, now_ms, 0);
	insert("all", 1500, now_ms, 0);
	is_int(round_of_pruning(), 1 + 1600, "as many as there are too many");
	is_int(table_count(db.handle, "few"), 10, "ten are kept");
	is_int(table_watermark(db.handle, "few"), mark,
	    "the watermark is the last one gone");
	is_int(table_count(db.handle, "exact"), 10, "of ten none goes");
	is_int(table_watermark(db.handle, "exact"), 0,
	    "and no watermark is made");
	is_int(table_count(db.handle, "many.1"), 2000,
	    "a pattern has its own count");
	is_int(table_count(db.handle, "all"), 1500, "0 is no limit");
	is_int(foreign_int(db.handle,
		   "SELECT min(CAST(data AS INTEGER)) FROM changes WHERE "
		   "channel = 'many.1'"),
	    1600, "the oldest go");
	is_int(round_of_pruning(), 0, "a second round finds nothing");
}

static void
test_age(void)
{
	int64_t now_ms = clock_wall_ms();

	table_make(&db, scratch("age.db"));
	set_config("[retention]\ncount = 0\nage = 1h\n"
		   "[retention short]\nage = 1m\n"
		   "[retention ever]\nage = 0\n");
	insert("a", 700, now_ms - 3600000 - 60000, 0);
	insert("a", 7, now_ms - 3600000 + 60000, 0);
	insert("short", 5, now_ms - 120000, 0);
	insert("short", 5, now_ms, 0);
	insert("ever", 5, 0, 0);
	insert("young", 5, now_ms + 60000, 0);
	is_int(round_of_pruning(), 700 + 5, "what is too old");
	is_int(table_count(db.handle, "a"), 7, "the young ones stay");
	is_int(table_count(db.handle, "short"), 5, "a pattern has its own age");
	is_int(table_count(db.handle, "ever"), 5, "0 is no limit");
	is_int(table_count(db.handle, "young"), 5,
	    "nor goes what comes from the future");
}

/* One message that was published at this time. */
static int64_t
insert_at(const char *channel, int64_t created_ms)
{
	insert(channel, 1, created_ms, 0);
	return foreign_int(db.handle, "SELECT max(id) FROM changes");
}

/*
 * Issue 5, C11: one message with a time in the past took all before it along.
 * Each row is a channel: o is a message that is old, s one whose time was
 * written in seconds, n one from before 1970, y a young one, f one from the far
 * future, F one of the last moment that can be told.
 */
static void
test_age_and_order(void)
{
	static const char *const rows[] = { "y", "o", "oy", "yo", "yyyyos", "s",
		"sy", "ys", "ysysys", "yoyoyo", "ooyyoo", "nyny", "yn", "fyo",
		"fo", "of", "Fo", "fFyoy", "oooooy", "yooooo",
		"oyooooooooooooooooooooy" };
	int64_t now_ms = clock_wall_ms();
	int n = (int)(sizeof(rows) / sizeof(rows[0])), wrong = 0, old = 0;

	table_make(&db, scratch("order.db"));
	set_config("[retention]\ncount = 0\nage = 1h\n");
	for (int i = 0; i < n; i++) {
		char channel[20];

		snprintf(channel, sizeof(channel), "row %d", i);
		for (const char *p = rows[i]; *p != '\0'; p++) {
			insert_at(channel, *p == 'y'   ? now_ms - 1800000
					   : *p == 'o' ? now_ms - 7200000
					   : *p == 's' ? now_ms / 1000
					   : *p == 'n' ? -5
					   : *p == 'F'
					       ? INT64_MAX
					       : now_ms + INT64_C(90000000000));
			old += strchr("osn", *p) != NULL;
		}
	}
	is_int(round_of_pruning(), old, "as many as are old themselves");
	for (int i = 0; i < n; i++) {
		size_t len = strlen(rows[i]), kept = 0;
		char channel[20];
		int64_t mark;

		snprintf(channel, sizeof(channel), "row %d", i);
		for (size_t at = 0; at < len; at++)
			kept += strchr("osn", rows[i][at]) == NULL;
		mark = table_watermark(db.handle, channel);
		if (table_count(db.handle, channel) != (int64_t)kept ||
		    (mark == 0) != (kept == len)) {
			diag("%s: %lld kept, watermark %lld", rows[i],
			    (long long)table_count(db.handle, channel),
			    (long long)mark);
			wrong++;
		}
	}
	is_int(wrong, 0, "in %d orders of them", n);
	is_int(foreign_int(db.handle,
		   "SELECT count(*) FROM changes WHERE created_ms < %lld",
		   (long long)now_ms - 3600000),
	    0, "no old one is left");
	is_int(round_of_pruning(), 0, "a second round finds nothing");
}

/* Who is told: those who had not seen what is gone, and nobody else. */
static void
test_watermark_of_strays(void)
{
	int64_t now_ms = clock_wall_ms(), stray;

	table_make(&db, scratch("strays.db"));
	set_config("[retention]\ncount = 0\nage = 1h\n");
	insert("a", 5, now_ms, 0);
	stray = insert_at("a", 1700000000);
	insert("a", 5, now_ms, 0);
	insert("b", 5, now_ms, 0);
	is_int(round_of_pruning(), 1, "one message amidst young ones");
	is_int(table_count(db.handle, "a"), 10, "goes alone");
	is_int(table_watermark(db.handle, "a"), stray,
	    "the watermark is its id");
	is_int(table_watermark(db.handle, "b"), 0,
	    "and other channels have none");
}

/* Strays behind more young messages than one round looks at. */
static void
test_sweep(void)
{
	int64_t now_ms = clock_wall_ms();
	struct prune prune = { 0 };
	int rounds = 0;

	table_make(&db, scratch("sweep.db"));
	set_config("[retention]\ncount = 0\nage = 1h\n");
	foreign_run(db.handle,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < 70000) INSERT INTO changes (channel, created_ms) SELECT "
	    "'a', iif(n %% 100 = 0, 1, %lld) FROM i",
	    (long long)now_ms);
	while (prune.removed < 700 && rounds++ < 1000) {
		bool finished = false;
		int64_t before = prune.sweep;

		prune_begin(&prune);
		while (!finished)
			if (prune_step(&db, &config, &prune, &finished) !=
			    DB_OK)
				bail("%s", db.error);
		ok(prune.swept <= 20000, "round %d looks at %lld from %lld on",
		    rounds, (long long)prune.swept, (long long)before);
		if (prune.sweep == 0)
			break;
	}
	ok(rounds >= 3, "it takes some rounds");
	is_int(table_count(db.handle, "a"), 70000 - 700, "to find all");
	foreign_run(db.handle,
	    "INSERT INTO changes (channel, created_ms) VALUES ('a', 1)");
	prune = (struct prune){ .whole = true };
	for (bool finished = false; !finished;)
		if (prune_step(&db, &config, &prune, &finished) != DB_OK)
			bail("%s", db.error);
	is_int(prune.removed, 1, "a whole sweep finds it in one");
}

/* Times in the future say nothing: then it counts when a row was first there.
 */
static void
test_future(void)
{
	static const struct {
		int64_t known_s, age_s; /* ago; 0 = is not known */
		int64_t left;
		const char *name;
	} rows[] = {
		{ 0, 3600, 6, "what is not known yet stays" },
		{ 3000, 3600, 6,
		    "so does what was known for less than an age" },
		{ 4000, 3600, 3, "what was known for an age goes" },
		{ 4000, 0, 6, "unless there is no limit" },
		{ 1000000, 3600, 3, "those that came later stay" },
		{ -4000, 3600, 6, "a clock that went back removes nothing" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now_ms = clock_wall_ms(), id;
		struct prune prune = { 0 };
		bool finished = false;
		char text[80];

		snprintf(text, sizeof(text), "future%zu.db", i);
		table_make(&db, scratch(text));
		snprintf(text, sizeof(text),
		    "[retention]\ncount = 0\nage = %llds\n",
		    (long long)rows[i].age_s);
		set_config(text);
		insert_at("a", INT64_MAX);
		insert_at("a", now_ms + 86400000);
		id = insert_at("b", now_ms * 1000);
		insert_at("b", INT64_MAX);
		insert_at("c", now_ms + 7200000);
		insert_at("c", now_ms);
		if (rows[i].known_s != 0)
			prune.known = (struct known){ id,
				now_ms - rows[i].known_s * 1000 };
		while (!finished)
			if (prune_step(&db, &config, &prune, &finished) !=
			    DB_OK)
				bail("%s", db.error);
		is_int(6 - prune.removed, rows[i].left, "%s", rows[i].name);
	}
}

/* What is known is renewed in time, from nothing to never again. */
static void
test_known(void)
{
	struct prune prune = { 0 };
	bool finished = false;
	int64_t now_ms = clock_wall_ms();

	table_make(&db, scratch("known.db"));
	set_config("[retention]\nage = 1h\nevery = 10s\n"
		   "[retention x]\nage = 2h\n");
	insert("a", 3, now_ms, 0);
	while (!finished)
		prune_step(&db, &config, &prune, &finished);
	is_int(prune.known.id, 3, "the first round knows all that is there");
	ok(prune.known.ms >= now_ms && prune.known.ms <= clock_wall_ms(),
	    "from now on");
	for (int i = 0; i < 3; i++) {
		static const int64_t hours[] = { 3, 5, -1 };

		prune.known =
		    (struct known){ 1, clock_wall_ms() - hours[i] * 3600000 };
		prune_begin(&prune);
		for (finished = false; !finished;)
			prune_step(&db, &config, &prune, &finished);
		is_int(prune.known.id, i == 0 ? 1 : 3,
		    i == 0   ? "that counts for twice the longest age"
		    : i == 1 ? "and is renewed then"
			     : "or if the clock went back");
	}
}

static void
test_expired(void)
{
	int64_t now_ms = clock_wall_ms();

	table_make(&db, scratch("expired.db"));
	set_config("[retention]\ncount = 0\nage = 0\n");
	insert("a", 1200, now_ms, now_ms - 1000);
	insert("a", 3, now_ms, now_ms + 600000);
	insert("a", 4, now_ms, 0);
	is_int(round_of_pruning(), 1200, "what ran out");
	is_int(table_count(db.handle, "a"), 7, "the others stay");
}

/* A step takes many messages, but no more than the total asks for. */
static void
test_total_of_large_ones(void)
{
	table_make(&db, scratch("large.db"));
	set_config("[retention]\ncount = 0\nage = 0\ntotal = 1M\n");
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < 40; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data) VALUES ('c', "
		    "printf('%%.100000c', 'x'))");
	foreign_run(db.handle, "COMMIT");
	is_int(round_of_pruning(), 31, "as many large ones as have to go");
	is_int(table_count(db.handle, "c"), 9, "the others stay");
}

static void
test_total(void)
{
	int64_t used, pages;

	table_make(&db, scratch("total.db"));
	set_config("[retention]\ncount = 0\nage = 0\ntotal = 1M\n");
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < 4000; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data) VALUES ('c%d', "
		    "printf('%%.1000c', 'x'))",
		    i % 7);
	foreign_run(db.handle, "COMMIT");
	pages = foreign_int(db.handle, "PRAGMA page_count");
	ok(round_of_pruning() >= 2500, "the oldest of all channels go");
	used = 4096 * (foreign_int(db.handle, "PRAGMA page_count") -
			  foreign_int(db.handle, "PRAGMA freelist_count"));
	ok(used <= 1 << 20, "until the total fits (%lld)", (long long)used);
	ok(used > 900000, "and not more than has to (%lld)", (long long)used);
	is_int(foreign_int(db.handle, "SELECT max(id) FROM changes") -
		   foreign_int(db.handle, "SELECT min(id) FROM changes") + 1,
	    foreign_int(db.handle, "SELECT count(*) FROM changes"),
	    "the newest stay, without a gap");
	ok(foreign_int(db.handle, "PRAGMA page_count") < pages,
	    "the file gets smaller");
	ok(foreign_int(db.handle, "PRAGMA freelist_count") * 4096 <=
		(1 << 20) + used / 4 + 4096,
	    "what is free in it is bounded");
}

/* Ten thousand channels that come and go must not leave as many watermarks. */
static void
test_floor(void)
{
	int64_t floor_id, newest;

	table_make(&db, scratch("floor.db"));
	set_config("[retention]\ncount = 1\nage = 0\n");
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < 10500; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel) VALUES ('c%d')", i);
	newest = foreign_int(db.handle, "SELECT max(id) FROM changes");
	foreign_run(db.handle, "DELETE FROM changes; COMMIT");
	is_int(foreign_int(db.handle, "SELECT count(*) FROM watermarks"), 10500,
	    "one for each channel");
	round_of_pruning();
	is_int(foreign_int(db.handle, "SELECT count(*) FROM watermarks"), 5000,
	    "the newest half of what is allowed stays");
	floor_id = foreign_int(db.handle,
	    "SELECT value FROM meta WHERE name = 'floor'");
	is_int(floor_id, newest - 5000, "the others are in the floor");
	is_int(foreign_int(db.handle, "SELECT min(pruned_id) FROM watermarks"),
	    floor_id + 1, "none says less than the floor");
	round_of_pruning();
	is_int(foreign_int(db.handle,
		   "SELECT value FROM meta WHERE name = 'floor'"),
	    floor_id, "the floor stays where it is");
}

/* A locked database: an answer, and nothing half done. */
static void
test_busy(void)
{
	struct prune prune = { 0 };
	struct sqlite3 *other;
	struct db impatient = { 0 };
	enum db_status status = DB_OK;
	bool finished;
	int steps = 0;

	table_make(&db, scratch("busy.db"));
	set_config("[retention]\ncount = 1\nage = 0\n");
	insert("a", 10, clock_wall_ms(), 0);
	if (db_open(&impatient, db.path, DB_WRITER, 0) != DB_OK)
		bail("%s", impatient.error);
	other = foreign_open(db.path);
	foreign_run(other, "BEGIN IMMEDIATE");
	while (status == DB_OK && steps++ < 100)
		status = prune_step(&impatient, &config, &prune, &finished);
	is_int(status, DB_BUSY, "somebody else writes");
	ok(impatient.begin_site == NULL, "no transaction is left");
	foreign_run(other, "ROLLBACK");
	prune_begin(&prune);
	for (finished = false; !finished && steps < 200; steps++)
		prune_step(&impatient, &config, &prune, &finished);
	is_int(prune.removed, 9, "later it goes on");
	foreign_close(other);
	db_close(&impatient);
}

/* No more is kept than that needs. */
static void
test_room_for_some(void)
{
	struct prune prune = { .coming = 4000 };
	bool finished = false;
	int64_t unused, used;

	table_make(&db, scratch("some.db"));
	set_config("[retention]\ncount = 10\nage = 0\n");
	foreign_run(db.handle,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < 20000) INSERT INTO changes (channel, data) SELECT 'a', "
	    "zeroblob(1000) FROM i");
	while (!finished)
		if (prune_step(&db, &config, &prune, &finished) != DB_OK)
			bail("%s", db.error);
	unused = 4096 * foreign_int(db.handle, "PRAGMA freelist_count");
	used = 4096 * foreign_int(db.handle, "PRAGMA page_count") - unused;
	ok(unused <= (1 << 20) + used / 4 + 4000 * 256 + 4096 &&
		unused > 4000 * 256,
	    "20 MB were freed, room for 4000 messages stays (%lld)",
	    (long long)unused);
}

static void
test_pause(void)
{
	static const int64_t rows[][2] = { { 0, 1 }, { 1, 4 }, { 5, 16 },
		{ 100, 301 }, { 166, 499 }, { 167, 500 }, { 60000, 500 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_int(prune_pause_ms(rows[i][0]), rows[i][1],
		    "the pause behind a step of %d ms", (int)rows[i][0]);
}

/* Milliseconds of the processor. */
static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/*
 * Issue 5, A2: whatever there is to be removed or looked at, a step takes a
 * moment of the processor, and no transaction removes more than 500.
 */
static void
test_budget(void)
{
	static const struct {
		const char *name, *config, *fill;
		int64_t removed;
	} rows[] = {
		{ "too many in a channel",
		    "[retention]\ncount = 10\nage = 0\ntotal = 0\n",
		    "INSERT INTO changes (channel) SELECT 'a' FROM i", 99990 },
		{ "just as many as may be",
		    "[retention]\ncount = 100000\nage = 0\ntotal = 0\n",
		    "INSERT INTO changes (channel) SELECT 'a' FROM i", 0 },
		{ "too old", "[retention]\ncount = 0\nage = 1h\ntotal = 0\n",
		    "INSERT INTO changes (channel, created_ms) SELECT 'a', 1 "
		    "FROM i",
		    100000 },
		{ "every second one too old",
		    "[retention]\ncount = 0\nage = 1h\ntotal = 0\n",
		    "INSERT INTO changes (channel, created_ms) SELECT 'a', "
		    "iif(n % 2, 1, 9e12) FROM i",
		    50000 },
		{ "in as many channels",
		    "[retention]\ncount = 1\nage = 1h\ntotal = 0\n",
		    "INSERT INTO changes (channel) SELECT 'a' || n FROM i", 0 },
		{ "run out", "[retention]\ncount = 0\nage = 0\ntotal = 0\n",
		    "INSERT INTO changes (channel, expires_ms) SELECT 'a', n "
		    "FROM i",
		    100000 },
		{ "more than the total",
		    "[retention]\ncount = 0\nage = 0\ntotal = 20K\n",
		    "INSERT INTO changes (channel, data) SELECT 'a', "
		    "zeroblob(100) FROM i",
		    99866 },
		{ "large ones, more than the total",
		    "[retention]\ncount = 0\nage = 0\ntotal = 1M\n",
		    "INSERT INTO changes (channel, data) SELECT 'a', "
		    "zeroblob(1000000) FROM i LIMIT 40",
		    40 },
		{ "large ones that are young",
		    "[retention]\ncount = 0\nage = 1h\ntotal = 1G\n",
		    "INSERT INTO changes (channel, data) SELECT 'a', "
		    "zeroblob(1000000) FROM i LIMIT 40",
		    0 },
		{ "watermarks", "[retention]\ncount = 1\nage = 0\ntotal = 0\n",
		    "INSERT INTO watermarks SELECT 'a' || n, n FROM i", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prune prune = { .whole = true };
		double longest_ms = 0, began_ms;
		int64_t most = 0, before;
		bool finished = false;
		int steps = 0;

		table_make(&db, scratch("budget.db"));
		foreign_run(db.handle,
		    "DELETE FROM changes; DELETE FROM watermarks; "
		    "UPDATE meta SET value = 0 WHERE name = 'floor'");
		set_config(rows[i].config);
		if (foreign_run(db.handle,
			"WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + "
			"1 FROM i WHERE n < 100000) %s",
			rows[i].fill) != 0)
			bail("%s", rows[i].name);
		while (!finished && steps++ < 100000) {
			began_ms = cpu_ms();
			before = prune.removed;
			if (prune_step(&db, &config, &prune, &finished) !=
			    DB_OK)
				bail("%s", db.error);
			before = prune.removed - before;
			most = before > most ? before : most;
			if (cpu_ms() - began_ms > longest_ms)
				longest_ms = cpu_ms() - began_ms;
		}
		is_int(prune.removed, rows[i].removed, "100000: %s",
		    rows[i].name);
		ok((longest_ms <= 30 || patience() > 1) && most <= 500,
		    "in %d steps of %.1f ms and %lld messages at most", steps,
		    longest_ms, (long long)most);
	}
}

/* What the next messages need is not given back just before. */
static void
test_room(void)
{
	struct prune prune = { .coming = 100000 };
	int64_t pages;
	bool finished = false;

	table_make(&db, scratch("room.db"));
	set_config("[retention]\ncount = 10\nage = 0\n");
	insert("a", 60000, clock_wall_ms(), 0);
	pages = foreign_int(db.handle, "PRAGMA page_count");
	while (!finished)
		if (prune_step(&db, &config, &prune, &finished) != DB_OK)
			bail("%s", db.error);
	is_int(prune.removed, 59990, "all but ten go");
	is_int(foreign_int(db.handle, "PRAGMA page_count"), pages,
	    "their room is kept for as many");
	round_of_pruning();
	ok(foreign_int(db.handle, "PRAGMA page_count") < pages / 2,
	    "until there are none");
}

int
main(void)
{
	test_count();
	test_age();
	test_age_and_order();
	test_watermark_of_strays();
	test_sweep();
	test_future();
	test_known();
	test_expired();
	test_total();
	test_total_of_large_ones();
	test_floor();
	test_busy();
	test_budget();
	test_room();
	test_room_for_some();
	test_pause();
	db_close(&db);
	config_free(&config);
	return done();
}
