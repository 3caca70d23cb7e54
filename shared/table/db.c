/* SPDX-License-Identifier: MIT */
/*
 * A connection to the change table: opening with all that can be checked,
 * prepared statements, transactions, versions.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/table/db.h"
#include "shared/table/dbset.h"
#include "shared/table/rows.h"
#include "shared/table/schema.h"

static const char sql_connect[] =
#include "sql/connect.inc"
    ;
static const char sql_process[] =
#include "sql/durability_process.inc"
    ;
static const char sql_power[] =
#include "sql/durability_power.inc"
    ;
static const char sql_query_only[] =
#include "sql/query_only.inc"
    ;

enum db_status
db_status(struct db *db, int rc)
{
	enum db_status status;

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return DB_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		status = DB_BUSY;
		break;
	case SQLITE_FULL:
	case SQLITE_IOERR:
		status = DB_FULL;
		break;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH:
		status = DB_REFUSED;
		break;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		status = DB_MISSING;
		break;
	case SQLITE_NOTADB:
		status = DB_NOT_OURS;
		break;
	case SQLITE_CORRUPT:
		status = DB_DAMAGED;
		break;
	default:
		status = DB_FAILED;
		break;
	}
	snprintf(db->error, sizeof(db->error), "%s",
	    db->handle == NULL ? sqlite3_errstr(rc)
			       : sqlite3_errmsg(db->handle));
	return status;
}

void
db_done(struct sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

enum db_status
db_run(struct db *db, enum db_statement which)
{
	sqlite3_stmt *stmt = db->stmt[which];
	enum db_status status;
	int rc;

	do
		rc = sqlite3_step(stmt);
	while (rc == SQLITE_ROW);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

enum db_status
db_exec(struct db *db, const char *sql)
{
	return db_status(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

/*
 * One integer of a statement without parameters.  The statement may not be
 * prepared yet, so that this serves schema_create too.
 */
enum db_status
db_read_integer(struct db *db, enum db_statement which, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(db->handle, db_statement_text(which), -1, &stmt,
	    NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			*value = sqlite3_column_int64(stmt, 0);
	}
	rc = rc == SQLITE_DONE ? SQLITE_NOTADB : rc;
	if (rc != SQLITE_ROW) {
		enum db_status status = db_status(db, rc);

		sqlite3_finalize(stmt);
		return status;
	}
	sqlite3_finalize(stmt);
	return DB_OK;
}

static enum db_status
check_version(struct db *db)
{
	int64_t id = 0, version = 0;
	enum db_status status;

	status = db_read_integer(db, DB_APPLICATION_ID, &id);
	if (status == DB_OK)
		status = db_read_integer(db, DB_USER_VERSION, &version);
	if (status != DB_OK)
		return status;
	if (id != DB_OUR_ID) {
		snprintf(db->error, sizeof(db->error),
		    "this is not a Tidings database; `tidings init` makes one");
		return DB_NOT_OURS;
	}
	if (version == schema_version())
		return DB_OK;
	snprintf(db->error, sizeof(db->error),
	    "its schema has version %lld, this program needs %d%s",
	    (long long)version, schema_version(),
	    version < schema_version() ? "; run `tidings init`" : "");
	return DB_NOT_OURS;
}

static enum db_status
prepare_all(struct db *db)
{
	int registered = rows_register(db->handle);

	if (registered != SQLITE_OK)
		return db_status(db, registered);
	for (int i = 0; i < DB__MAX; i++) {
		int rc = sqlite3_prepare_v3(db->handle, db_statement_text(i),
		    -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[i], NULL);

		if (rc != SQLITE_OK)
			return db_status(db, rc);
	}
	return DB_OK;
}

/* Device, inode and, where the file system tells, time of birth. */
static int
file_identity(const char *path, char *out, size_t size)
{
#ifdef HAVE_STATX
	struct statx sx;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &sx) == 0) {
		bool born = (sx.stx_mask & STATX_BTIME) != 0;

		snprintf(out, size, "%x:%x:%llx:%llx.%x", sx.stx_dev_major,
		    sx.stx_dev_minor, (unsigned long long)sx.stx_ino,
		    born ? (unsigned long long)sx.stx_btime.tv_sec : 0,
		    born ? sx.stx_btime.tv_nsec : 0);
		return 0;
	}
