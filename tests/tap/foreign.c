/* SPDX-License-Identifier: MIT */
/* The foreign writer: plain SQL on the file, no function of ours between. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include <sqlite3.h>

#include "tests/tap/foreign.h"
#include "tests/tap/tap.h"

struct sqlite3 *
foreign_open(const char *path)
{
	sqlite3 *handle;

	if (sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		bail("%s: %s", path, sqlite3_errmsg(handle));
	sqlite3_busy_timeout(handle, 10000);
	return handle;
}

void
foreign_close(struct sqlite3 *handle)
{
	sqlite3_close(handle);
}

int
foreign_run(struct sqlite3 *handle, const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int rc;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	rc = sqlite3_exec(handle, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc & 0xff;
}

int64_t
foreign_int(struct sqlite3 *handle, const char *fmt, ...)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = -1;
	va_list ap;
	char *sql;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	if (sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return value;
}
