/* SPDX-License-Identifier: MIT */
/* The cursor in every form that the contract names. */
#include "config.h"

#include <string.h>

#include "shared/cursor.h"
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

static const struct row etags[] = {
	{ "\"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "ab12-7", CURSOR_AT, 7, "ab12" },
	{ "  \"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "\t\"ab12-7\"  ", CURSOR_AT, 7, "ab12" },
	{ "W/\"ab12-7\"", CURSOR_AT, 7, "ab12" },
	{ "W/ab12-7", CURSOR_AT, 7, "ab12" },
	{ "w/\"ab12-7\"", REFUSED, 0, "" },
	{ "\"ab12-7-gzip\"", CURSOR_AT, 7, "ab12" },
	{ "W/\"ab12-7-gzip\"", CURSOR_AT, 7, "ab12" },
	{ "ab12-7-gzip", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7-br\"", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7-gzip-br\"", REFUSED, 0, "" },
	{ "\"ab12-7-deflate\"", REFUSED, 0, "" },
	{ "\"ab12-7\", \"cd34-8\"", CURSOR_AT, 7, "ab12" },
	{ "ab12-7, cd34-8", CURSOR_AT, 7, "ab12" },
	{ "\"ab12-7", REFUSED, 0, "" },
	{ "\"", REFUSED, 0, "" },
	{ "\"\"", REFUSED, 0, "" },
	{ "", REFUSED, 0, "" },
	{ "W/", REFUSED, 0, "" },
	{ "*", CURSOR_LATEST, 0, "" },
	{ " *", CURSOR_LATEST, 0, "" },
	{ "**", REFUSED, 0, "" },
	{ "\"-gzip\"", REFUSED, 0, "" },
	{ "-gzip", REFUSED, 0, "" },
	{ "\"7\"", CURSOR_AT, 7, "" },
	{ "\"latest\"", CURSOR_LATEST, 0, "" },
	{ "\"earliest\"", CURSOR_EARLIEST, 0, "" },
	{ "\"-5\"", CURSOR_LAST, 5, "" },
	{ "\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddaaaaaaaaaabbbbbbbbbb"
	  "ccccccccccdddddddd-1\"",
	    REFUSED, 0, "" },
};

static void
check(const struct row *row, const char *what,
    bool (*parse)(const char *, struct cursor *))
{
	struct cursor cursor;
	bool good = parse(row->text, &cursor);

	if (row->kind == REFUSED) {
		ok(!good, "%s refuses '%s'", what, row->text);
		return;
	}
	if (!ok(good, "%s takes '%s'", what, row->text))
		return;
	is_int(cursor.kind, row->kind, "its kind");
	is_int(cursor.id, row->id, "its number");
	is_str(cursor.epoch, row->epoch, "its epoch");
}

int
main(void)
{
	for (size_t i = 0; i < N(plain); i++)
		check(&plain[i], "cursor_parse", cursor_parse);
	for (size_t i = 0; i < N(etags); i++)
		check(&etags[i], "cursor_parse_etag", cursor_parse_etag);
	return done();
}
