/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_DB_H
#define SHARED_TABLE_DB_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

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

/* Statements, one per file of sql/. */
enum db_statement {
	DB_ANY_EXPIRED,
	DB_APPLICATION_ID,
	DB_BEGIN,
	DB_BEGIN_IMMEDIATE,
	DB_CHANGES_AFTER,
	DB_CHANGES_BEFORE,
	DB_CHANGES_CHANNEL_AFTER,
	DB_CHANGE_DEDUP,
	DB_CHANGE_DELETE,
	DB_CHANGE_EXPIRY,
	DB_CHANGE_GET,
	DB_CHANGE_INSERT,
	DB_CHANGE_INSERT_ROWS,
	DB_CHANNEL_COUNT,
	DB_CHANNEL_EXPIRIES_AFTER,
	DB_CHANNEL_IDS,
	DB_CHANNEL_NEWEST,
	DB_CHANNEL_NEXT_ID,
	DB_CHANNEL_PREVIOUS_ID,
	DB_CHANNEL_TIMES,
	DB_CHANNEL_WATERMARK,
	DB_CHECKPOINT,
	DB_COMMIT,
	DB_COUNT_AFTER,
	DB_DATA_VERSION,
	DB_EPOCH_RENEW,
	DB_EXPIRED_IDS,
	DB_FLOOR_RAISE,
	DB_HEAD,
	DB_INCREMENTAL_VACUUM,
	DB_MAX_DATA_SET,
	DB_PREFIX_WATERMARK,
	DB_PRUNE_BYTES,
	DB_PRUNE_CHANNEL_COUNT,
	DB_PRUNE_NEXT_CHANNEL,
	DB_PRUNE_SWEEP,
	DB_PRUNE_WATERMARKS,
	DB_RELEASE,
	DB_ROLLBACK,
	DB_ROLLBACK_TO,
	DB_SAVEPOINT,
	DB_SCHEMA_VERSION,
	DB_SIZE,
	DB_USER_VERSION,
	DB_WATERMARKS_ABOVE,
	DB_WATERMARKS_AFTER,
	DB_WATERMARK_COUNT,
	DB_WATERMARK_RAISE,
	DB__MAX
};

enum db_mode {
	DB_READER, /* writes are refused */
	DB_WRITER, /* synchronous = NORMAL: survives any crash of programs */
	DB_WRITER_POWER, /* synchronous = FULL: survives loss of power */
};

/*
 * One connection.  `= {0}` is a closed one.  For one thread at a time.
 */
struct db {
	struct sqlite3 *handle;             /* NULL = closed */
	struct sqlite3_stmt *stmt[DB__MAX]; /* prepared at db_open */
	char *path;                         /* ours */
	struct dbset *set;                  /* of its path, NULL = none yet */
	struct file_ids *files;             /* ours: it has open, NULL = none */
	LIST_ENTRY(db) member;              /* in the set, if it has any */
	void (*lost)(void *);               /* see below, or NULL */
	void *lost_arg;                     /* handed to it */
	const char *begin_site;             /* who began, NULL = nobody */
	char epoch[40];                     /* as db_head saw it last */
	char error[256]; /* sentence about the last failure */
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

/* Closes; a closed connection is fine.  `lost` stays. */
void db_close(struct db *db);

/*
 * Closes a connection where db_replaced is true; the old files are put out of
 * use for everybody first.  Returns DB_OK, or DB_CHANGING while a writer is at
 * work in them: the connection is still open, ask again soon.
 */
enum db_status db_leave(struct db *db);

/*
 * Steps of opening, for shared/table/schema and shared/table/dbset: connects without a look
 * at what is inside (`flags` are SQLite's), runs text, reads one integer of a
 * statement that need not be prepared, and closes while it keeps the sentence;
 * it returns `status`.
 */
enum db_status db_connect(struct db *db, const char *path, int flags,
    int busy_ms);
enum db_status db_exec(struct db *db, const char *sql);
enum db_status db_read_integer(struct db *db, enum db_statement which,
    int64_t *value);
enum db_status db_give_up(struct db *db, enum db_status status);

/*
 * Whether the file at db->path, its -wal or its -shm are not those that are
 * open.
 */
bool db_replaced(struct db *db);

/*
 * Opens a file of ours beside the database, such as "-bell", and makes it if
 * need be, for those who may write to the database: whoever can open a file can
 * hold a lock of it.  Returns the descriptor, or -1 with errno set.
 */
int db_open_beside(const char *db_path, const char *suffix);

/*
 * Reads epoch (into db->epoch) and newest id ever given out.  Statement-wise
 * a read of its own unless a transaction is open.
 */
enum db_status db_head(struct db *db, int64_t *newest);

/*
 * Gives the database a new epoch, unless another process did so already
 * (its epoch is not `old` any more).
 */
enum db_status db_renew_epoch(struct db *db, const char *old);

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

/* Steps a statement that returns nothing of use, and finishes with it. */
enum db_status db_run(struct db *db, enum db_statement which);

/* The text of a statement. */
const char *db_statement_text(enum db_statement which);

/* After every use: resets and clears the bindings. */
void db_done(struct sqlite3_stmt *stmt);

/* Translates a result code of SQLite and keeps the sentence in db->error. */
enum db_status db_status(struct db *db, int rc);

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
