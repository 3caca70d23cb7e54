/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_FOREIGN_H
#define TESTS_TAP_FOREIGN_H

#include <stdint.h>

struct sqlite3;

/* A connection to a database as one who knows nothing of Tidings has it. */
struct sqlite3 *foreign_open(const char *path);
void foreign_close(struct sqlite3 *handle);

/*
 * Runs statements; returns SQLite's result code, 0 = fine.  `fmt` is that of
 * sqlite3_mprintf: %Q is a quoted text.
 */
int foreign_run(struct sqlite3 *handle, const char *fmt, ...);

/* The first column of the first row, -1 if there is none. */
int64_t foreign_int(struct sqlite3 *handle, const char *fmt, ...);

#endif
