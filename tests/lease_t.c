/* SPDX-License-Identifier: MIT */
/*
 * The lease of pruning: who has it, who asks for it, and what is noted in it.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/table/db.h"
#include "shared/table/lease.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

static void
test_lease(void)
{
	const char *path = scratch("lease.db");
	int first, second;

	first = lease_take(path, 60000, false);
	ok(first != -1, "the first one gets the lease");
	is_int(lease_take(path, 0, false), -1, "nobody else while it is held");
	close(first);
	is_int(lease_take(path, 60000, false), -1, "nor too early after it");
	second = lease_take(path, 0, false);
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

	lease = lease_take(path, 0, false);
	is_int(lease_take(path, 0, false), -1, "it is held");
	ok(!lease_is_wanted(lease), "who is refused does not ask for it");
	is_int(lease_take(path, 0, true), -1, "who insists is refused too");
	ok(lease_is_wanted(lease), "but it is known");
	lease_pass(lease);
	next = lease_take(path, 60000, false);
	ok(next != -1, "what was passed on is had at once");
	ok(!lease_is_wanted(next), "and nobody asks for it any more");
	close(next);
	is_int(lease_take(path, 60000, true), -1, "its round counts");
	next = lease_take(path, 0, true);
	lease_claim(next);
	set_age(path, 15);
	close(next);
	is_int(lease_take(path, 10000, false), -1,
	    "what is claimed is left alone when its time has come");
	next = lease_take(path, 10000, true);
	ok(next != -1, "by those who do not insist");
	lease_claim(next);
	set_age(path, 25);
	close(next);
	next = lease_take(path, 10000, false);
	ok(next != -1, "but not for ever");
	close(next);
}

/* What the file says, of a database that is open. */
static void
test_note(void)
{
	static const char *const times[] = { "0", "-1", "1700000000",
		"9223372036854775807", "-9223372036854775808",
		"1700000000000000" };
	struct known known = { 5, 1234567890123 }, got;
	struct db db = { 0 };
	int lease, wrong = 0;

	table_make(&db, scratch("note.db"));
	ok(!lease_went_back(&db), "nothing is noted yet");
	lease = lease_take(db.path, 0, false);
	lease_known(lease, &db, &got);
	ok(got.id == 0 && got.ms == 0, "nor known");
	lease_note(lease, &db, &known);
	lease_known(lease, &db, &got);
	ok(got.id == 5 && got.ms == known.ms, "what is known is read back");
	/* Whatever its time is, it is the same message. */
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, created_ms) VALUES ('a', "
		    "%s)",
		    times[i]);
		lease_note(lease, &db, NULL);
		lease_known(lease, &db, &got);
		if (lease_went_back(&db) || got.id != 5 || got.ms != known.ms) {
			diag("created_ms = %s", times[i]);
			wrong++;
		}
	}
	is_int(wrong, 0, "messages of any time, with nothing else to say");
	foreign_run(db.handle, "UPDATE sqlite_sequence SET seq = seq - 1");
	ok(lease_went_back(&db), "ids that have gone back");
	foreign_run(db.handle, "UPDATE sqlite_sequence SET seq = seq + 1");
	ok(!lease_went_back(&db), "and those that have not");
	foreign_run(db.handle,
	    "UPDATE meta SET value = 'other' WHERE name = 'epoch'");
	ok(!lease_went_back(&db), "another epoch is another database");
	lease_known(lease, &db, &got);
	ok(got.id == 0 && got.ms == 0, "of which nothing is known");
	close(lease);
	db_close(&db);
}

/* Issue 5: the clock of the machine may jump. */
static void
test_clock(void)
{
	const char *path = scratch("clock.db");
	int lease = lease_take(path, 0, false);

	close(lease);
	set_age(path, -3600);
	lease = lease_take(path, 10000, false);
	ok(lease != -1, "a round that was in the future is no reason to wait");
	close(lease);
	is_int(lease_take(path, 10000, false), -1, "once");
}

int
main(void)
{
	test_lease();
	test_wanted();
	test_note();
	test_clock();
	return done();
}
