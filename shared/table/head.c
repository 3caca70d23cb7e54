/* SPDX-License-Identifier: MIT */
/*
 * The head of a database: its epoch, the newest id that was ever given out, and
 * the file that the epoch was made for.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/log.h"
#include "shared/table/dbset.h"
#include "shared/table/head.h"

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
	sqlite3_stmt *stmt = db->stmt[STATEMENT_HEAD];
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
head_read(struct db *db, int64_t *newest)
{
	return read_head(db, newest, NULL, 0);
}

enum db_status
head_renew_epoch(struct db *db, const char *old)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_EPOCH_RENEW];
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

enum db_status
head_check(struct db *db)
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
		status = head_renew_epoch(db, old);
		if (status == DB_OK)
			status = head_read(db, &newest);
		if (status == DB_OK && stored[0] != '\0' && !is_over)
			log_info("%s is a copy or was restored: it has a new "
				 "epoch",
			    db->path);
	}
	return status;
}
