/* SPDX-License-Identifier: MIT */
/*
 * A message: from a row, to text and JSON, into the table.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/rows.h"

/* Columns of the statements that read messages. */
enum column {
	COL_ID,
	COL_CHANNEL,
	COL_EVENT,
	COL_CONTENT_TYPE,
	COL_CREATED_MS,
	COL_EXPIRES_MS,
	COL_DATA,
};

#define COUNT_STEP 2000 /* rows counted by one statement */
#define COUNT_LOOK 64   /* rows between two looks at the clock */

void
change_read_key(struct change *ch, struct sqlite3_stmt *stmt)
{
	ch->id = sqlite3_column_int64(stmt, COL_ID);
	ch->channel = (const char *)sqlite3_column_text(stmt, COL_CHANNEL);
	ch->channel_len = (size_t)sqlite3_column_bytes(stmt, COL_CHANNEL);
}

void
change_read_rest(struct change *ch, struct sqlite3_stmt *stmt)
{
	ch->event = (const char *)sqlite3_column_text(stmt, COL_EVENT);
	ch->event_len = (size_t)sqlite3_column_bytes(stmt, COL_EVENT);
	ch->content_type =
	    (const char *)sqlite3_column_text(stmt, COL_CONTENT_TYPE);
	ch->created_ms = sqlite3_column_int64(stmt, COL_CREATED_MS);
	ch->expires_ms = sqlite3_column_int64(stmt, COL_EXPIRES_MS);
	ch->is_blob = sqlite3_column_type(stmt, COL_DATA) == SQLITE_BLOB;
	ch->data = ch->is_blob
		       ? sqlite3_column_blob(stmt, COL_DATA)
		       : (const void *)sqlite3_column_text(stmt, COL_DATA);
	ch->data_len = (size_t)sqlite3_column_bytes(stmt, COL_DATA);
	if (ch->data == NULL)
		ch->data = "";
}

bool
change_expired(const struct change *ch, int64_t now_ms)
{
	return ch->expires_ms != 0 && ch->expires_ms <= now_ms;
}

static void
add_data_url(struct str *out, const struct change *ch)
{
	str_addf(out, "data:%s;base64,",
	    ch->content_type == NULL ? "application/octet-stream"
				     : ch->content_type);
	str_add_base64(out, ch->data, ch->data_len);
}

void
change_add_text(struct str *out, const struct change *ch)
{
	if (ch->is_blob)
		add_data_url(out, ch);
	else
		str_add_utf8(out, ch->data, ch->data_len);
}

void
change_add_json_text(struct str *out, const struct change *ch)
{
	struct str url = { 0 };

	if (!ch->is_blob) {
		str_add_json(out, ch->data, ch->data_len);
		return;
	}
	add_data_url(&url, ch);
	str_add_json(out, url.p, url.len);
	str_free(&url);
}

void
change_add_json(struct str *out, const struct change *ch, const char *epoch)
{
	str_addf(out, "{\"id\":\"%s-%lld\",\"channel\":", epoch,
	    (long long)ch->id);
	str_add_json(out, ch->channel, ch->channel_len);
	str_addz(out, ",\"event\":");
	if (ch->event == NULL)
		str_addz(out, "null");
	else
		str_add_json(out, ch->event, ch->event_len);
	str_addz(out, ",\"data\":");
	change_add_json_text(out, ch);
	str_addf(out, ",\"time\":%lld", (long long)ch->created_ms);
	if (ch->content_type != NULL) {
		str_addz(out, ",\"content_type\":");
		str_add_json(out, ch->content_type, strlen(ch->content_type));
	}
	str_addz(out, "}");
}

static void
bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	/* A NULL pointer binds NULL. */
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void
bind_data(sqlite3_stmt *stmt, int at, const struct message *msg)
{
	const char *data = msg->data == NULL ? "" : msg->data;

	if (msg->is_blob)
		sqlite3_bind_blob64(stmt, at, data, msg->data_len,
		    SQLITE_STATIC);
	else
		sqlite3_bind_text64(stmt, at, data, msg->data_len,
		    SQLITE_STATIC, SQLITE_UTF8);
}

/* The message that has this dedup already; no row: SQLITE_DONE. */
static enum db_status
find_dedup(struct db *db, const struct message *msg, int64_t *id)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_DEDUP];
	enum db_status status;
	bool same;
	int rc;

	bind_text(stmt, 1, msg->channel);
	bind_text(stmt, 2, msg->dedup);
	bind_text(stmt, 3, msg->event);
	bind_data(stmt, 4, msg);
	bind_text(stmt, 5, msg->content_type);
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		status = db_status(db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
		db_done(stmt);
		return status;
	}
	*id = sqlite3_column_int64(stmt, 0);
	same = sqlite3_column_int(stmt, 1) != 0;
	db_done(stmt);
	if (!same)
		snprintf(db->error, sizeof(db->error),
		    "the idempotency key was used for another message of this "
		    "channel");
	return same ? DB_OK : DB_REFUSED;
}