#else
	struct stat sb;

	if (stat(path, &sb) == 0) {
		snprintf(out, size, "%llx:%llx", (unsigned long long)sb.st_dev,
		    (unsigned long long)sb.st_ino);
		return 0;
	}
#endif
	return -1;
}

static enum db_status
read_head(struct db *db, int64_t *newest, char *file_id, size_t size)
{
	sqlite3_stmt *stmt = db->stmt[DB_HEAD];
	enum db_status status;
	const char *epoch;
	int rc = sqlite3_step(stmt);

	if (rc != SQLITE_ROW) {
		status = db_status(db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
		db_done(stmt);
		return status;
	}
	epoch = (const char *)sqlite3_column_text(stmt, 0);
	if (epoch == NULL)
		epoch = "0";
	if (strcmp(db->epoch, epoch) != 0) {
		snprintf(db->epoch, sizeof(db->epoch), "%s", epoch);
		dbset_note_epoch(db->set, db->epoch);
	}
	if (file_id != NULL) {
		const char *id = (const char *)sqlite3_column_text(stmt, 1);

		snprintf(file_id, size, "%s", id ? id : "");
	}
	*newest = sqlite3_column_int64(stmt, 2);
	db_done(stmt);
	return DB_OK;
}

enum db_status
db_head(struct db *db, int64_t *newest)
{
	return read_head(db, newest, NULL, 0);
}

enum db_status
db_renew_epoch(struct db *db, const char *old)
{
	sqlite3_stmt *stmt = db->stmt[DB_EPOCH_RENEW];
	enum db_status status;
	char identity[80];

	if (file_identity(db->path, identity, sizeof(identity)) == -1) {
		snprintf(db->error, sizeof(db->error), "%s", strerror(errno));
		return DB_MISSING;
	}
	sqlite3_bind_text(stmt, 1, old, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(stmt, 2, identity, -1, SQLITE_TRANSIENT);
	status = db_status(db, sqlite3_step(stmt));
	db_done(stmt);
	return status;
}

/*
 * A file that is not the one its epoch was made for gets a new epoch, and so
 * does one whose -wal was lost: ids that only were in there are given out
 * again.
 */
static enum db_status
check_identity(struct db *db)
{
	char stored[80] = "", present[80], old[sizeof(db->epoch)];
	bool is_copy, is_over;
	enum db_status status;
	int64_t newest;

	status = read_head(db, &newest, stored, sizeof(stored));
	if (status != DB_OK)
		return status;
	is_copy = file_identity(db->path, present, sizeof(present)) == 0 &&
		  strcmp(stored, present) != 0;
	is_over = dbset_is_over(db->set, db->epoch);
	if (is_copy || is_over) {
		memcpy(old, db->epoch, sizeof(old));
		status = db_renew_epoch(db, old);
		if (status == DB_OK)
			status = db_head(db, &newest);
		if (status == DB_OK && stored[0] != '\0' && !is_over)
			log_info("%s is a copy or was restored: it has a new "
				 "epoch",
			    db->path);
	}
	return status;
}

/*
 * SQLite counts every allocation under one lock for the whole process unless
 * it is told not to, before its first use.
 */
static void
configure_once(void)
{
	static atomic_flag done = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&done))
		sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum db_status
db_connect(struct db *db, const char *path, int flags, int busy_ms)
{
	int rc;

	configure_once();
	db->path = xstrndup(path, strlen(path));
	rc = sqlite3_open_v2(path, &db->handle,
	    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK)
		return db_status(db, rc);
	sqlite3_busy_timeout(db->handle, busy_ms);
	return db_exec(db, sql_connect);
}

/* The same users as may write to the database, and no others. */
static mode_t
mode_beside(mode_t db_mode)
{
	return 0600 | ((db_mode & 0020) != 0 ? 0060 : 0) |
	       ((db_mode & 0002) != 0 ? 0006 : 0);
}

int
db_open_beside(const char *db_path, const char *suffix)
{
	struct str path = { 0 };
	struct stat db, file;
	int fd;

	str_addf(&path, "%s%s", db_path, suffix);
	fd = open(path.p,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	str_free(&path);
	if (fd == -1 || stat(db_path, &db) == -1 || fstat(fd, &file) == -1)
		return fd;
	if (!S_ISREG(file.st_mode)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	if (file.st_uid == geteuid() &&
	    (file.st_mode & 0777) != mode_beside(db.st_mode))
		fchmod(fd, mode_beside(db.st_mode));
	return fd;
}

/* Closes but keeps the sentence for the caller. */
enum db_status
db_give_up(struct db *db, enum db_status status)
{
	char error[sizeof(db->error)];

	memcpy(error, db->error, sizeof(error));
	db_close(db);
	memcpy(db->error, error, sizeof(error));
	return status;
}

enum db_status
db_open(struct db *db, const char *path, enum db_mode mode, int busy_ms)
{
	enum db_status status;

	db->set = dbset_of(path);
	status = dbset_admit(db->set, db->error, sizeof(db->error));
	if (status != DB_OK)
		return status;
	status = db_connect(db, path, SQLITE_OPEN_READWRITE, busy_ms);
	if (status == DB_OK)
		status = check_version(db);
	if (status == DB_OK)
		status = prepare_all(db);
	if (status == DB_MISSING || status == DB_FULL)
		dbset_distrust(db->set);
	if (status == DB_OK)
		status = dbset_join(db->set, db);
	if (status == DB_OK)
		status = check_identity(db);
	if (status == DB_OK)
		status = db_exec(db, mode == DB_READER         ? sql_query_only
				     : mode == DB_WRITER_POWER ? sql_power
							       : sql_process);
	return status == DB_OK ? DB_OK : db_give_up(db, status);
}

void
db_close(struct db *db)
{
	for (int i = 0; i < DB__MAX; i++)
		sqlite3_finalize(db->stmt[i]);
	if (db->set != NULL)
		dbset_part(db->set, db);
	else
		sqlite3_close(db->handle);
	free(db->path);
	*db = (struct db){ .set = db->set,
		.lost = db->lost,
		.lost_arg = db->lost_arg };
}

enum db_status
db_leave(struct db *db)
{
	if (db->handle == NULL)
		return DB_OK;
	if (dbset_leave(db->set, db) != DB_OK) {
		snprintf(db->error, sizeof(db->error),
		    "its files are changing");
		return DB_CHANGING;
	}
	db_close(db);
	return DB_OK;
}

bool
db_replaced(struct db *db)
{
	return !dbset_is_whole(db->set, db);
}

enum db_status
db_data_version(struct db *db, int64_t *version)
{
	sqlite3_stmt *stmt = db->stmt[DB_DATA_VERSION];
	enum db_status status;
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		*version = sqlite3_column_int64(stmt, 0);
	status = db_status(db, rc);
	sqlite3_reset(stmt);
	return status;
}

enum db_status
db_set_max_data(struct db *db, int64_t bytes)
{
	sqlite3_bind_int64(db->stmt[DB_MAX_DATA_SET], 1, bytes);
	return db_run(db, DB_MAX_DATA_SET);
}

void
db_set_busy(struct db *db, int busy_ms)
{
	if (db->handle != NULL)
		sqlite3_busy_timeout(db->handle, busy_ms);
}

enum db_status
db_set_power(struct db *db, bool power)
{
	return db_exec(db, power ? sql_power : sql_process);
}

static enum db_status
say_replaced(struct db *db)
{
	bool there = dbset_is_there(db->set);

	snprintf(db->error, sizeof(db->error), "%s",
	    there ? "its files are changing" : "the database file is gone");
	return there ? DB_CHANGING : DB_MISSING;
}

static enum db_status
begin(struct db *db, enum db_statement which, const char *site)
{
	enum db_status status;

	if (db->begin_site != NULL)
		log_warnx("%s begins inside the transaction of %s", site,
		    db->begin_site);
	status = db_run(db, which);
	if (status == DB_OK)
		db->begin_site = site;
	else if (status == DB_MISSING && db_replaced(db))
		status = say_replaced(db);
	return status;
}

enum db_status
db_begin_read(struct db *db, const char *site)
{
	return begin(db, DB_BEGIN, site);
}

enum db_status
db_begin_write(struct db *db, const char *site)
{
	if (db_replaced(db))
		return say_replaced(db);
	return begin(db, DB_BEGIN_IMMEDIATE, site);
}

enum db_status
db_commit(struct db *db)
{
	enum db_status status = db_run(db, DB_COMMIT);

	if (status == DB_OK)
		db->begin_site = NULL;
	else
		db_rollback(db);
	return status;
}

void
db_rollback(struct db *db)
{
	if (sqlite3_get_autocommit(db->handle) == 0)
		db_run(db, DB_ROLLBACK);
	db->begin_site = NULL;
}
