/* SPDX-License-Identifier: MIT */
/*
 * Messages in memory as a table, so that one INSERT stores all of a group.  A
 * statement that has triggers keeps a journal of the pages that it changes, to
 * take back its own work; with one statement for each message that journal
 * costs as much as the rows.
 *
 * Refused: INSERT with many VALUES, which needs a statement for every number
 * of rows, and json_each, which would parse what is parsed already.
 */
#include "config.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>

#include "shared/table/message.h"
#include "shared/table/rows.h"

#define POINTER "tidings_rows" /* type of the pointer that is bound */

/* Columns of sql/rows.sql. */
enum column {
	COL_CHANNEL,
	COL_EVENT,
	COL_DATA,
	COL_CONTENT_TYPE,
	COL_EXPIRES_MS,
	COL_DEDUP,
	COL_ROWS, /* hidden: the parameter */
};

/* A reading of some rows. */
struct reading {
	sqlite3_vtab_cursor base; /* SQLite's */
	const struct rows *rows;  /* or NULL */
	size_t at;                /* the present one */
};

static const char sql_rows[] =
#include "sql/rows.inc"
    ;

static int
rows_connect(sqlite3 *handle, void *arg, int argc, const char *const *argv,
    sqlite3_vtab **vtab, char **error)
{
	int rc = sqlite3_declare_vtab(handle, sql_rows);

	(void)arg;
	(void)argc;
	(void)argv;
	(void)error;
	if (rc != SQLITE_OK)
		return rc;
	/* No view or trigger of the file may name it. */
	sqlite3_vtab_config(handle, SQLITE_VTAB_DIRECTONLY);
	*vtab = calloc(1, sizeof(**vtab));
	return *vtab == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int
rows_disconnect(sqlite3_vtab *vtab)
{
	free(vtab);
	return SQLITE_OK;
}

/* The one plan there is: all of them, in order. */
static int
rows_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	(void)vtab;
	for (int i = 0; i < info->nConstraint; i++) {
		if (info->aConstraint[i].iColumn != COL_ROWS ||
		    info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
		    !info->aConstraint[i].usable)
			continue;
		info->aConstraintUsage[i].argvIndex = 1;
		info->aConstraintUsage[i].omit = 1;
		info->estimatedCost = 1;
		return SQLITE_OK;
	}
	return SQLITE_CONSTRAINT;
}

static int
rows_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	(void)vtab;
	if (reading == NULL)
		return SQLITE_NOMEM;
	*cursor = &reading->base;
	return SQLITE_OK;
}

static int
rows_close(sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static int
rows_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int argc,
    sqlite3_value **argv)
{
	struct reading *reading = (struct reading *)cursor;

	(void)plan;
	(void)text;
	reading->at = 0;
	reading->rows =
	    argc == 1 ? sqlite3_value_pointer(argv[0], POINTER) : NULL;
	return SQLITE_OK;
}

static int
rows_next(sqlite3_vtab_cursor *cursor)
{
	((struct reading *)cursor)->at++;
	return SQLITE_OK;
}

static int
rows_eof(sqlite3_vtab_cursor *cursor)
{
	const struct reading *reading = (const struct reading *)cursor;

	return reading->rows == NULL || reading->at >= reading->rows->n;
}

static void
give_text(sqlite3_context *to, const char *text)
{
	/* A NULL pointer gives NULL. */
	sqlite3_result_text(to, text, -1, SQLITE_STATIC);
}

static void
give_data(sqlite3_context *to, const struct message *m)
{
	const char *data = m->data == NULL ? "" : m->data;

	if (m->is_blob)
		sqlite3_result_blob64(to, data, m->data_len, SQLITE_STATIC);
	else
		sqlite3_result_text64(to, data, m->data_len, SQLITE_STATIC,
		    SQLITE_UTF8);
}

static int
rows_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int column)
{
	const struct reading *reading = (const struct reading *)cursor;
	const struct message *m = reading->rows->message[reading->at];

	switch ((enum column)column) {
	case COL_CHANNEL:
		give_text(to, m->channel);
		break;
	case COL_EVENT:
		give_text(to, m->event);
		break;
	case COL_DATA:
		give_data(to, m);
		break;
	case COL_CONTENT_TYPE:
		give_text(to, m->content_type);
		break;
	case COL_EXPIRES_MS:
		if (m->expires_ms != 0)
			sqlite3_result_int64(to, m->expires_ms);
		break;
	case COL_DEDUP:
		give_text(to, m->dedup);
		break;
	case COL_ROWS:
		break;
	}
	return SQLITE_OK;
}

static int
rows_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	*rowid = (sqlite3_int64)((const struct reading *)cursor)->at;
	return SQLITE_OK;
}

int
rows_register(struct sqlite3 *handle)
{
	/* Without xCreate it is there by its name alone. */
	static const sqlite3_module module = { .iVersion = 0,
		.xConnect = rows_connect,
		.xBestIndex = rows_best_index,
		.xDisconnect = rows_disconnect,
		.xOpen = rows_open,
		.xClose = rows_close,
		.xFilter = rows_filter,
		.xNext = rows_next,
		.xEof = rows_eof,
		.xColumn = rows_column,
		.xRowid = rows_rowid };

	return sqlite3_create_module(handle, POINTER, &module, NULL);
}

void
rows_bind(struct sqlite3_stmt *stmt, int at, const struct rows *rows)
{
	sqlite3_bind_pointer(stmt, at, (void *)(uintptr_t)rows, POINTER, NULL);
}
