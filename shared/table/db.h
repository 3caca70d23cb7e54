/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_DB_H
#define SHARED_TABLE_DB_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "shared/table/connection.h"

enum db_mode {
	DB_READER, /* writes are refused */
	DB_WRITER, /* synchronous = NORMAL: survives any crash of programs */
	DB_WRITER_POWER, /* synchronous = FULL: survives loss of power */
};

/*
 * Opens an existing database and prepares every statement.  `busy_ms` is how
 * long a call may wait for another writer.  The database gets a new epoch first
 * if its file is not the one that the epoch was made for (a restored copy), or
 * if its -wal or -shm were taken away while this process had them open.  After
 * such a loss the answer is DB_CHANGING for some two seconds, and for as long
 * as another connection of this process has the lost files open; that one is
 * told by db->lost(db->lost_arg), in the caller's thread, and is to call
 * db_leave soon.
 * Returns DB_OK, or what is wrong with db->error set and the connection closed.
 */
enum db_status db_open(struct db *db, const char *path, enum db_mode mode,
    int busy_ms);

/*
 * The same with the database made if there is none, and brought up to date if
 * it is an older one, as schema_create does.
 */
enum db_status db_create(struct db *db, const char *path, mode_t mode_bits,
    bool *made);

/* Closes; a closed connection is fine.  `lost` stays. */
void db_close(struct db *db);

/* Closes but keeps the sentence; returns `status`. */
enum db_status db_give_up(struct db *db, enum db_status status);

/*
 * Closes a connection where db_replaced is true; the old files are put out of
 * use for everybody first.  Returns DB_OK, or DB_CHANGING while a writer is at
 * work in them: the connection is still open, ask again soon.
 */
enum db_status db_leave(struct db *db);

/*
 * Whether the file at db->path, its -wal or its -shm are not those that are
 * open.
 */
bool db_replaced(struct db *db);

/* Sets the largest `data`, in bytes, that the schema takes. */
enum db_status db_set_max_data(struct db *db, int64_t bytes);

/* How long a call may wait for another writer, other than db_open said. */
void db_set_busy(struct db *db, int busy_ms);

/*
 * Whether the commits that follow survive a loss of power.  Outside a
 * transaction.
 */
enum db_status db_set_power(struct db *db, bool power);

/* PRAGMA data_version: another number whenever another connection committed. */
enum db_status db_data_version(struct db *db, int64_t *version);

/*
 * Transactions.  `site` is DB_HERE, for the complaint about a nested one.
 * db_begin_write is DB_MISSING or DB_CHANGING where db_replaced is true.
 */
#define DB_STRINGIFY_(x) #x
#define DB_STRINGIFY(x)  DB_STRINGIFY_(x)
#define DB_HERE          __FILE__ ":" DB_STRINGIFY(__LINE__)
enum db_status db_begin_read(struct db *db, const char *site);
enum db_status db_begin_write(struct db *db, const char *site);
enum db_status db_commit(struct db *db);
void db_rollback(struct db *db);

#endif
