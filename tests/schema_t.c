/* SPDX-License-Identifier: MIT */
/*
 * The schema: the steps from one version to the next, and the checks that a
 * foreign writer meets.
 */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/str.h"
#include "shared/table/db.h"
#include "shared/table/schema.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static void
test_migrations(void)
{
	static const char *const steps[] = { "this step is never looked at",
		"CREATE TABLE two (x); INSERT INTO two VALUES (2); "
		"PRAGMA user_version = 2;",
		"CREATE TABLE three (x); INSERT INTO three VALUES (3); "
		"PRAGMA user_version = 3; INSERT INTO nosuch VALUES (1);" };
	static const char *const mended[] = { "", "",
		"CREATE TABLE three (x); PRAGMA user_version = 3;" };
	const char *path = scratch("migrate.db");
	struct db db = { 0 };

	table_create(path);
	if (db_open(&db, path, DB_WRITER, 100) != DB_OK)
		bail("%s", db.error);
	is_int(schema_version(), 1, "this test begins at version 1");
	is_int(schema_migrate(&db, steps, 1), DB_OK, "nothing to do");
	is_int(foreign_int(db.handle, "PRAGMA user_version"), 1, "version 1");
	ok(schema_migrate(&db, steps, 3) != DB_OK, "a step that fails");
	ok(strstr(db.error, "nosuch") != NULL, "and why");
	is_int(foreign_int(db.handle, "PRAGMA user_version"), 2,
	    "the steps before it stay");
	is_int(foreign_int(db.handle, "SELECT x FROM two"), 2,
	    "with what they did");
	is_int(foreign_int(db.handle,
		   "SELECT count(*) FROM sqlite_schema WHERE name = 'three'"),
	    0, "of itself nothing stays");
	ok(sqlite3_get_autocommit(db.handle), "no transaction is left open");
	is_int(schema_migrate(&db, mended, 3), DB_OK, "the mended step");
	is_int(foreign_int(db.handle, "PRAGMA user_version"), 3, "version 3");
	is_int(schema_migrate(&db, mended, 2), DB_NOT_OURS,
	    "a program that knows less refuses");
	db_close(&db);
	is_int(db_open(&db, path, DB_WRITER, 100), DB_NOT_OURS,
	    "and so does opening");
}

/* A foreign INSERT, and the word in the refusal; NULL = taken. */
static const struct {
	const char *sql, *word;
} inserts[] = {
	{ "(channel) VALUES ('a')", NULL },
	{ "(channel, data) VALUES ('a', x'00ff')", NULL },
	{ "(channel, data) VALUES ('a', 12.5)", NULL },
	{ "(channel, data) VALUES ('https://a/b?c#d', 'x')", NULL },
	{ "(channel, data) VALUES ('*[]^-', 'x')", NULL },
	{ "(channel, data) VALUES ('caf\xc3\xa9', 'x')", NULL },
	{ "(channel, data) VALUES (char(160), 'x')", NULL },
	{ "(channel, data) VALUES (printf('%.255c', 'x'), '')", NULL },
	{ "(channel, data) VALUES (printf('%.256c', 'x'), '')", "channel" },
	{ "(channel, data) VALUES (printf('%.128c', '\xc3\xa9'), '')",
	    "channel" },
	{ "(data) VALUES ('x')", "channel" },
	{ "(channel) VALUES (NULL)", "channel" },
	{ "(channel) VALUES ('')", "channel" },
	{ "(channel) VALUES (x'61')", "channel" },
	{ "(channel) VALUES (char(97, 0, 98))", "channel" },
	{ "(channel) VALUES (char(97, 1))", "channel" },
	{ "(channel) VALUES (char(97, 10))", "channel" },
	{ "(channel) VALUES (char(31))", "channel" },
	{ "(channel) VALUES (char(127))", "channel" },
	{ "(channel) VALUES (char(128))", "channel" },
	{ "(channel) VALUES (char(159))", "channel" },
	{ "(channel, data) VALUES ('a', NULL)", "data" },
	{ "(channel, event) VALUES ('a', 'slide')", NULL },
	{ "(channel, event) VALUES ('a', NULL)", NULL },
	{ "(channel, event) VALUES ('a', '')", "event" },
	{ "(channel, event) VALUES ('a', char(10))", "event" },
	{ "(channel, event) VALUES ('a', char(13))", "event" },
	{ "(channel, event) VALUES ('a', x'61')", "event" },
	{ "(channel, event) VALUES ('a', 'tidings.reset')", "event" },
	{ "(channel, event) VALUES ('a', 'tidings')", NULL },
	{ "(channel, event) VALUES ('a', printf('%.256c', 'x'))", "event" },
	{ "(channel, content_type) VALUES ('a', 'image/png')", NULL },
	{ "(channel, content_type) VALUES ('a', '')", "content_type" },
	{ "(channel, content_type) VALUES ('a', char(10))", "content_type" },
	{ "(channel, content_type) VALUES ('a', '\xc3\xa9')", "content_type" },
	{ "(channel, created_ms) VALUES ('a', 'now')", "created_ms" },
	{ "(channel, created_ms) VALUES ('a', 5)", NULL },
	{ "(channel, expires_ms) VALUES ('a', 5)", NULL },
	{ "(channel, expires_ms) VALUES ('a', 'soon')", "expires_ms" },
	{ "(channel, dedup) VALUES ('a', '')", "dedup" },
	{ "(channel, dedup) VALUES ('a', printf('%.256c', 'x'))", "dedup" },
	{ "(channel, data) VALUES ('a', zeroblob(1048576))", NULL },
	{ "(channel, data) VALUES ('a', zeroblob(1048577))", "max_data" },
	{ "(channel, data) VALUES ('a', printf('%.1048577c', 'x'))",
	    "max_data" },
	{ "(id, channel) VALUES (1, 'a')", "id" },
	{ "(id, channel) VALUES (-5, 'a')", "grow" },
	{ "(id, channel) VALUES (9007199254740992, 'a')", "grow" },
};

