/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_RETIRE_H
#define SHARED_TABLE_RETIRE_H

#include <stdint.h>

struct file_ids;
struct sqlite3;

/* How retiring went. */
enum retired {
	RETIRED_SAVED,    /* all that was committed is in the database file */
	RETIRED_LOST,     /* what was in the -wal alone is lost */
	RETIRED_BY_OTHER, /* another process did it */
	RETIRE_AGAIN,     /* somebody is at work in it, or the file is gone */
	RETIRE_NEVER      /* it can't be done here */
};

/*
 * Puts a set out of use that is not whole any more.  `handle` is a connection
 * to it, outside any transaction, `open` are its files and `paths` their names;
 * at `whole_ns` (CLOCK_REALTIME_COARSE) they last were the same.
 * What was committed is written to the database file if that is still the same
 * and nobody can have opened the new set; from then on every connection to the
 * old set gets SQLITE_CANTOPEN.  Does not wait; the connection is only good to
 * be closed, or for another try.
 */
enum retired retire_set(struct sqlite3 *handle, const struct file_ids *open,
    int64_t whole_ns, char *const *paths);

#endif
