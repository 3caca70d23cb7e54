/* SPDX-License-Identifier: MIT */
/*
 * Group commit: jobs in one transaction and by one statement, each told its own
 * ids, and what a refusal, a known dedup or a trigger of somebody else does to
 * the others.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/publish/group.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define JOBS 8 /* in a group, at most */
#define EACH 8 /* messages of a job, at most */

static struct db db;
static struct sqlite3 *other; /* one who knows nothing of us */

/* A group in the making. */
static struct message messages[JOBS][EACH];
static struct outcome outcomes[JOBS][EACH];
static struct job jobs[JOBS];
static struct jobs group;

static void
begin(const char *name)
{
	if (other != NULL)
		foreign_close(other);
	table_make(&db, scratch(name));
	other = foreign_open(db.path);
	/* While somebody reads, the -wal does not begin anew. */
	foreign_run(other, "BEGIN; SELECT count(*) FROM changes");
}

static void
begin_group(void)
{
	jobs_init(&group);
	memset(jobs, 0, sizeof(jobs));
	memset(messages, 0, sizeof(messages));
	memset(outcomes, 0, sizeof(outcomes));
}

static struct job *
add_job(void)
{
	size_t i = group.n;

	jobs[i].messages = messages[i];
	jobs[i].outcomes = outcomes[i];
	jobs_add(&group, &jobs[i]);
	return &jobs[i];
}

static void
add(struct job *job, const char *channel, const char *data, const char *dedup)
{
	job->messages[job->n++] = (struct message){ .channel = channel,
		.data = data,
		.data_len = strlen(data),
		.dedup = dedup };
}

static uint32_t
read_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/*
 * Transactions in the -wal: of each frame's header the second word is the size
 * of the database if it ends one, else 0.
 */
static int
count_commits(void)
{
	unsigned char head[32], frame[24];
	struct str wal = { 0 };
	uint32_t page;
	int n = 0;
	FILE *file;

	str_addf(&wal, "%s-wal", db.path);
	file = fopen(wal.p, "r");
	str_free(&wal);
	if (file == NULL || fread(head, 1, 32, file) != 32)
		bail("no -wal: %s", strerror(errno));
	page = read_be32(head + 8);
	while (fread(frame, 1, 24, file) == 24 &&
	       memcmp(frame + 8, head + 16, 8) == 0) {
		n += read_be32(frame + 4) != 0;
		if (fseek(file, (long)page, SEEK_CUR) == -1)
			break;
	}
	fclose(file);
	return n;
}

/* Whether the row that each message was told is that message. */
static bool
ids_are_right(void)
{
	bool good = true;

	for (const struct job *job = group.first; job != NULL; job = job->next)
		for (size_t i = 0; i < job->n && job->status == DB_OK; i++)
			good =
			    good &&
			    foreign_int(db.handle,
				"SELECT channel = %Q AND data = %Q FROM "
				"changes WHERE id = %lld",
				job->messages[i].channel, job->messages[i].data,
				(long long)job->outcomes[i].id) == 1;
	return good;
}

static int64_t
count(void)
{
	return foreign_int(db.handle, "SELECT count(*) FROM changes");
}

static void
test_one_commit(void)
{
	int before;

	begin("one.db");
	begin_group();
	for (int j = 0; j < JOBS; j++) {
		struct job *job = add_job();

		add(job, j % 2 == 0 ? "even" : "odd", "first", NULL);
		if (j % 3 == 0)
			add(job, "more", "second", NULL);
	}
	before = count_commits();
	is_int(group_commit(&db, &group), DB_OK, "eight jobs are committed");
	is_int(count_commits() - before, 1, "in one transaction");
	is_int(count(), 11, "eleven messages are there");
	is_int(group_stored(&group), 11, "and counted");
	ok(ids_are_right(), "each has the id that it was told");
	ok(jobs[0].outcomes[0].id == 1 && jobs[7].outcomes[0].id == 11,
	    "in the order of the jobs");
	is_str(jobs[7].epoch, db.epoch, "with the epoch");
}

/* By one statement, or by one each: the same row. */
static void
test_same_rows(void)
{
	static const struct message rows[] = {
		{ .channel = "c", .data = "text", .data_len = 4 },
		{ .channel = "c", .data = "", .data_len = 0 },
		{ .channel = "c", .data = NULL, .data_len = 0 },
		{ .channel = "c", .data = "a\0b", .data_len = 3 },
		{ .channel = "c",
		    .data = "\xff\0",
		    .data_len = 2,
		    .is_blob = true },
		{ .channel = "c", .data = NULL, .is_blob = true },
		{ .channel = "\xc3\xa4",
		    .event = "e",
		    .data = "7",
		    .data_len = 1,
		    .content_type = "text/plain",
		    .expires_ms = 99,
		    .dedup = "d" },
	};
	size_t n = sizeof(rows) / sizeof(rows[0]);
	struct job *job;
	int64_t id;
	bool again;

	begin("same.db");
	for (size_t i = 0; i < n; i++)
		if (change_publish(&db, &rows[i], &id, &again) != DB_OK)
			bail("%s", db.error);
	foreign_run(db.handle, "CREATE TABLE before AS SELECT * FROM changes; "
			       "DELETE FROM changes");
	begin_group();
	job = add_job();
	memcpy(job->messages, rows, sizeof(rows));
	job->n = n;
	is_int(group_commit(&db, &group), DB_OK, "messages of every kind");
	is_int(
	    foreign_int(db.handle,
		"SELECT count(*) FROM before b JOIN changes c ON c.id = b.id "
		"+ %d WHERE c.channel = b.channel AND c.event IS b.event AND "
		"c.data = b.data AND typeof(c.data) = typeof(b.data) AND "
		"hex(c.data) = hex(b.data) AND c.content_type IS "
		"b.content_type AND c.expires_ms IS b.expires_ms AND c.dedup "
		"IS b.dedup AND abs(c.created_ms - b.created_ms) < 60000",
		(int)n),
	    (long long)n, "are stored as one by one");
}

