/* SPDX-License-Identifier: MIT */
/* Messages: into the table, out of it, as text and as JSON. */
#include "config.h"

#include <string.h>

#include <sqlite3.h>

#include "shared/base/str.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define N(table)   (sizeof(table) / sizeof((table)[0]))
#define B(literal) literal, sizeof(literal) - 1

static struct db db;

static void
open_db(void)
{
	table_make(&db, scratch("change.db"));
}

static enum db_status
publish(const struct message *msg, int64_t *id, bool *again)
{
	enum db_status status;

	*id = -1;
	if (db_begin_write(&db, DB_HERE) != DB_OK)
		bail("%s", db.error);
	status = change_publish(&db, msg, id, again);
	if (db_commit(&db) != DB_OK)
		bail("%s", db.error);
	return status;
}

/* What is published comes back byte for byte. */
static void
test_round_trip(void)
{
	static const struct {
		const char *data;
		size_t len;
		bool is_blob;
		const char *text; /* change_add_text */
		const char *json; /* change_add_json, behind the id */
	} rows[] = {
		{ B("hello"), false, "hello",
		    "\"channel\":\"a\",\"event\":null,\"data\":\"hello\"" },
		{ B(""), false, "",
		    "\"channel\":\"a\",\"event\":null,\"data\":\"\"" },
		{ B("two\nlines"), false, "two\nlines",
		    "\"channel\":\"a\",\"event\":null,"
		    "\"data\":\"two\\nlines\"" },
		{ B("\x00\xff"), true,
		    "data:application/octet-stream;base64,AP8=",
		    "\"channel\":\"a\",\"event\":null,\"data\":"
		    "\"data:application/octet-stream;base64,AP8=\"" },
		{ B(""), true, "data:application/octet-stream;base64,",
		    "\"channel\":\"a\",\"event\":null,\"data\":"
		    "\"data:application/octet-stream;base64,\"" },
		{ B("bad \xff utf"), false, "bad \xef\xbf\xbd utf",
		    "\"channel\":\"a\",\"event\":null,"
		    "\"data\":\"bad \xef\xbf\xbd utf\"" },
		{ B("nul\0in"), false, "nul",
		    "\"channel\":\"a\",\"event\":null,"
		    "\"data\":\"nul\\u0000in\"" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct message msg = { .channel = "a",
			.data = rows[i].data,
			.data_len = rows[i].len,
			.is_blob = rows[i].is_blob };
		sqlite3_stmt *stmt = db.stmt[STATEMENT_CHANGE_GET];
		struct str out = { 0 }, want = { 0 };
		struct change ch;
		int64_t id;
		bool again;

		is_int(publish(&msg, &id, &again), DB_OK, "publish, row %zu",
		    i);
		ok(!again, "is new");
		sqlite3_bind_int64(stmt, 1, id);
		if (sqlite3_step(stmt) != SQLITE_ROW)
			bail("the row is not there");
		change_read_key(&ch, stmt);
		change_read_rest(&ch, stmt);
		is_int(ch.id, id, "its id");
		is_mem(ch.data, ch.data_len, rows[i].data, rows[i].len,
		    "its bytes");
		is_int(ch.is_blob, rows[i].is_blob, "its kind");
		ok(ch.event == NULL && ch.content_type == NULL, "no event");
		ok(ch.created_ms > INT64_C(1600000000000), "its time");
		change_add_text(&out, &ch);
		is_str(out.p, rows[i].text, "as text, row %zu", i);
		str_clear(&out);
		change_add_json(&out, &ch, "ep");
		str_addf(&want, "{\"id\":\"ep-%lld\",%s,\"time\":%lld}",
		    (long long)id, rows[i].json, (long long)ch.created_ms);
		is_str(out.p, want.p, "as JSON, row %zu", i);
		db_done(stmt);
		str_free(&out);
		str_free(&want);
	}
}

static void
test_all_columns(void)
{
	struct message msg = { .channel = "c\"h",
		.event = "e<v>",
		.content_type = "image/png",
		.data = "\x89PNG",
		.data_len = 4,
		.is_blob = true,
		.expires_ms = INT64_C(4102444800000) };
	sqlite3_stmt *stmt = db.stmt[STATEMENT_CHANGE_GET];
	struct str out = { 0 };
	struct change ch;
	int64_t id;
	bool again;

	is_int(publish(&msg, &id, &again), DB_OK, "every column");
	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_step(stmt);
	change_read_key(&ch, stmt);
	change_read_rest(&ch, stmt);
	change_add_json(&out, &ch, "ep");
	ok(strstr(out.p,
	       "\"channel\":\"c\\\"h\",\"event\":\"e\\u003cv\\u003e\","
	       "\"data\":\"data:image/png;base64,iVBORw==\"") != NULL,
	    "in JSON");
	ok(strstr(out.p, "\"content_type\":\"image/png\"}") != NULL,
	    "and its type");
	ok(!change_expired(&ch, INT64_C(4102444799999)), "not yet expired");
	ok(change_expired(&ch, INT64_C(4102444800000)), "expired");
	db_done(stmt);
	str_free(&out);
	/* Nothing of it is left in the statement for the next one. */
	msg = (struct message){ .channel = "c\"h", .data = "x", .data_len = 1 };
	publish(&msg, &id, &again);
	is_int(foreign_int(db.handle,
		   "SELECT event IS NULL AND content_type IS NULL AND "
		   "expires_ms IS NULL AND dedup IS NULL FROM changes WHERE "
		   "id = %lld",
		   (long long)id),
	    1, "no binding survives");
}

static void
test_numbers(void)
{
	static const struct {
		const char *sql, *want;
	} rows[] = { { "12", "12" }, { "-1.5", "-1.5" },
		{ "9007199254740993", "9007199254740993" },
		{ "json_object('a', 1)", "{\"a\":1}" } };

	for (size_t i = 0; i < N(rows); i++) {
		sqlite3_stmt *stmt = db.stmt[STATEMENT_CHANGE_GET];
		struct str out = { 0 };
		struct change ch;

		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data) VALUES ('n', %s)",
		    rows[i].sql);
		sqlite3_bind_int64(stmt, 1,
		    sqlite3_last_insert_rowid(db.handle));
		sqlite3_step(stmt);
		change_read_key(&ch, stmt);
		change_read_rest(&ch, stmt);
		change_add_text(&out, &ch);
		is_str(out.p, rows[i].want, "a number or JSON, row %zu", i);
		db_done(stmt);
		str_free(&out);
	}
}

