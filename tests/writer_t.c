/* SPDX-License-Identifier: MIT */
/*
 * The writer: jobs in groups, what is told of each, and other settings while it
 * works.  Settings that are freed twice or never are seen by the checkers.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/publish/mute.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define WAIT_MS 20000 /* for what comes at once when all is well */

/* A job and its message. */
struct work {
	struct job job;
	struct message message;
	struct outcome outcome;
	struct mute *mute; /* or NULL */
	bool done;
};

static struct config config; /* what the writer goes by */
static struct sqlite3 *other;
static int finished; /* jobs that were called back */

static void
no_line(const char *line)
{
	(void)line;
}

/* The settings of a text, with a database of our own. */
static void
load(struct config *to, const char *text)
{
	const char *path = scratch("writer.conf");
	FILE *file = fopen(path, "w");
	char error[300];

	if (file == NULL ||
	    fprintf(file, "[tidings]\ndatabase = %s\n%s", scratch("writer.db"),
		text) < 0 ||
	    fclose(file) == EOF)
		bail("%s: %s", path, strerror(errno));
	if (config_load(to, path, error, sizeof(error)) == -1)
		bail("%s", error);
}

/* As a program does it at SIGHUP. */
static void
reload(struct writer *writer, const char *text)
{
	struct config before = config;

	load(&config, text);
	config_keep_fixed(&config, &before);
	writer_reload(writer, &config, &before);
}

static void
on_done(struct job *job)
{
	struct work *work = job->arg;

	work->done = true;
	finished++;
}

/* One message of a channel. */
static void
prepare(struct work *work, const char *channel, const char *data, size_t len)
{
	*work = (struct work){
		.message = { .channel = channel, .data = data, .data_len = len }
	};
	work->job = (struct job){ .messages = &work->message,
		.outcomes = &work->outcome,
		.n = 1,
		.done = on_done,
		.arg = work };
}

