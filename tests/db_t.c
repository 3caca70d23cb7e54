/* SPDX-License-Identifier: MIT */
/*
 * The database file: who owns it, its identity, the set of files that it is,
 * transactions.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/table/db.h"
#include "shared/table/head.h"
#include "shared/table/schema.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static unsigned warnings; /* lines of the log */

static void
count_line(const char *line)
{
	warnings += strstr(line, "warning") != NULL;
}

static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (in == -1 || out == -1)
		bail("%s to %s: %s", from, to, strerror(errno));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			bail("%s: %s", to, strerror(errno));
	close(in);
	close(out);
}

static void
test_create(void)
{
	const char *path = scratch("create.db");
	struct db db = { 0 };
	struct stat sb;
	char epoch[40];
	int64_t newest = -1;
	bool made = false;

	is_int(db_create(&db, path, 0640, &made), DB_OK, "a new database");
	ok(made, "was made");
	is_int(stat(path, &sb) == 0 ? sb.st_mode & 0777 : 0, 0640,
	    "with the permissions asked for");
	is_int(head_read(&db, &newest), DB_OK, "its head");
	is_int(newest, 0, "nothing is in it");
	ok(strlen(db.epoch) >= 8, "it has an epoch");
	memcpy(epoch, db.epoch, sizeof(epoch));
	is_int(foreign_int(db.handle, "PRAGMA auto_vacuum"), 2,
	    "it can give room back");
	db_close(&db);
	is_int(db_create(&db, path, 0600, &made), DB_OK, "once more");
	ok(!made, "is not made again");
	is_str(db.epoch, epoch, "and keeps its epoch");
	db_close(&db);
	db_close(&db);
	ok(db.handle == NULL, "closed twice");
}

static void
test_open(void)
{
	const char *path = scratch("open.db");
	struct db db = { 0 };
	int64_t newest;

	table_create(path);
	is_int(db_open(&db, path, DB_READER, 100), DB_OK, "a reader");
	is_int(foreign_int(db.handle, "PRAGMA query_only"), 1, "can't write");
	is_int(foreign_run(db.handle,
		   "INSERT INTO changes (channel) VALUES ('a')"),
	    SQLITE_READONLY, "not even by hand");
	db_close(&db);
	is_int(db_open(&db, path, DB_WRITER, 100), DB_OK, "a writer");
	is_int(foreign_int(db.handle, "PRAGMA synchronous"), 1, "is NORMAL");
	is_int(foreign_run(db.handle,
		   "INSERT INTO changes (channel) VALUES ('a')"),
	    0, "writes");
	is_int(head_read(&db, &newest), DB_OK, "and its head");
	is_int(newest, 1, "goes on");
	db_close(&db);
	is_int(db_open(&db, path, DB_WRITER_POWER, 100), DB_OK, "with power");
	is_int(foreign_int(db.handle, "PRAGMA synchronous"), 2, "is FULL");
	db_close(&db);
	is_int(db_open(&db, scratch("nosuch.db"), DB_READER, 100), DB_MISSING,
	    "a file that is not there");
	ok(db.handle == NULL && db.error[0] != '\0', "is closed, and why");
	is_int(access(scratch("nosuch.db"), F_OK), -1, "and not made");
	is_int(db_open(&db, scratch(""), DB_READER, 100), DB_MISSING,
	    "a folder");
}

/* Writes a file and tries to open and to create it. */
static void
refuse_file(const char *what, const char *path, enum db_status want)
{
	struct stat before, after;
	struct db db = { 0 };
	bool made;

	stat(path, &before);
	is_int(db_open(&db, path, DB_READER, 100), want, "%s is refused", what);
	ok(db.handle == NULL && db.error[0] != '\0', "with a sentence");
	is_int(db_create(&db, path, 0600, &made), want, "and not taken over");
	stat(path, &after);
	is_int(after.st_size, before.st_size, "nor changed");
}

static void
test_foreign_files(void)
{
	const char *path = scratch("text.db");
	FILE *file = fopen(path, "w");
	sqlite3 *handle;

	for (int i = 0; i < 1000; i++)
		fputs("this is no database at all\n", file);
	fclose(file);
	refuse_file("a text", path, DB_NOT_OURS);

	path = scratch("foreign.db");
	if (sqlite3_open(path, &handle) != SQLITE_OK)
		bail("sqlite3_open");
	foreign_run(handle, "CREATE TABLE users (name); "
			    "INSERT INTO users VALUES ('x')");
	foreign_close(handle);
	refuse_file("somebody's database", path, DB_NOT_OURS);

	path = scratch("newer.db");
	table_create(path);
	handle = foreign_open(path);
	foreign_run(handle, "PRAGMA user_version = %d", schema_version() + 1);
	foreign_close(handle);
	refuse_file("a newer version", path, DB_NOT_OURS);

	path = scratch("other-id.db");
	table_create(path);
	handle = foreign_open(path);
	foreign_run(handle, "PRAGMA application_id = 1");
	foreign_close(handle);
	refuse_file("another application's", path, DB_NOT_OURS);
}

