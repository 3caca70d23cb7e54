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

#include "shared/clock.h"
#include "shared/config_file.h"
#include "shared/db.h"
#include "shared/prune.h"
#include "shared/schema.h"
#include "tests/tap/foreign.h"
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

static void
begin(const char *name)
{
	bool made;

	db_close(&db);
	if (schema_create(&db, scratch(name), 0600, &made) != DB_OK)
		bail("%s", db.error);
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

static int64_t
count(const char *channel)
{
	return foreign_int(db.handle,
	    "SELECT count(*) FROM changes WHERE channel = %Q", channel);
}

static int64_t
watermark(const char *channel)
{
	return foreign_int(db.handle,
	    "SELECT coalesce(max(pruned_id), 0) FROM watermarks WHERE "
	    "channel = %Q",
	    channel);
}

static void
test_count(void)
{
	int64_t now_ms = clock_wall_ms(), mark;

	begin("count.db");
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
	is_int(count("few"), 10, "ten are kept");
	is_int(watermark("few"), mark, "the watermark is the last one gone");
	is_int(count("exact"), 10, "of ten none goes");
	is_int(watermark("exact"), 0, "and no watermark is made");
	is_int(count("many.1"), 2000, "a pattern has its own count");
	is_int(count("all"), 1500, "0 is no limit");
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

	begin("age.db");
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
	is_int(count("a"), 7, "the young ones stay");
	is_int(count("short"), 5, "a pattern has its own age");
	is_int(count("ever"), 5, "0 is no limit");
	is_int(count("young"), 5, "nor goes what comes from the future");
}

static void
test_expired(void)
{
	int64_t now_ms = clock_wall_ms();

	begin("expired.db");
	set_config("[retention]\ncount = 0\nage = 0\n");
	insert("a", 1200, now_ms, now_ms - 1000);
	insert("a", 3, now_ms, now_ms + 600000);
	insert("a", 4, now_ms, 0);
	is_int(round_of_pruning(), 1200, "what ran out");
	is_int(count("a"), 7, "the others stay");
}

/* A step takes many messages, but no more than the total asks for. */
static void
test_total_of_large_ones(void)
{
	begin("large.db");
	set_config("[retention]\ncount = 0\nage = 0\ntotal = 1M\n");
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < 40; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data) VALUES ('c', "
		    "printf('%%.100000c', 'x'))");
	foreign_run(db.handle, "COMMIT");
	is_int(round_of_pruning(), 31, "as many large ones as have to go");
	is_int(count("c"), 9, "the others stay");
}

static void
test_total(void)
{
	int64_t used, pages;

	begin("total.db");
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

	begin("floor.db");
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
	bool finished;
	int steps = 0;

	begin("busy.db");
	set_config("[retention]\ncount = 1\nage = 0\n");
	insert("a", 10, clock_wall_ms(), 0);
	if (db_open(&impatient, db.path, DB_WRITER, 0) != DB_OK)
		bail("%s", impatient.error);
	other = foreign_open(db.path);
	foreign_run(other, "BEGIN IMMEDIATE");
	is_int(prune_step(&impatient, &config, &prune, &finished), DB_BUSY,
	    "somebody else writes");
	ok(impatient.begin_site == NULL, "no transaction is left");
	foreign_run(other, "ROLLBACK");
	prune = (struct prune){ 0 };
	for (finished = false; !finished && steps < 100; steps++)
		prune_step(&impatient, &config, &prune, &finished);
	is_int(prune.removed, 9, "later it goes on");
	foreign_close(other);
	db_close(&impatient);
}

static void
test_lease(void)
{
	const char *path = scratch("lease.db");
	int first, second;

	first = prune_lease(path, 60000, false);
	ok(first != -1, "the first one gets the lease");
	is_int(prune_lease(path, 0, false), -1, "nobody else while it is held");
	close(first);
	is_int(prune_lease(path, 60000, false), -1, "nor too early after it");
	second = prune_lease(path, 0, false);
	ok(second != -1, "but in time");
	close(second);
}

/* The last round was so many seconds ago. */
static void
set_age(const char *path, int age_s)
{
	struct timespec times[2];
	char lease[300];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	snprintf(lease, sizeof(lease), "%s-prune", path);
	if (utimensat(AT_FDCWD, lease, times, 0) == -1)
		bail("%s: %s", lease, strerror(errno));
}

/* Who publishes much is given the lease; nothing else hands it over. */
static void
test_wanted(void)
{
	const char *path = scratch("wanted.db");
	int lease, next;

	lease = prune_lease(path, 0, false);
	is_int(prune_lease(path, 0, false), -1, "it is held");
	ok(!prune_is_wanted(lease), "who is refused does not ask for it");
	is_int(prune_lease(path, 0, true), -1, "who insists is refused too");
	ok(prune_is_wanted(lease), "but it is known");
	prune_pass(lease);
	next = prune_lease(path, 60000, false);
	ok(next != -1, "what was passed on is had at once");
	ok(!prune_is_wanted(next), "and nobody asks for it any more");
	close(next);
	is_int(prune_lease(path, 60000, true), -1, "its round counts");
	next = prune_lease(path, 0, true);
	prune_claim(next);
	set_age(path, 15);
	close(next);
	is_int(prune_lease(path, 10000, false), -1,
	    "what is claimed is left alone when its time has come");
	next = prune_lease(path, 10000, true);
	ok(next != -1, "by those who do not insist");
	prune_claim(next);
	set_age(path, 25);
	close(next);
	next = prune_lease(path, 10000, false);
	ok(next != -1, "but not for ever");
	close(next);
}

/* What the next messages need is not given back just before. */
static void
test_room(void)
{
	struct prune prune = { .coming = 100000 };
	int64_t pages;
	bool finished = false;

	begin("room.db");
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
	test_expired();
	test_total();
	test_total_of_large_ones();
	test_floor();
	test_busy();
	test_lease();
	test_wanted();
	test_room();
	db_close(&db);
	config_free(&config);
	return done();
}
