/* SPDX-License-Identifier: MIT */
/* The cursor in every form that the contract names. */
#include "config.h"

#include <string.h>

#include "shared/table/cursor.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define REFUSED  -1

struct row {
	const char *text;  /* what a client sends */
	int kind;          /* enum cursor_kind, or REFUSED */
	int64_t id;        /* its number */
	const char *epoch; /* its epoch */
};

static const struct row plain[] = {
	{ "latest", CURSOR_LATEST, 0, "" },
	{ "earliest", CURSOR_EARLIEST, 0, "" },
	{ "Latest", REFUSED, 0, "" },
	{ "latest ", REFUSED, 0, "" },
	{ " latest", REFUSED, 0, "" },
	{ "", REFUSED, 0, "" },
	{ "0", CURSOR_AT, 0, "" },
	{ "7", CURSOR_AT, 7, "" },
	{ "007", CURSOR_AT, 7, "" },
	{ "9007199254740991", CURSOR_AT, 9007199254740991, "" },
	{ "999999999999999999", CURSOR_AT, 999999999999999999, "" },
	{ "1000000000000000000", REFUSED, 0, "" },
	{ "99999999999999999999999", REFUSED, 0, "" },
	{ "+7", REFUSED, 0, "" },
	{ "7 ", REFUSED, 0, "" },
	{ "7a", REFUSED, 0, "" },
	{ "0x7", REFUSED, 0, "" },
	{ "7.0", REFUSED, 0, "" },
	{ "-", REFUSED, 0, "" },
	{ "-0", CURSOR_LAST, 0, "" },
	{ "-1", CURSOR_LAST, 1, "" },
	{ "-250", CURSOR_LAST, 250, "" },
	{ "--1", REFUSED, 0, "" },
	{ "-1-1", REFUSED, 0, "" },
	{ "-a", REFUSED, 0, "" },
	{ "ab12-7", CURSOR_AT, 7, "ab12" },
	{ "a-0", CURSOR_AT, 0, "a" },
	{ "123-456", CURSOR_AT, 456, "123" },
	{ "latest-4", CURSOR_AT, 4, "latest" },
	{ "AB12-7", REFUSED, 0, "" },
	{ "ab 12-7", REFUSED, 0, "" },
	{ "ab_12-7", REFUSED, 0, "" },
	{ "ab12-", REFUSED, 0, "" },
	{ "ab12--7", REFUSED, 0, "" },
	{ "ab12-7-8", REFUSED, 0, "" },
	{ "ab12-x", REFUSED, 0, "" },
	{ "\xc3\xa9-7", REFUSED, 0, "" },
	{ "abcdefghijklmnopqrstuvwxyz0123456789abc-7", CURSOR_AT, 7,
	    "abcdefghijklmnopqrstuvwxyz0123456789abc" },
	{ "abcdefghijklmnopqrstuvwxyz0123456789abcd-7", REFUSED, 0, "" },
	{ "\"ab12-7\"", REFUSED, 0, "" },
	{ "W/\"ab12-7\"", REFUSED, 0, "" },
};

#define FOREIGN -2 /* well-formed, but no cursor */