static void
test_damaged(void)
{
	const char *path = scratch("damaged.db");
	enum db_status status;
	struct db db = { 0 };
	char junk[4096];
	sqlite3 *handle;
	int fd;

	table_create(path);
	handle = foreign_open(path);
	for (int i = 0; i < 100; i++)
		foreign_run(handle,
		    "INSERT INTO changes (channel, data) VALUES ('a', %Q)",
		    "some data that takes room");
	foreign_run(handle, "PRAGMA wal_checkpoint(TRUNCATE)");
	foreign_close(handle);
	memset(junk, 0xa5, sizeof(junk));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* The schema's page stays, all others are junk. */
	for (off_t at = 4096; at < 20 * 4096; at += 4096)
		if (pwrite(fd, junk, sizeof(junk), at) == -1)
			bail("pwrite");
	close(fd);
	status = db_open(&db, path, DB_READER, 100);
	ok(status == DB_DAMAGED || status == DB_NOT_OURS,
	    "a damaged file is refused (%d)", status);
	db_close(&db);
}

/* Several processes that make the same database at once. */
static void
test_create_together(void)
{
	int bad = 0;

	for (int round = 0; round < 10; round++) {
		char name[32];
		const char *path;
		pid_t pids[6];

		snprintf(name, sizeof(name), "together-%d.db", round);
		path = scratch(name);
		for (size_t i = 0; i < N(pids); i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				struct db db = { 0 };
				bool made;
				enum db_status status =
				    db_create(&db, path, 0600, &made);

				if (status != DB_OK)
					diag("%d: %s", status, db.error);
				db_close(&db);
				_exit(status == DB_OK ? 0 : 1);
			}
		}
		for (size_t i = 0; i < N(pids); i++) {
			int wstatus;

			waitpid(pids[i], &wstatus, 0);
			bad += wstatus != 0;
		}
	}
	is_int(bad, 0, "six processes create one database, ten times");
}

static void
test_identity(void)
{
	const char *path = scratch("original.db"), *copy = scratch("copy.db");
	char epoch[40], second[40];
	struct db db = { 0 };
	int64_t newest;

	table_create(path);
	if (db_open(&db, path, DB_READER, 100) != DB_OK)
		bail("%s", db.error);
	memcpy(epoch, db.epoch, sizeof(epoch));
	ok(!db_replaced(&db), "a file is itself");
	db_close(&db);
	copy_file(path, copy);
	is_int(db_open(&db, copy, DB_READER, 100), DB_OK, "a copied file");
	ok(strcmp(db.epoch, epoch) != 0, "has a new epoch");
	memcpy(second, db.epoch, sizeof(second));
	db_close(&db);
	is_int(db_open(&db, copy, DB_WRITER, 100), DB_OK, "opened again");
	is_str(db.epoch, second, "it keeps it");
	is_int(head_renew_epoch(&db, epoch), DB_OK, "a renewal of another one");
	head_read(&db, &newest);
	is_str(db.epoch, second, "changes nothing");
	is_int(head_renew_epoch(&db, second), DB_OK, "a renewal of this one");
	head_read(&db, &newest);
	ok(strcmp(db.epoch, second) != 0, "makes a new one");
	db_close(&db);
	if (db_open(&db, path, DB_READER, 100) != DB_OK)
		bail("%s", db.error);
	is_str(db.epoch, epoch, "the original keeps its own");
	rename(copy, path);
	ok(db_replaced(&db), "a file under its name is noticed");
	unlink(path);
	ok(db_replaced(&db), "and one that is gone");
	db_close(&db);
}

/* A -wal that a replaced file left behind must not be applied to the new one.
 */
static void
test_stale_wal(void)
{
	const char *path = scratch("stale.db"), *wal = scratch("stale.db-wal");
	const char *other = scratch("other.db"), *aside = scratch("aside.db");
	struct db db = { 0 };
	sqlite3 *handle;

	table_create(path);
	table_create(other);
	handle = foreign_open(path);
	foreign_run(handle, "INSERT INTO changes (channel) VALUES ('a')");
	if (db_open(&db, path, DB_READER, 100) != DB_OK)
		bail("%s", db.error);
	db_close(&db);
	rename(path, aside);
	ok(access(wal, F_OK) == 0, "a -wal stays while the file is away");
	is_int(db_open(&db, path, DB_READER, 100), DB_MISSING, "it is away");
	rename(aside, path);
	is_int(db_open(&db, path, DB_READER, 100), DB_OK, "it is back");
	is_int(foreign_int(db.handle, "SELECT count(*) FROM changes"), 1,
	    "with what was in its -wal");
	db_close(&db);
	rename(other, path);
	ok(access(wal, F_OK) == 0, "another file comes, the -wal is there");
	is_int(db_open(&db, path, DB_READER, 100), DB_OK, "the new file");
	is_int(foreign_int(db.handle, "SELECT count(*) FROM changes"), 0,
	    "has nothing of the old one");
	ok(!db_replaced(&db), "and is the one that is open");
	db_close(&db);
	foreign_close(handle);
}

