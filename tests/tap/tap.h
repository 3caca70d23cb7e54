/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_TAP_H
#define TESTS_TAP_TAP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Test Anything Protocol, version 12.  Every check prints one line with its
 * sentence and returns whether it passed; a failed one says what it got.
 */

/* How many checks follow.  0 = told by done() at the end. */
void plan(unsigned n);

bool ok(bool passed, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool is_int(long long got, long long want, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* NULL is equal to NULL alone. */
bool is_str(const char *got, const char *want, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Bytes, NULs among them. */
bool is_mem(const void *got, size_t got_len, const void *want, size_t want_len,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* A line of explanation. */
void diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Counts `n` checks as passed because something is missing here. */
void skip(unsigned n, const char *why);

/* Ends the whole run: nothing after this could be trusted. */
void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Prints the plan where plan() did not; returns the exit status of main. */
int done(void);

/*
 * A path in a folder of this test's own, which is removed at exit.  The text
 * lives as long as the process.
 */
const char *scratch(const char *name);

/*
 * Multiplies a deadline: 1, or more where the environment says by
 * TIDINGS_PATIENCE that the programs run slowly.
 */
double patience(void);

/* Whether the programs run under that checker: "asan" or "valgrind". */
bool checked_by(const char *tool);

#endif
