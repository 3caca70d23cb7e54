/* SPDX-License-Identifier: MIT */
/*
 * Making the database and bringing an older one up to date: numbered steps,
 * each in a transaction of its own, so that one that fails leaves the version
 * before it.  A new file takes the same way as an old one.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/table/schema.h"

#define CREATE_MS       10000 /* tries to make it, against others */
#define CREATE_PAUSE_MS 20    /* between two of them */

/* Step N makes version N out of version N - 1. */
static const char *const schema_steps[] = {
#include "sql/schema.inc"
};

static const char sql_create[] =
#include "sql/create.inc"
    ;
static const char sql_migrated[] =
#include "sql/finish_migration.inc"
    ;

int
schema_version(void)
{
	return (int)(sizeof(schema_steps) / sizeof(schema_steps[0]));
}

/*
 * Applies one step, which ends with its number, or nothing.  Another process
 * may have been faster: then there is nothing to do.
 */
static enum db_status
apply_step(struct db *db, const char *step, int version)
{
	enum db_status status;
	int64_t present = 0;

	status = db_exec(db, statement_text(STATEMENT_BEGIN_IMMEDIATE));
	if (status != DB_OK)
		return status;
	status = db_read_integer(db, STATEMENT_USER_VERSION, &present);
	if (status == DB_OK && present < version)
		status = db_exec(db, step);
	if (status == DB_OK && present < version)
		status = db_exec(db, sql_migrated);
	if (status == DB_OK)
		status = db_exec(db, statement_text(STATEMENT_COMMIT));
	if (status != DB_OK && sqlite3_get_autocommit(db->handle) == 0)
		sqlite3_exec(db->handle, statement_text(STATEMENT_ROLLBACK),
		    NULL, NULL, NULL);
	return status;
}

static enum db_status
check_not_newer(struct db *db, int known)
{
	enum db_status status;
	int64_t version = 0;

	status = db_read_integer(db, STATEMENT_USER_VERSION, &version);
	if (status != DB_OK || version <= known)
		return status;
	snprintf(db->error, sizeof(db->error),
	    "its schema has version %lld, newer than this program's %d",
	    (long long)version, known);
	return DB_NOT_OURS;
}

enum db_status
schema_migrate(struct db *db, const char *const *steps, int nsteps)
{
	enum db_status status = check_not_newer(db, nsteps);

	for (int i = 0; status == DB_OK && i < nsteps; i++)
		status = apply_step(db, steps[i], i + 1);
	return status;
}

/*
 * Refuses to turn somebody else's database into ours.  One without a schema is
 * nobody's, or another process is about to make it.
 */
static enum db_status
check_owner(struct db *db)
{
	int64_t id = 0, changes = 0;
	enum db_status status;

	status = db_read_integer(db, STATEMENT_SCHEMA_VERSION, &changes);
	if (status == DB_OK)
		status = db_read_integer(db, STATEMENT_APPLICATION_ID, &id);
	if (status == DB_OK && id != DB_OUR_ID && (id != 0 || changes != 0)) {
		snprintf(db->error, sizeof(db->error),
		    "the file exists and is not a Tidings database");
		return DB_NOT_OURS;
	}
	return status;
}

/* An empty file is made into a database as well. */
static int
make_file(struct db *db, const char *path, mode_t mode_bits, bool *made)
{
	struct stat sb;
	int fd;

	*made = stat(path, &sb) == -1 || sb.st_size == 0;
	if (!*made)
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_bits);
	if (fd == -1) {
		snprintf(db->error, sizeof(db->error), "%s", strerror(errno));
		return -1;
	}
	fchmod(fd, mode_bits);
	close(fd);
	return 0;
}

static enum db_status
create(struct db *db, const char *path, mode_t mode_bits, bool *made)
{
	enum db_status status;

	if (make_file(db, path, mode_bits, made) == -1)
		return DB_MISSING;
	status = db_connect(db, path, SQLITE_OPEN_READWRITE, 1000);
	if (status == DB_OK)
		status = check_owner(db);
	if (status == DB_OK)
		status = check_not_newer(db, schema_version());
	if (status == DB_OK)
		status = db_exec(db, sql_create);
	if (status == DB_OK)
		status = schema_migrate(db, schema_steps, schema_version());
	return status;
}

enum db_status
schema_create(struct db *db, const char *path, mode_t mode_bits, bool *made)
{
	int64_t until_ms = clock_mono_ms() + CREATE_MS;
	enum db_status status;
	bool tried = false, mine;

	*db = (struct db){ 0 };
	*made = false;
	/* Several may want to make it at the same time. */
	do {
		if (tried)
			poll(NULL, 0, CREATE_PAUSE_MS);
		tried = true;
		status = create(db, path, mode_bits, &mine);
		*made = *made || mine;
		db_disconnect(db);
	} while (status == DB_BUSY && clock_mono_ms() < until_ms);
	return status;
}