static void
submit(struct writer *writer, struct work *work, const char *channel,
    const char *dedup)
{
	*work = (struct work){ .message = { .channel = channel,
				   .data = "data",
				   .data_len = 4,
				   .dedup = dedup },
		.mute = work->mute };
	work->job = (struct job){ .messages = &work->message,
		.outcomes = &work->outcome,
		.mute = work->mute,
		.n = 1,
		.done = on_done,
		.arg = work };
	if (!writer_submit(writer, &work->job))
		bail("a job is not taken");
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

static int64_t
count(void)
{
	return foreign_int(other, "SELECT count(*) FROM changes");
}

/* Runs the loop until so many jobs are done and so few messages are there. */
static bool
wait_for(int jobs, int64_t messages)
{
	int64_t end = clock_mono_ms() + (int64_t)(WAIT_MS * patience());
	ev_timer tick;
	bool good = false;

	ev_timer_init(&tick, on_tick, 0.005, 0.005);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	while (!good && clock_mono_ms() < end) {
		ev_run(EV_DEFAULT_UC_ 0);
		good = finished >= jobs && count() <= messages;
	}
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
	return good;
}

static void
begin(const char *text)
{
	struct db db = { 0 };

	load(&config, text);
	table_make(&db, config.database);
	db_close(&db);
	other = foreign_open(config.database);
	foreign_run(other, "DELETE FROM changes");
	finished = 0;
}

static void
end(void)
{
	foreign_close(other);
	config_free(&config);
}

/* Each publisher is told its id, before anybody can read the row. */
static void
test_mutes(bool threaded)
{
	struct mutes mutes = TAILQ_HEAD_INITIALIZER(mutes);
	struct work work[4] = { { .done = false } };
	struct writer *writer;

	begin("");
	writer = writer_start(&config, NULL, threaded);
	for (int i = 0; i < 4; i++)
		work[i].mute = mute_new(&mutes, 1);
	submit(writer, &work[0], "a", "key");
	submit(writer, &work[1], "", NULL);
	submit(writer, &work[2], "a", "key");
	submit(writer, &work[3], "b", NULL);
	ok(wait_for(4, INT64_MAX), "four jobs, threaded %d", threaded);
	is_int(work[0].job.status, DB_OK, "one that is stored");
	is_int(work[1].job.status, DB_REFUSED, "one that is refused");
	ok(work[2].job.status == DB_OK && work[2].outcome.again,
	    "one that was known");
	is_int(work[3].job.status, DB_OK, "and another one");
	is_int(atomic_load(&work[0].mute->ids[0]), work[0].outcome.id,
	    "the first is told its id");
	is_int(atomic_load(&work[1].mute->ids[0]), -1, "the refused one none");
	is_int(atomic_load(&work[2].mute->ids[0]), -1, "the known one none");
	is_int(atomic_load(&work[3].mute->ids[0]), work[3].outcome.id,
	    "the last its own");
	for (int i = 0; i < 4; i++)
		mute_settle(work[i].mute);
	mutes_clear(&mutes);
	writer_stop(writer);
	end();
}

/* A database that cannot be written: nobody waits for an id. */
static void
test_mute_of_a_failure(void)
{
	struct mutes mutes = TAILQ_HEAD_INITIALIZER(mutes);
	struct work work = { .done = false };
	struct writer *writer;

	begin("busy_timeout = 10ms\n");
	writer = writer_start(&config, NULL, true);
	work.mute = mute_new(&mutes, 1);
	foreign_run(other, "BEGIN IMMEDIATE");
	submit(writer, &work, "a", NULL);
	ok(wait_for(1, INT64_MAX), "a job that finds the lock taken");
	is_int(work.job.status, DB_BUSY, "fails");
	is_int(atomic_load(&work.mute->ids[0]), -1, "and is told no id");
	foreign_run(other, "ROLLBACK");
	mute_settle(work.mute);
	mutes_clear(&mutes);
	writer_stop(writer);
	end();
}

/* Jobs and new settings by turns: every job is done, whatever it goes by. */
static void
test_reload_at_work(void)
{
	static const char *const texts[] = { "durability = power\n",
		"busy_timeout = 3s\n", "max_data = 64K\n" };
	struct work *work = xcalloc(300, sizeof(*work));
	struct writer *writer;
	int wrong = 0;

	begin("");
	writer = writer_start(&config, NULL, true);
	for (int i = 0; i < 300; i++) {
		submit(writer, &work[i], "a", NULL);
		if (i % 3 == 0)
			reload(writer, texts[i / 3 % 3]);
		if (i % 20 == 0)
			ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	}
	ok(wait_for(300, INT64_MAX), "300 jobs and 100 reloads");
	for (int i = 0; i < 300; i++)
		wrong +=
		    !work[i].done || work[i].job.status != DB_OK ||
		    (i > 0 && work[i].outcome.id <= work[i - 1].outcome.id);
	is_int(wrong, 0, "all are stored, in order");
	is_int(count(), 300, "each once");
	writer_stop(writer);
	free(work);
	end();
}

/* Settings that change again before the thread has looked. */
static void
test_reload_while_busy(void)
{
	struct work work[10] = { { .done = false } };
	struct writer *writer;
	int wrong = 0;

	begin("busy_timeout = 60s\n");
	writer = writer_start(&config, NULL, true);
	foreign_run(other, "BEGIN IMMEDIATE");
	for (int i = 0; i < 10; i++) {
		submit(writer, &work[i], "a", NULL);
		reload(writer, "busy_timeout = 60s\n");
	}
	foreign_run(other, "COMMIT");
	/* Whatever is left is done before it ends. */
	reload(writer, "");
	writer_stop(writer);
	for (int i = 0; i < 10; i++)
		wrong += !work[i].done || work[i].job.status != DB_OK;
	is_int(wrong, 0, "ten jobs behind a lock, eleven reloads, an end");
	is_int(count(), 10, "all are stored");
	end();
}

/* The new settings are those it goes by. */
static void
test_reload_counts(void)
{
	struct work work[30] = { { .done = false } };
	struct writer *writer;

	begin("[retention]\ncount = 1000\nevery = 1h\n");
	writer = writer_start(&config, NULL, true);
	for (int i = 0; i < 30; i++)
		submit(writer, &work[i], "a", NULL);
	ok(wait_for(30, INT64_MAX), "30 messages");
	is_int(count(), 30, "are kept by the old settings");
	reload(writer, "[retention]\ncount = 7\nevery = 20ms\n");
	submit(writer, &work[0], "a", NULL);
	ok(wait_for(31, 7), "and pruned by the new ones, without waiting");
	is_int(count(), 7, "down to what they say");
	writer_stop(writer);
	end();
}

/* Publishes of one turn of the loop go together, whoever they are. */
static void
test_one_group(void)
{
	struct work work[50] = { { .done = false } };
	struct writer *writer;
	int64_t before, wrong = 0;

	begin("");
	writer = writer_start(&config, NULL, true);
	submit(writer, &work[0], "a", NULL);
	ok(wait_for(1, INT64_MAX), "a writer that is at work");
	before = foreign_int(other, "SELECT max(id) FROM changes");
	for (int i = 0; i < 50; i++)
		submit(writer, &work[i], "a", NULL);
	ok(wait_for(51, INT64_MAX), "50 publishes of one turn of the loop");
	for (int i = 0; i < 50; i++)
		wrong += work[i].job.status != DB_OK ||
			 work[i].outcome.id != before + 1 + i;
	is_int(wrong, 0, "are stored in their order");
	/* One statement has one time. */
	is_int(foreign_int(other,
		   "SELECT count(DISTINCT created_ms) FROM changes WHERE id > "
		   "%lld",
		   (long long)before),
	    1, "and by one statement");
	writer_stop(writer);
	end();
}

/* Jobs of `n` messages. */
static struct work_of_many {
	struct job job;
	struct message *messages;
	int place; /* in the order of being done, 1 = first */
} many[40];

static void
on_many(struct job *job)
{
	((struct work_of_many *)job->arg)->place = ++finished;
}

static void
submit_many(struct writer *writer, struct work_of_many *work, size_t n)
{
	work->messages =
	    xreallocarray(work->messages, n, sizeof(struct message));
	for (size_t i = 0; i < n; i++)
		work->messages[i] = (struct message){ .channel = "many",
			.data = "data",
			.data_len = 4 };
	free(work->job.outcomes);
	work->job = (struct job){ .messages = work->messages,
		.outcomes = xcalloc(n, sizeof(struct outcome)),
		.n = n,
		.done = on_many,
		.arg = work };
	work->place = 0;
	if (!writer_submit(writer, &work->job))
		bail("a job is not taken");
}

static void
free_many(void)
{
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		free(many[i].messages);
		free(many[i].job.outcomes);
	}
	memset(many, 0, sizeof(many));
}

