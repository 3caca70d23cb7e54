/* SPDX-License-Identifier: MIT */
/* A change table for a test of what is below the programs. */
#include "config.h"

#include <stdbool.h>

#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

void
table_make(struct db *db, const char *path)
{
	bool made;

	db_close(db);
	if (db_create(db, path, 0600, &made) != DB_OK)
		bail("%s: %s", path, db->error);
}

void
table_create(const char *path)
{
	struct db db = { 0 };

	table_make(&db, path);
	db_close(&db);
}

void
table_fill(struct sqlite3 *handle, const char *channel, int n, int bytes)
{
	foreign_run(handle,
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
	    "WHERE n < %d) INSERT INTO changes (channel, data) SELECT %Q, "
	    "iif(%d > 0, zeroblob(%d), n) FROM i",
	    n, channel, bytes, bytes);
}

int64_t
table_count(struct sqlite3 *handle, const char *channel)
{
	return foreign_int(handle,
	    "SELECT count(*) FROM changes WHERE channel = %Q", channel);
}

int64_t
table_watermark(struct sqlite3 *handle, const char *channel)
{
	return foreign_int(handle,
	    "SELECT coalesce(max(pruned_id), 0) FROM watermarks WHERE channel "
	    "= %Q",
	    channel);
}