static void
test_schema(void)
{
	const char *path = scratch("schema.db");
	sqlite3 *handle;

	table_create(path);
	handle = foreign_open(path);
	for (size_t i = 0; i < N(inserts); i++) {
		int rc = foreign_run(handle, "INSERT INTO changes %s",
		    inserts[i].sql);

		if (inserts[i].word == NULL) {
			if (!is_int(rc, 0, "INSERT, row %zu", i))
				diag("%s", sqlite3_errmsg(handle));
		} else if (is_int(rc, SQLITE_CONSTRAINT,
			       "INSERT is refused, row %zu", i)) {
			if (!ok(strstr(sqlite3_errmsg(handle),
				    inserts[i].word) != NULL,
				"for its %s", inserts[i].word))
				diag("%s", sqlite3_errmsg(handle));
		}
	}
	is_int(foreign_run(handle, "UPDATE changes SET data = 'y'"),
	    SQLITE_CONSTRAINT, "messages are never altered");
	foreign_run(handle, "INSERT INTO changes (channel) VALUES ('z')");
	foreign_run(handle, "DELETE FROM changes WHERE channel = 'z'");
	ok(foreign_int(handle,
	       "SELECT pruned_id FROM watermarks WHERE channel = 'z'") ==
		foreign_int(handle, "SELECT seq FROM sqlite_sequence"),
	    "a deletion leaves its watermark");
	is_int(foreign_run(handle,
		   "INSERT INTO changes (id, channel) VALUES ((SELECT "
		   "pruned_id FROM watermarks WHERE channel = 'z'), 'z')"),
	    SQLITE_CONSTRAINT, "and its id does not come back");
	is_int(foreign_run(handle,
		   "INSERT OR REPLACE INTO changes (id, channel) VALUES "
		   "((SELECT min(id) FROM changes), 'z')"),
	    SQLITE_CONSTRAINT, "not by OR REPLACE either");
	foreign_close(handle);
}

/* What name_valid takes the schema takes, and the other way round. */
static void
test_names_agree(void)
{
	const char *path = scratch("names.db");
	sqlite3_stmt *stmt;
	sqlite3 *handle;
	unsigned wrong = 0;

	table_create(path);
	handle = foreign_open(path);
	foreign_run(handle, "BEGIN");
	sqlite3_prepare_v2(handle,
	    "INSERT INTO changes (channel, event) VALUES (?1, ?1)", -1, &stmt,
	    NULL);
	for (unsigned c = 0; c < 0x110000; c += c < 0x3100 ? 1 : 4093) {
		struct str name = { 0 };
		bool taken;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		str_addz(&name, "a");
		if (c < 0x80)
			str_addf(&name, "%c", (int)c);
		else if (c < 0x800)
			str_addf(&name, "%c%c", (int)(0xc0 | c >> 6),
			    (int)(0x80 | (c & 63)));
		else if (c < 0x10000)
			str_addf(&name, "%c%c%c", (int)(0xe0 | c >> 12),
			    (int)(0x80 | (c >> 6 & 63)),
			    (int)(0x80 | (c & 63)));
		else
			str_addf(&name, "%c%c%c%c", (int)(0xf0 | c >> 18),
			    (int)(0x80 | (c >> 12 & 63)),
			    (int)(0x80 | (c >> 6 & 63)),
			    (int)(0x80 | (c & 63)));
		sqlite3_bind_text(stmt, 1, name.p, (int)name.len,
		    SQLITE_TRANSIENT);
		taken = sqlite3_step(stmt) == SQLITE_DONE;
		sqlite3_reset(stmt);
		if (taken != name_valid(name.p, name.len)) {
			wrong++;
			diag("U+%04X: the schema says %d", c, taken);
		}
		str_free(&name);
	}
	is_int(wrong, 0, "schema and name_valid agree about each character");
	sqlite3_finalize(stmt);
	foreign_run(handle, "COMMIT");
	foreign_close(handle);
}

int
main(void)
{
	test_migrations();
	test_schema();
	test_names_agree();
	return done();
}