/* Large batches and single messages, each behind a crowd of the others. */
static void
test_fairness(void)
{
	struct work *crowd = xcalloc(4000, sizeof(*crowd));
	struct writer *writer;
	int before;

	begin("[retention]\ncount = 0\n");
	writer = writer_start(&config, NULL, true);
	for (int i = 0; i < 20; i++)
		submit_many(writer, &many[i], 3000);
	/* Some are stored already if it was awake to prune. */
	before = table_count(other, "many") / 3000;
	submit_many(writer, &many[20], 1);
	ok(wait_for(21, INT64_MAX), "20 batches, and a message behind them");
	ok(many[20].place <= before + 3,
	    "does not wait for all of them (%d of %d)", many[20].place, before);
	finished = 0;
	for (int i = 0; i < 4000; i++)
		submit(writer, &crowd[i], "a", NULL);
	before = table_count(other, "a");
	submit_many(writer, &many[0], 3000);
	ok(wait_for(4001, INT64_MAX), "4000 messages, and a batch behind them");
	ok(many[0].place <= before + 2001, "nor does that (%d of %d)",
	    many[0].place, before);
	is_int(table_count(other, "a"), 4000, "each is there");
	writer_stop(writer);
	free_many();
	free(crowd);
	end();
}

/* So much may wait and no more, and what is done counts no longer. */
static void
test_limits(void)
{
	struct work *crowd = xcalloc(10001, sizeof(*crowd));
	char *data = xcalloc(65, 1 << 20);
	struct writer *writer;
	int n;

	begin("busy_timeout = 60s\n[retention]\ncount = 0\nage = 0\n"
	      "every = 1h\n");
	writer = writer_start(&config, NULL, true);
	/* It waits then, until the loop turns. */
	submit(writer, &crowd[0], "a", NULL);
	ok(wait_for(1, INT64_MAX), "a writer that is at work");
	for (int turn = 0; turn < 2; turn++) {
		finished = 0;
		for (n = 0; n < 10001; n++) {
			prepare(&crowd[n], "a", "data", 4);
			if (!writer_submit(writer, &crowd[n].job))
				break;
		}
		is_int(n, 10000, "so many jobs may wait");
		is_int((long long)crowd[0].job.cost, 4 + 2 * 512,
		    "each counts with 1 KB besides its data");
		ok(wait_for(n, INT64_MAX), "all are done");
		finished = 0;
		for (n = 0; n < 100; n++) {
			prepare(&crowd[n], "large", data, 1 << 20);
			if (!writer_submit(writer, &crowd[n].job))
				break;
		}
		is_int(n, 63, "or 64 MB of them");
		ok(wait_for(n, INT64_MAX), "all are done");
	}
	finished = 0;
	prepare(&crowd[0], "large", data, 65 << 20);
	ok(writer_submit(writer, &crowd[0].job) && wait_for(1, INT64_MAX),
	    "one that is larger is taken where nothing waits");
	is_int(crowd[0].job.status, DB_REFUSED,
	    "and asked of the schema, which refuses it here");
	writer_stop(writer);
	foreign_run(other, "DELETE FROM changes");
	free(data);
	free(crowd);
	end();
}

