/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_ROWS_H
#define SHARED_TABLE_ROWS_H

#include <stddef.h>

struct message;
struct sqlite3;
struct sqlite3_stmt;

/* Messages that a statement reads as rows of tidings_rows(?), in order. */
struct rows {
	const struct message *const *message; /* borrowed */
	size_t n;                             /* of them */
};

/*
 * Makes tidings_rows known to a connection; its columns are those of
 * sql/rows.sql.  Returns SQLite's result code, 0 = fine.
 */
int rows_register(struct sqlite3 *handle);

/* Binds rows, which stay the caller's, as a parameter until db_done. */
void rows_bind(struct sqlite3_stmt *stmt, int at, const struct rows *rows);

#endif