enum db_status
change_publish(struct db *db, const struct message *msg, int64_t *id,
    bool *again)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_INSERT];
	enum db_status status;

	*again = false;
	bind_text(stmt, 1, msg->channel);
	bind_text(stmt, 2, msg->event);
	bind_data(stmt, 3, msg);
	bind_text(stmt, 4, msg->content_type);
	if (msg->expires_ms != 0)
		sqlite3_bind_int64(stmt, 5, msg->expires_ms);
	bind_text(stmt, 6, msg->dedup);
	status = db_status(db, sqlite3_step(stmt));
	db_done(stmt);
	if (status != DB_OK)
		return status;
	if (msg->dedup != NULL && sqlite3_changes(db->handle) == 0) {
		*again = true;
		return find_dedup(db, msg, id);
	}
	*id = sqlite3_last_insert_rowid(db->handle);
	return DB_OK;
}

enum db_status
change_publish_all(struct db *db, const struct message *const *messages,
    size_t n, int64_t newest, int64_t *first, bool *all)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_INSERT_ROWS];
	struct rows rows = { .message = messages, .n = n };
	enum db_status status;

	rows_bind(stmt, 1, &rows);
	status = db_status(db, sqlite3_step(stmt));
	db_done(stmt);
	*first = newest + 1;
	*all = status == DB_OK && sqlite3_changes(db->handle) == (int)n &&
	       sqlite3_last_insert_rowid(db->handle) == newest + (int64_t)n;
	return status;
}

enum db_status
change_watermark(struct db *db, const char *name, size_t len, bool is_prefix,
    int64_t *pruned_id)
{
	sqlite3_stmt *stmt = db->stmt[is_prefix ? STATEMENT_PREFIX_WATERMARK
						: STATEMENT_CHANNEL_WATERMARK];
	enum db_status status;
	int rc;

	sqlite3_bind_text(stmt, 1, name, (int)len, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*pruned_id = sqlite3_column_int64(stmt, 0);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* One integer of a bound statement; *value is left alone if there is none. */
static enum db_status
read_integer(struct db *db, sqlite3_stmt *stmt, int64_t *value)
{
	enum db_status status;
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*value = sqlite3_column_int64(stmt, 0);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

enum db_status
change_any_expired(struct db *db, bool *any)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_ANY_EXPIRED];
	enum db_status status;
	int64_t found = 0;

	sqlite3_bind_int64(stmt, 1, clock_wall_ms());
	status = read_integer(db, stmt, &found);
	*any = found != 0;
	return status;
}

enum db_status
change_is_expired(struct db *db, int64_t id, bool *expired)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_EXPIRY];
	struct change ch = { 0 };
	enum db_status status;

	sqlite3_bind_int64(stmt, 1, id);
	status = read_integer(db, stmt, &ch.expires_ms);
	*expired = change_expired(&ch, clock_wall_ms());
	return status;
}

static void
add_to_info(struct change_info *info, int64_t n, int64_t first, int64_t last)
{
	if (n > 0 && info->count == 0)
		info->first_id = first;
	if (n > 0)
		info->last_id = last;
	info->count += n;
}

/* Row by row, as some may have run out. */
static enum db_status
count_rows(struct db *db, struct change_info *info, const char *channel,
    int64_t until_us, bool *done)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANNEL_EXPIRIES_AFTER];
	int64_t now_ms = clock_wall_ms();
	enum db_status status;
	int rows = 0, rc;

	bind_text(stmt, 1, channel);
	sqlite3_bind_int64(stmt, 2, info->seen_id);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct change ch = { .id = sqlite3_column_int64(stmt, 0),
			.expires_ms = sqlite3_column_int64(stmt, 1) };

		info->seen_id = ch.id;
		if (!change_expired(&ch, now_ms))
			add_to_info(info, 1, ch.id, ch.id);
		if (++rows % COUNT_LOOK == 0 && clock_mono_us() >= until_us)
			break;
	}
	*done = rc == SQLITE_DONE;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* As many as one statement counts; they are in an index. */
static enum db_status
count_step(struct db *db, sqlite3_stmt *stmt, struct change_info *info,
    bool *done)
{
	enum db_status status;
	int rc = sqlite3_step(stmt);

	*done = true;
	if (rc == SQLITE_ROW) {
		int64_t n = sqlite3_column_int64(stmt, 0);

		info->seen_id =
		    n == 0 ? info->seen_id : sqlite3_column_int64(stmt, 2);
		add_to_info(info, n, sqlite3_column_int64(stmt, 1),
		    info->seen_id);
		*done = n < COUNT_STEP;
	}
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

enum db_status
change_count(struct db *db, struct change_info *info, const char *channel,
    int64_t until_us, bool *done)
{
	enum db_status status;
	bool any_expired = false;

	*done = false;
	status = channel == NULL ? DB_OK : change_any_expired(db, &any_expired);
	if (status == DB_OK && any_expired)
		return count_rows(db, info, channel, until_us, done);
	while (status == DB_OK && !*done) {
		sqlite3_stmt *stmt =
		    db->stmt[channel == NULL ? STATEMENT_COUNT_AFTER
					     : STATEMENT_CHANNEL_COUNT];
		int at = 1;

		if (channel != NULL)
			bind_text(stmt, at++, channel);
		sqlite3_bind_int64(stmt, at++, info->seen_id);
		sqlite3_bind_int(stmt, at, COUNT_STEP);
		status = count_step(db, stmt, info, done);
		if (clock_mono_us() >= until_us)
			break;
	}
	return status;
}
