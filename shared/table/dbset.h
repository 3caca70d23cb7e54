/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_DBSET_H
#define SHARED_TABLE_DBSET_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/table/connection.h"

struct dbset;

/*
 * The files of a database are one thing, the set: the file itself, its -wal and
 * its -shm.  If one of them is removed or replaced while it is open, SQLite
 * notices nothing: who opens the database from then on has another set, and
 * neither sees what the other commits.  So each process remembers which files
 * it has open, one `struct dbset` for each path, shared by its connections in
 * any thread.  It lives as long as the process.
 *
 * Where the files are not those any more, all connections of the process leave:
 * the first one saves what is in the lost -wal, where that is safe, and puts
 * the old set out of use for everybody (shared/table/retire).  The new set is
 * opened when the files have been at rest for a moment, and it gets a new
 * epoch.
 */
struct dbset *dbset_of(const char *path);

/*
 * Whether a connection may be opened.  Returns DB_OK, DB_CHANGING, or what is
 * wrong with the files there now, with a sentence of at most `size` bytes.
 */
enum db_status dbset_admit(struct dbset *set, char *error, size_t size);

/*
 * `db` has opened the files.  DB_CHANGING: others have their names already, and
 * it is to be closed.
 */
enum db_status dbset_join(struct dbset *set, struct db *db);

/* What was admitted can't be opened: the files are to be looked at anew. */
void dbset_distrust(struct dbset *set);

/* Whether the files under the name are those that `db` has open. */
bool dbset_is_whole(struct dbset *set, const struct db *db);

/* Whether there is a file under the name at all. */
bool dbset_is_there(const struct dbset *set);

/*
 * `db` is about to leave a set that is not whole; it is retired first.  Returns
 * DB_OK, or DB_CHANGING if a writer is at work in it: ask again soon.
 */
enum db_status dbset_leave(struct dbset *set, struct db *db);

/* Closes the connection of `db`, which may not have joined. */
void dbset_part(struct dbset *set, struct db *db);

/*
 * The epoch of the set as a connection read it.  dbset_is_over tells whether
 * it is the one of a set that was left: the database needs another one.
 */
void dbset_note_epoch(struct dbset *set, const char *epoch);
bool dbset_is_over(struct dbset *set, const char *epoch);

#endif