static void
test_dedup(void)
{
	struct message msg = { .channel = "d",
		.event = "e",
		.data = "once",
		.data_len = 4,
		.dedup = "key" };
	int64_t first, id, count;
	bool again;

	is_int(publish(&msg, &first, &again), DB_OK, "with a dedup");
	ok(!again, "is new");
	is_int(publish(&msg, &id, &again), DB_OK, "the same again");
	ok(again && id == first, "is the first one");
	count = foreign_int(db.handle,
	    "SELECT count(*) FROM changes WHERE channel = 'd'");
	is_int(count, 1, "one row");
	msg.data = "else";
	is_int(publish(&msg, &id, &again), DB_REFUSED, "other data");
	ok(again && id == first, "is told as used before");
	msg.data = "once";
	msg.event = NULL;
	is_int(publish(&msg, &id, &again), DB_REFUSED, "another event");
	msg.event = "e";
	msg.content_type = "text/plain";
	is_int(publish(&msg, &id, &again), DB_REFUSED, "another type");
	msg.content_type = NULL;
	msg.channel = "d2";
	is_int(publish(&msg, &id, &again), DB_OK, "in another channel");
	ok(!again, "it is new");
	msg.channel = "d";
	msg.dedup = "key2";
	is_int(publish(&msg, &id, &again), DB_OK, "another dedup");
	ok(!again, "is new too");
	is_int(foreign_run(db.handle,
		   "INSERT INTO changes (channel, data, dedup) VALUES "
		   "('d', 'foreign', 'key')"),
	    0, "a foreign writer with a known dedup succeeds");
	is_int(foreign_int(db.handle,
		   "SELECT count(*) FROM changes WHERE channel = 'd'"),
	    2, "and stores nothing");
	msg.channel = "bad\n";
	msg.dedup = "key";
	is_int(publish(&msg, &id, &again), DB_REFUSED, "a bad channel");
	ok(!again, "is refused by the schema");
	ok(strstr(db.error, "channel") != NULL, "with its sentence");
}

static void
test_delete(void)
{
	struct change_info info = { 0 };
	int64_t mark;
	bool done = false;

	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < 1234; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data) VALUES ('del', %d)",
		    i);
	foreign_run(db.handle, "COMMIT");
	foreign_run(db.handle,
	    "INSERT INTO changes (channel, expires_ms) VALUES ('del', 1), "
	    "('del', 4102444800000), ('del', 2)");
	/* In pieces as small as they get. */
	for (int i = 0; !done && i < 1000; i++)
		if (change_count(&db, &info, "del", 0, &done) != DB_OK)
			bail("%s", db.error);
	is_int(info.count, 1235, "what has run out is not counted");
	is_int(info.last_id - info.first_id, 1235, "nor first or last");
	foreign_run(db.handle,
	    "DELETE FROM changes WHERE expires_ms IS NOT NULL");
	info = (struct change_info){ 0 };
	is_int(change_count(&db, &info, "del", INT64_MAX, &done), DB_OK,
	    "info");
	ok(done, "at once");
	is_int(info.count, 1234, "count");
	is_int(info.last_id - info.first_id, 1233, "first and last");
	foreign_run(db.handle, "DELETE FROM changes WHERE channel = 'del'");
	is_int(change_watermark(&db, B("del"), false, &mark), DB_OK, "mark");
	is_int(mark, info.last_id + 2, "the watermark is the last id");
	info = (struct change_info){ 0 };
	is_int(change_count(&db, &info, "del", INT64_MAX, &done), DB_OK,
	    "info again");
	ok(info.count == 0 && info.first_id == 0 && info.last_id == 0,
	    "of nothing");
	change_watermark(&db, B("nosuch"), false, &mark);
	is_int(mark, 0, "an unknown channel has none");
	change_watermark(&db, B("de"), true, &mark);
	ok(mark > 0, "a prefix has that of its channels");
	change_watermark(&db, B("del."), true, &mark);
	is_int(mark, 0, "a longer prefix has not");
}

int
main(void)
{
	open_db();
	test_round_trip();
	test_all_columns();
	test_numbers();
	test_dedup();
	test_delete();
	db_close(&db);
	return done();
}