static struct writer *storm_writer;
static int storm_left; /* jobs to be submitted yet */

static void
on_storm(struct job *job)
{
	struct work_of_many *work = job->arg;

	finished++;
	if (storm_left-- > 0) {
		submit_many(storm_writer, work, job->n);
		work->job.done = on_storm;
	}
}

/* A writer that always has work keeps the table within bounds all the same. */
static void
test_storm(void)
{
	int64_t most = 0,
		end_ms = clock_mono_ms() + (int64_t)(60000 * patience()), now,
		before;

	begin("[retention]\ncount = 100\nevery = 20ms\n");
	storm_writer = writer_start(&config, NULL, true);
	before = foreign_int(other, "SELECT seq FROM sqlite_sequence");
	storm_left = 300;
	for (int i = 0; i < 20; i++) {
		submit_many(storm_writer, &many[i], 500);
		many[i].job.done = on_storm;
	}
	while (finished < 320 && clock_mono_ms() < end_ms) {
		ev_run(EV_DEFAULT_UC_ EVRUN_ONCE);
		now = count();
		most = now > most ? now : most;
	}
	is_int(foreign_int(other, "SELECT seq FROM sqlite_sequence") - before,
	    160000, "160,000 messages without a pause");
	finished = 0;
	/* In its milliseconds a step does next to nothing there. */
	if (checked_by("valgrind")) {
		skip(2, "valgrind makes the steps of pruning short");
	} else {
		ok(most < 80000, "never were more than half there (%lld)",
		    (long long)most);
		ok(wait_for(0, 100),
		    "and in the end as many as are to be kept");
	}
	writer_stop(storm_writer);
	free_many();
	end();
}

/* Under load two are removed for each that is stored. */
static void
test_ratio(void)
{
	int64_t first, left;

	begin("[retention]\ncount = 10\nage = 0\ntotal = 0\nevery = 10ms\n");
	foreign_run(other,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < 150000) INSERT INTO changes (channel) SELECT 'many' "
	    "FROM i");
	first = foreign_int(other, "SELECT max(id) FROM changes");
	storm_writer = writer_start(&config, NULL, true);
	storm_left = 20;
	for (int i = 0; i < 20; i++) {
		submit_many(storm_writer, &many[i], 1000);
		many[i].job.done = on_storm;
	}
	while (finished < 40)
		ev_run(EV_DEFAULT_UC_ EVRUN_ONCE);
	left = foreign_int(other,
	    "SELECT count(*) FROM changes WHERE id <= %lld", (long long)first);
	ok(left > 25000 && left < 100000,
	    "40,000 messages behind 150,000 that are to go: %lld are left",
	    (long long)left);
	foreign_run(other, "DELETE FROM changes");
	writer_stop(storm_writer);
	free_many();
	end();
}

/* By CGI the answer waits for some pruning, but not for all of it. */
static void
test_alone(void)
{
	struct work work = { .done = false };
	struct writer *writer;
	int64_t left;

	begin("[retention]\ncount = 0\nage = 0\ntotal = 0\nevery = 10ms\n");
	foreign_run(other,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < 150000) INSERT INTO changes (channel, expires_ms) "
	    "SELECT 'a', 1 FROM i");
	writer = writer_start(&config, NULL, false);
	submit(writer, &work, "b", NULL);
	left = count();
	ok(work.done && left < 150000 && left > 135000,
	    "150,000 ran out: a publish prunes some (%lld are left)",
	    (long long)left);
	foreign_run(other, "DELETE FROM changes");
	writer_stop(writer);
	end();
}

/* Without a thread, and without a writer. */
static void
test_reload_alone(void)
{
	struct work work = { .done = false };
	struct writer *writer;

	begin("");
	writer = writer_start(&config, NULL, false);
	reload(writer, "durability = power\n");
	submit(writer, &work, "a", NULL);
	ok(work.done && work.job.status == DB_OK,
	    "a writer without a thread goes over at once");
	writer_stop(writer);
	reload(NULL, "max_data = 64K\n");
	is_int(config.max_data, 65536, "and there need not be a writer");
	writer_stop(NULL);
	end();
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	log_set_sink(no_line);
	test_mutes(true);
	test_mutes(false);
	test_mute_of_a_failure();
	test_reload_at_work();
	test_reload_while_busy();
	test_reload_counts();
	test_one_group();
	test_fairness();
	test_limits();
	/* Behind the large ones the file has much room that is free. */
	test_storm();
	test_ratio();
	test_alone();
	test_reload_alone();
	return done();
}