static void
test_refusal(void)
{
	struct job *bad;

	begin("refusal.db");
	begin_group();
	add(add_job(), "a", "1", NULL);
	bad = add_job();
	add(bad, "a", "not stored", NULL);
	add(bad, "", "refused", NULL);
	add(bad, "a", "never tried", NULL);
	add(add_job(), "b", "2", NULL);
	add(add_job(), "", "refused too", NULL);
	add(add_job(), "b", "3", NULL);
	is_int(group_commit(&db, &group), DB_OK, "a group with two bad jobs");
	ok(bad->status == DB_REFUSED && bad->failed == 1,
	    "the first tells which message");
	ok(strncmp(bad->error, "CHECK constraint failed: channel", 32) == 0,
	    "and why (%s)", bad->error);
	is_int(jobs[3].status, DB_REFUSED, "so does the second");
	ok(jobs[0].status == DB_OK && jobs[2].status == DB_OK &&
		jobs[4].status == DB_OK && ids_are_right(),
	    "the others are stored and know their ids");
	is_int(count(), 3, "and nothing else is");
	is_int(group_stored(&group), 3, "nor counted");
}

static void
test_dedup(void)
{
	begin("dedup.db");
	begin_group();
	add(add_job(), "a", "1", "key");
	if (group_commit(&db, &group) != DB_OK)
		bail("%s", db.error);
	begin_group();
	add(add_job(), "a", "0", NULL);
	add(add_job(), "a", "1", "key");
	add(add_job(), "a", "2", "new");
	add(add_job(), "a", "2", "new");
	add(add_job(), "a", "other data", "key");
	add(add_job(), "b", "1", "key");
	is_int(group_commit(&db, &group), DB_OK, "a group with known dedups");
	ok(jobs[1].outcomes[0].again && jobs[1].outcomes[0].id == 1,
	    "one that was known before has the id of the first");
	ok(!jobs[2].outcomes[0].again && jobs[3].outcomes[0].again &&
		jobs[3].outcomes[0].id == jobs[2].outcomes[0].id,
	    "so has one of the same group");
	ok(jobs[4].status == DB_REFUSED && jobs[4].outcomes[0].again,
	    "other data under a known one is refused");
	ok(!jobs[5].outcomes[0].again, "another channel has its own");
	ok(jobs[0].status == DB_OK && ids_are_right(), "all know their ids");
	is_int(count(), 4, "each is there once");
	is_int(group_stored(&group), 3, "three are new");
}

/* Ids are not in a row then. */
static void
test_triggers_of_others(void)
{
	begin("trigger.db");
	foreign_run(db.handle,
	    "CREATE TRIGGER echo BEFORE INSERT ON changes WHEN NEW.channel = "
	    "'loud' BEGIN INSERT INTO changes (channel, data) VALUES ('echo', "
	    "NEW.data); END");
	begin_group();
	add(add_job(), "loud", "1", NULL);
	add(add_job(), "a", "2", NULL);
	add(add_job(), "loud", "3", NULL);
	is_int(group_commit(&db, &group), DB_OK,
	    "where a trigger publishes as well");
	ok(jobs[0].status == DB_OK && jobs[1].status == DB_OK &&
		jobs[2].status == DB_OK && ids_are_right(),
	    "each still has the id that it was told");
	is_int(count(), 5, "all are there");
	begin_group();
	add(add_job(), "a", "4", NULL);
	add(add_job(), "loud", "5", NULL);
	is_int(group_commit(&db, &group), DB_OK, "the last one is echoed");
	ok(jobs[1].status == DB_OK && ids_are_right(), "and told right");
	foreign_run(db.handle,
	    "CREATE TRIGGER mute BEFORE INSERT ON changes WHEN NEW.channel = "
	    "'off' BEGIN SELECT RAISE(FAIL, 'off'); END");
	begin_group();
	add(add_job(), "a", "6", NULL);
	add(add_job(), "off", "7", NULL);
	is_int(group_commit(&db, &group), DB_OK, "a trigger that fails");
	ok(jobs[0].status == DB_OK && ids_are_right() &&
		jobs[1].status == DB_REFUSED,
	    "hits its own message alone");
	is_int(foreign_int(db.handle,
		   "SELECT count(*) FROM changes WHERE data = '6'"),
	    1, "which is not stored twice");
}

int
main(void)
{
	test_one_commit();
	test_same_rows();
	test_refusal();
	test_dedup();
	test_triggers_of_others();
	foreign_close(other);
	db_close(&db);
	return done();
}