/*
 * A restore in steps, of which the first one has come: a copy lies under the
 * name.  Somebody has opened it and closed it since, and SQLite took the -wal
 * and -shm away with that; so that none of the old files was left meant that
 * the restore was done, and its next step was another one.
 */
static void
test_rest(void)
{
	const char *path = scratch("rest.db"), *wal = scratch("rest.db-wal");
	const char *other = scratch("step.db"), *shm = scratch("rest.db-shm");
	struct db db = { 0 };
	sqlite3 *handle;
	int64_t end_ms;

	table_create(path);
	table_create(other);
	if (db_open(&db, path, DB_READER, 100) != DB_OK)
		bail("%s", db.error);
	rename(other, path);
	handle = foreign_open(path);
	foreign_run(handle, "INSERT INTO changes (channel) VALUES ('a')");
	foreign_close(handle);
	ok(access(wal, F_OK) == -1 && access(shm, F_OK) == -1,
	    "somebody took the -wal and -shm away");
	handle = foreign_open(path);
	foreign_run(handle, "INSERT INTO changes (channel) VALUES ('a')");
	ok(db_replaced(&db), "the file is another one");
	is_int(db_leave(&db), DB_OK, "left");
	is_int(db_open(&db, path, DB_READER, 100), DB_CHANGING,
	    "there may be more to come");
	foreign_close(handle);
	unlink(wal);
	unlink(shm);
	end_ms = clock_mono_ms() + 20000;
	while (db_open(&db, path, DB_READER, 100) == DB_CHANGING &&
	       clock_mono_ms() < end_ms)
		poll(NULL, 0, 20);
	ok(db.handle != NULL, "it settles: %s", db.error);
	is_int(foreign_int(db.handle, "SELECT count(*) FROM changes"), 2,
	    "with all that was committed");
	db_close(&db);
}

static void
test_transactions(void)
{
	const char *path = scratch("begin.db");
	struct db db = { 0 }, other = { 0 };
	int64_t before, after;

	table_create(path);
	if (db_open(&db, path, DB_WRITER, 0) != DB_OK ||
	    db_open(&other, path, DB_WRITER, 0) != DB_OK)
		bail("%s", db.error);
	log_set_sink(count_line);
	is_int(db_data_version(&other, &before), DB_OK, "data_version");
	is_int(db_begin_write(&db, DB_HERE), DB_OK, "one writes");
	is_int(db_begin_write(&other, DB_HERE), DB_BUSY, "another waits");
	ok(other.begin_site == NULL, "and is in no transaction");
	is_int(warnings, 0, "nothing to complain about yet");
	db_begin_write(&db, DB_HERE);
	is_int(warnings, 1, "a nested one is complained about");
	db_rollback(&db);
	db_rollback(&db);
	is_int(db_begin_write(&other, DB_HERE), DB_OK,
	    "after the rollback the other one writes");
	is_int(db_commit(&other), DB_OK, "and commits");
	is_int(db_set_max_data(&db, 10), DB_OK, "max_data");
	db_data_version(&other, &after);
	ok(before != after, "which moves the data_version of others");
	is_int(foreign_run(other.handle, "INSERT INTO changes (channel, data) "
					 "VALUES ('a', '12345678901')"),
	    SQLITE_CONSTRAINT, "and counts at once");
	db_data_version(&other, &before);
	is_int(db_set_max_data(&db, 10), DB_OK, "the same max_data again");
	db_data_version(&other, &after);
	ok(before == after, "writes nothing");
	rename(path, scratch("moved.db"));
	is_int(db_begin_write(&db, DB_HERE), DB_MISSING,
	    "a writer notices that the file is gone");
	ok(db.begin_site == NULL, "and has not begun");
	db_close(&db);
	db_close(&other);
	log_set_sink(NULL);
}

int
main(void)
{
	test_create();
	test_open();
	test_foreign_files();
	test_damaged();
	test_create_together();
	test_identity();
	test_stale_wal();
	test_rest();
	test_transactions();
	return done();
}
