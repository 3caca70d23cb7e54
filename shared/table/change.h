/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_CHANGE_H
#define SHARED_TABLE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/connection.h"
#include "shared/table/message.h"

struct sqlite3_stmt;
struct str;

/* A message as it lies in the change table. */
struct change {
	int64_t id;               /* order of commit */
	const char *channel;      /* NUL behind it */
	size_t channel_len;       /* bytes */
	const char *event;        /* or NULL for a plain message */
	size_t event_len;         /* bytes */
	const char *content_type; /* or NULL */
	const char *data;         /* never NULL; text or bytes */
	size_t data_len;          /* bytes */
	bool is_blob;             /* data is bytes */
	int64_t created_ms;       /* since 1970 UTC */
	int64_t expires_ms;       /* since 1970 UTC, 0 = never */
};

/*
 * Fills `ch` from the row that `stmt` stands on; the columns are those of
 * sql/changes_after.sql.  Text is borrowed until the next step or reset.
 * change_read_key takes id and channel alone, which spares the reading of large
 * data that nobody waits for.
 */
void change_read_key(struct change *ch, struct sqlite3_stmt *stmt);
void change_read_rest(struct change *ch, struct sqlite3_stmt *stmt);

/* Whether the message ran out before `now_ms` (since 1970 UTC). */
bool change_expired(const struct change *ch, int64_t now_ms);

/*
 * Appends `data` as text: as it is, with ill-formed UTF-8 repaired, or for a
 * BLOB as a data: URL (RFC 2397).
 */
void change_add_text(struct str *out, const struct change *ch);

/* As change_add_text, as a JSON string with its quotes. */
void change_add_json_text(struct str *out, const struct change *ch);

/*
 * Appends the message as a JSON object: id (the cursor), channel, event, data,
 * time, and content_type where there is one.
 */
void change_add_json(struct str *out, const struct change *ch,
    const char *epoch);

/*
 * Publishes inside the transaction that is open on `db`.  Sets *id.  A message
 * whose `dedup` is known is not stored again: *again is true and *id is that of
 * the first one.  Returns DB_OK; DB_REFUSED with db->error set if a check of
 * the schema refuses it, or with *again true if `dedup` was used for another
 * message.  A refusal leaves the rest of the transaction intact.
 */
enum db_status change_publish(struct db *db, const struct message *msg,
    int64_t *id, bool *again);

/*
 * Publishes `n` messages, two or more, by one statement.  *first is set to the
 * id of the first one, the others follow without a gap.  *all tells whether
 * that is what happened; if it is false with DB_OK (a dedup that is known, a
 * trigger of somebody that publishes too) or with DB_REFUSED (a check of the
 * schema), the transaction must be rolled back and the messages published one
 * by one.  `newest` is the newest id of the transaction so far.
 */
enum db_status change_publish_all(struct db *db,
    const struct message *const *messages, size_t n, int64_t newest,
    int64_t *first, bool *all);

/*
 * Up to which id messages of a channel, or of all channels that begin with
 * `name`, may be gone.
 */
enum db_status change_watermark(struct db *db, const char *name, size_t len,
    bool is_prefix, int64_t *pruned_id);

/* Whether any message of the table ran out; whether this one did. */
enum db_status change_any_expired(struct db *db, bool *any);
enum db_status change_is_expired(struct db *db, int64_t id, bool *expired);

/* What is kept of a channel and can be delivered.  `= {0}` begins to count. */
struct change_info {
	int64_t count;    /* messages */
	int64_t first_id; /* 0 = none */
	int64_t last_id;  /* 0 = none */
	int64_t seen_id;  /* looked at up to here */
};

/*
 * Counts the messages of a channel that have not run out, or for NULL all
 * messages of the table, until about `until_us` (monotonic, microseconds).
 * *done tells that `info` is complete; else the caller calls again.
 */
enum db_status change_count(struct db *db, struct change_info *info,
    const char *channel, int64_t until_us, bool *done);

#endif
