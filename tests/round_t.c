/* SPDX-License-Identifier: MIT */
/*
 * Rounds of pruning as a writer does them: who prunes when, how long it waits
 * for a lock, and what is left to others.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/table/db.h"
#include "shared/table/round.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

static struct db db;
static struct config config;
static struct round one, two;

static void
no_line(const char *line)
{
	(void)line;
}

static void
begin(const char *name, const char *text)
{
	const char *path = scratch("round.conf");
	FILE *file = fopen(path, "w");
	char error[300];

	if (file == NULL ||
	    fprintf(file, "[tidings]\ndatabase = %s\n%s", scratch(name), text) <
		0 ||
	    fclose(file) == EOF)
		bail("%s: %s", path, strerror(errno));
	config_free(&config);
	if (config_load(&config, path, error, sizeof(error)) == -1)
		bail("%s", error);
	table_make(&db, config.database);
	round_init(&one);
	round_init(&two);
}

static void
fill(int n)
{
	foreign_run(db.handle,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < %d) INSERT INTO changes (channel) SELECT 'a' FROM i",
	    n);
}

/* All steps; returns whether the round came to its end. */
static bool
finish(struct round *round)
{
	enum db_status status = DB_OK;
	bool done = false;

	for (int i = 0; i < 10000 && status == DB_OK && !done; i++)
		status = round_steps(round, &db, &config, 0, &done);
	return !round_settle(round, &db, status, done) && status == DB_OK;
}

static void
test_thresholds(void)
{
	static const struct {
		int64_t stored;
		bool insists, early;
	} rows[] = { { 0, false, false }, { 499, false, false },
		{ 500, true, false }, { 49999, true, false },
		{ 50000, true, true } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		one.stored = rows[i].stored;
		ok(round_insists(&one) == rows[i].insists &&
			round_is_early(&one) == rows[i].early,
		    "%lld messages stored", (long long)rows[i].stored);
	}
}

/* Two that share a database. */
static void
test_turns(void)
{
	begin("turns.db", "[retention]\nevery = 1h\ncount = 10\n");
	fill(30);
	ok(round_begin(&one, &config), "the first one begins a round");
	ok(round_begin(&one, &config), "and goes on with it");
	ok(!round_begin(&two, &config), "nobody else does");
	ok(!lease_is_wanted(one.lease), "who stores little does not ask");
	ok(finish(&one), "it comes to its end");
	is_int(foreign_int(db.handle, "SELECT count(*) FROM changes"), 10,
	    "with what is to be kept");
	ok(!round_begin(&two, &config), "the next one is due in an hour");
	two.stored = 500;
	ok(!round_begin(&two, &config), "for who stores much as well");
	two.stored = 50000;
	ok(round_begin(&two, &config), "but not for who stores very much");
	one.stored = 500;
	ok(!round_begin(&one, &config) && lease_is_wanted(two.lease),
	    "who stores much asks for the lease");
	ok(round_settle(&two, &db, DB_OK, false),
	    "who stores much itself keeps it");
	two.stored = 0;
	ok(!round_settle(&two, &db, DB_OK, false) && two.lease == -1,
	    "who does not passes it on");
	ok(round_begin(&one, &config), "and the other has it at once");
	ok(finish(&one), "to the end");
	is_int(one.stored, 0, "and counts anew");
	round_stop(&one, &db, &config);
	round_stop(&two, &db, &config);
}

/* As many as are asked for, a step more or less. */
static void
test_ratio(void)
{
	int64_t left;
	bool done = false;

	begin("ratio.db", "[retention]\nevery = 1h\ncount = 10\nage = 0\n");
	fill(20000);
	if (!round_begin(&one, &config) ||
	    round_steps(&one, &db, &config, 0, &done) != DB_OK ||
	    round_steps(&one, &db, &config, 3000, &done) != DB_OK)
		bail("%s", db.error);
	left = foreign_int(db.handle, "SELECT count(*) FROM changes");
	ok(left <= 17000 && left >= 16000, "3000 of 20000 and a step (%lld)",
	    (long long)left);
	round_restart(&one);
	ok(one.prune.removed == 0 && one.lease != -1,
	    "other settings begin it anew");
	ok(finish(&one), "and it comes to its end");
	round_stop(&one, &db, &config);
}

/* Another writer's lock is not waited for as long as by a publish. */
static void
test_busy(void)
{
	struct sqlite3 *other;
	int64_t began_ms, took_ms;
	bool done;
	int rc = 0;

	begin("busy.db", "busy_timeout = 20s\n[retention]\ncount = 10\n");
	fill(100);
	other = foreign_open(config.database);
	foreign_run(other, "BEGIN IMMEDIATE");
	if (!round_begin(&one, &config))
		bail("no lease");
	began_ms = clock_mono_ms();
	for (int i = 0; i < 100 && rc == DB_OK; i++)
		rc = (int)round_steps(&one, &db, &config, 0, &done);
	took_ms = clock_mono_ms() - began_ms;
	is_int(rc, DB_BUSY, "somebody else writes");
	ok(took_ms < 800 * patience(), "it is not waited for (%lld ms)",
	    (long long)took_ms);
	ok(!round_settle(&one, &db, DB_BUSY, false) && one.lease == -1,
	    "the round is for somebody else");
	ok(round_begin(&two, &config), "at once");
	foreign_run(other, "ROLLBACK");
	ok(finish(&two), "who brings it to its end");
	foreign_close(other);
	round_stop(&two, &db, &config);
}

int
main(void)
{
	log_set_sink(no_line);
	test_thresholds();
	test_turns();
	test_ratio();
	test_busy();
	db_close(&db);
	config_free(&config);
	return done();
}
