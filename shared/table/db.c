/* SPDX-License-Identifier: MIT */
/*
 * A connection to the change table: opening with all that can be checked,
 * prepared statements, transactions, versions.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/log.h"
#include "shared/table/db.h"
#include "shared/table/dbset.h"
#include "shared/table/head.h"
#include "shared/table/rows.h"
#include "shared/table/schema.h"

static const char sql_process[] =
#include "sql/durability_process.inc"
    ;
static const char sql_power[] =
#include "sql/durability_power.inc"
    ;
static const char sql_query_only[] =
#include "sql/query_only.inc"
    ;

static enum db_status
check_version(struct db *db)
{
	int64_t id = 0, version = 0;
	enum db_status status;

	status = db_read_integer(db, STATEMENT_APPLICATION_ID, &id);
	if (status == DB_OK)
		status = db_read_integer(db, STATEMENT_USER_VERSION, &version);
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
	for (int i = 0; i < STATEMENT__MAX; i++) {
		int rc = sqlite3_prepare_v3(db->handle, statement_text(i), -1,
		    SQLITE_PREPARE_PERSISTENT, &db->stmt[i], NULL);

		if (rc != SQLITE_OK)
			return db_status(db, rc);
	}
	return DB_OK;
}

/* Closes; the sentence stays. */
enum db_status
db_give_up(struct db *db, enum db_status status)
{
	for (int i = 0; i < STATEMENT__MAX; i++)
		sqlite3_finalize(db->stmt[i]);
	if (db->set != NULL)
		dbset_part(db->set, db);
	db_disconnect(db);
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
		status = head_check(db);
	if (status == DB_OK)
		status = db_exec(db, mode == DB_READER         ? sql_query_only
				     : mode == DB_WRITER_POWER ? sql_power
							       : sql_process);
	return status == DB_OK ? DB_OK : db_give_up(db, status);
}

enum db_status
db_create(struct db *db, const char *path, mode_t mode_bits, bool *made)
{
	enum db_status status = schema_create(db, path, mode_bits, made);

	return status == DB_OK ? db_open(db, path, DB_WRITER, 5000) : status;
}

void
db_close(struct db *db)
{
	db_give_up(db, DB_OK);
	db->error[0] = '\0';
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
	sqlite3_stmt *stmt = db->stmt[STATEMENT_DATA_VERSION];
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
	sqlite3_bind_int64(db->stmt[STATEMENT_MAX_DATA_SET], 1, bytes);
	return db_run(db, STATEMENT_MAX_DATA_SET);
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
begin(struct db *db, enum statement which, const char *site)
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
	return begin(db, STATEMENT_BEGIN, site);
}

enum db_status
db_begin_write(struct db *db, const char *site)
{
	if (db_replaced(db))
		return say_replaced(db);
	return begin(db, STATEMENT_BEGIN_IMMEDIATE, site);
}

enum db_status
db_commit(struct db *db)
{
	enum db_status status = db_run(db, STATEMENT_COMMIT);

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
		db_run(db, STATEMENT_ROLLBACK);
	db->begin_site = NULL;
}