/* Read where the present epoch is ab12. */
static const struct row tags[] = {
	{ "\"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "ab12-7", CURSOR_AT, 7, "ab12" },
	{ "  \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\t\"ab12-7\"  ", CURSOR_AT, 7, "ab12" },
	{ "W/\"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "W/ab12-7", CURSOR_AT, 7, "ab12" },
	{ "w/\"ab12-7\"", REFUSED, 0, "" },
	{ "W/ \"ab12-7\"", REFUSED, 0, "" },
	{ "\"ab12-7-gzip\"", CURSOR_AT, 7, "ab12" },
	{ "W/\"ab12-7-gzip\"", CURSOR_AT, 7, "ab12" },
	{ "ab12-7-gzip", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7-br\"", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7-gzip-br\"", FOREIGN, 0, "" },
	{ "\"ab12-7-deflate\"", FOREIGN, 0, "" },
	{ "\"7\"", CURSOR_AT, 7, "" },
	{ "\"latest\"", CURSOR_LATEST, 0, "" },
	{ "\"earliest\"", CURSOR_EARLIEST, 0, "" },
	{ "\"-5\"", CURSOR_LAST, 5, "" },
	{ "*", CURSOR_LATEST, 0, "" },
	{ " * ", CURSOR_LATEST, 0, "" },
	{ "\"*\"", FOREIGN, 0, "" },
	{ "**", REFUSED, 0, "" },
	{ "*, \"ab12-7\"", REFUSED, 0, "" },
	{ "\"ab12-7\", *", REFUSED, 0, "" },
	{ "W/*", REFUSED, 0, "" },
	/* Lists: the newest that is of this database. */
	{ "\"ab12-7\", \"ab12-9\"", CURSOR_AT, 9, "ab12" },
	{ "\"ab12-9\", \"ab12-7\"", CURSOR_AT, 9, "ab12" },
	{ "\"ab12-9\",\"ab12-10\"", CURSOR_AT, 10, "ab12" },
	{ "\"ab12-7\", \"cd34-8\"", CURSOR_AT, 7, "ab12" },
	{ "\"cd34-8\", \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\"cd34-8\" , W/\"ab12-7-gzip\"", CURSOR_AT, 7, "ab12" },
	{ "\"cd34-8\", \"cd34-9\"", CURSOR_AT, 8, "cd34" },
	{ "ab12-7, cd34-8", CURSOR_AT, 7, "ab12" },
	{ "\"foreign\", \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7\", \"foreign\"", CURSOR_AT, 7, "ab12" },
	{ "\"a,b\", \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\"8\", \"ab12-7\"", CURSOR_AT, 8, "" },
	{ "\"latest\", \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7\", \"latest\"", CURSOR_AT, 7, "ab12" },
	{ ",, \"ab12-7\" , ,", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7\" \"ab12-8\"", REFUSED, 0, "" },
	{ "\"ab12-7\"\"ab12-8\"", REFUSED, 0, "" },
	{ "\"ab12-7\"x", REFUSED, 0, "" },
	{ "\"ab12-7\", x y", REFUSED, 0, "" },
	/* Of others. */
	{ "\"33a64df551425fcc55e4d42a148795d9f25f89d4\"", FOREIGN, 0, "" },
	{ "W/\"5e-61a2b3\"", FOREIGN, 0, "" },
	{ "\"a\", W/\"b\"", FOREIGN, 0, "" },
	{ "\"nonsense!\"", FOREIGN, 0, "" },
	{ "\"\xc3\xa9\"", FOREIGN, 0, "" },
	{ "\"\"", FOREIGN, 0, "" },
	{ "\"-gzip\"", FOREIGN, 0, "" },
	{ "\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddaaaaaaaaaabbbbbbbbbb"
	  "ccccccccccdddddddd-1\"",
	    FOREIGN, 0, "" },
	/* No tags at all. */
	{ "\"ab12-7", REFUSED, 0, "" },
	{ "\"", REFUSED, 0, "" },
	{ "", REFUSED, 0, "" },
	{ " , ", REFUSED, 0, "" },
	{ "W/", REFUSED, 0, "" },
	{ "-gzip", REFUSED, 0, "" },
	{ "foreign", REFUSED, 0, "" },
	{ "\"a b\"", REFUSED, 0, "" },
	{ "\"a\x7f\"", REFUSED, 0, "" },
	{ "\"a\tb\"", REFUSED, 0, "" },
};

static void
check_cursor(const struct row *row, const struct cursor *cursor)
{
	is_int(cursor->kind, row->kind, "its kind");
	is_int(cursor->id, row->id, "its number");
	is_str(cursor->epoch, row->epoch, "its epoch");
}

static void
check_plain(const struct row *row)
{
	struct cursor cursor;
	bool good = cursor_parse(row->text, &cursor);

	if (row->kind == REFUSED)
		ok(!good, "refused: '%s'", row->text);
	else if (ok(good, "taken: '%s'", row->text))
		check_cursor(row, &cursor);
}

static void
check_tags(const struct row *row)
{
	struct cursor cursor;
	enum cursor_tags got = cursor_parse_tags(row->text, "ab12", &cursor);

	is_int(got,
	    row->kind == REFUSED   ? CURSOR_TAGS_BAD
	    : row->kind == FOREIGN ? CURSOR_TAGS_FOREIGN
				   : CURSOR_TAGS_OURS,
	    "tags '%s'", row->text);
	if (row->kind >= 0 && got == CURSOR_TAGS_OURS)
		check_cursor(row, &cursor);
}

int
main(void)
{
	for (size_t i = 0; i < N(plain); i++)
		check_plain(&plain[i]);
	for (size_t i = 0; i < N(tags); i++)
		check_tags(&tags[i]);
	return done();
}
