/* SPDX-License-Identifier: MIT */
/*
 * A connection as SQLite has it: its results in our words, its statements run.
 * What may be in the file, and whether it is the right one, is decided above.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/str.h"
#include "shared/table/connection.h"

static const char sql_connect[] =
#include "sql/connect.inc"
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

void
db_disconnect(struct db *db)
{
	struct db closed = { .set = db->set,
		.lost = db->lost,
		.lost_arg = db->lost_arg };

	memcpy(closed.error, db->error, sizeof(closed.error));
	sqlite3_close(db->handle);
	free(db->path);
	*db = closed;
}

enum db_status
db_exec(struct db *db, const char *sql)
{
	return db_status(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

enum db_status
db_read_integer(struct db *db, enum statement which, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(db->handle, statement_text(which), -1, &stmt,
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

void
db_done(struct sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

enum db_status
db_run(struct db *db, enum statement which)
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
