/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_CONNECTION_H
#define SHARED_TABLE_CONNECTION_H

#include <sys/queue.h>

#include <stdint.h>

#include "shared/table/statement.h"

struct dbset;
struct file_ids;
struct sqlite3;
struct sqlite3_stmt;

#define DB_OUR_ID 1414087751 /* application_id, "TIDG" */

/* How an operation on the database ended. */
enum db_status {
	DB_OK,
	DB_BUSY,     /* somebody else holds the lock: try again soon */
	DB_CHANGING, /* its files are being exchanged: try again soon */
	DB_FULL,     /* no room on the disk, or it does not answer */
	DB_REFUSED,  /* a check of the schema; db->error says which */
	DB_MISSING,  /* no such file, or no right to open it */
	DB_NOT_OURS, /* not a database, not ours, or of another version */
	DB_DAMAGED,  /* corrupt */
	DB_FAILED    /* anything else */
};

/*
 * One connection.  `= {0}` is a closed one.  For one thread at a time.
 */
struct db {
	struct sqlite3 *handle;                    /* NULL = closed */
	struct sqlite3_stmt *stmt[STATEMENT__MAX]; /* prepared by db_open */
	char *path;                                /* ours */
	struct dbset *set;      /* of its path, NULL = none yet */
	struct file_ids *files; /* ours: it has open, NULL = none */
	LIST_ENTRY(db) member;  /* in the set, if it has any */
	void (*lost)(void *);   /* see db_open, or NULL */
	void *lost_arg;         /* handed to it */
	const char *begin_site; /* who began, NULL = nobody */
	char epoch[40];         /* as head_read saw it last */
	char error[256];        /* sentence about the last failure */
};

/*
 * Connects without a look at what is inside; `flags` are SQLite's.  `busy_ms`
 * is how long a call may wait for another writer.  Whatever it returns, the
 * connection is to be closed.
 */
enum db_status db_connect(struct db *db, const char *path, int flags,
    int busy_ms);

/*
 * Closes what has no prepared statements and is in no set.  The sentence stays,
 * and so does `lost`.
 */
void db_disconnect(struct db *db);

/* Runs text that returns nothing of use. */
enum db_status db_exec(struct db *db, const char *sql);

/* One integer of a statement without parameters, prepared or not. */
enum db_status db_read_integer(struct db *db, enum statement which,
    int64_t *value);

/* Steps a statement that returns nothing of use, and finishes with it. */
enum db_status db_run(struct db *db, enum statement which);

/* After every use: resets and clears the bindings. */
void db_done(struct sqlite3_stmt *stmt);

/* Translates a result code of SQLite and keeps the sentence in db->error. */
enum db_status db_status(struct db *db, int rc);

#endif
