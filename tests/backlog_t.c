/* SPDX-License-Identifier: MIT */
/*
 * What a client has missed: on random data the walk along indexes must come to
 * the same as a plain look at every row.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/str.h"
#include "shared/table/backlog.h"
#include "shared/table/change.h"
#include "shared/table/head.h"
#include "shared/table/place.h"
#include "shared/table/want.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define ROWS     6000
#define W(literal, prefix)                                                     \
	{                                                                      \
		literal, sizeof(literal) - 1, prefix, 0                        \
	}

/* A row of the table, as it was put in. */
struct row {
	int64_t id;       /* 0 = deleted */
	char channel[16]; /* its channel */
	bool expired;     /* not to be handed out */
};

static struct db db;
static struct row rows[ROWS];
static uint32_t seed = 99;

static uint32_t
dice(uint32_t bound)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % bound;
}

static void
fill(void)
{
	static const char *const names[] = { "a", "ab", "abc", "b", "b.x",
		"b.y", "b.x.z", "c", "\xc3\xa9", "zz", "A", "aB" };

	table_make(&db, scratch("backlog.db"));
	foreign_run(db.handle, "BEGIN");
	for (int i = 0; i < ROWS; i++) {
		/* A few channels are busy, one hardly ever. */
		uint32_t c = dice(3) == 0 ? dice(12) : dice(4);

		snprintf(rows[i].channel, sizeof(rows[i].channel), "%s",
		    c == 9 && dice(20) > 0 ? "c" : names[c]);
		rows[i].expired = dice(25) == 0;
		foreign_run(db.handle,
		    "INSERT INTO changes (channel, data, expires_ms) VALUES "
		    "(%Q, %d, %s)",
		    rows[i].channel, i,
		    rows[i].expired ? "1000"
		    : dice(10) == 0 ? "4102444800000"
				    : "NULL");
		rows[i].id = sqlite3_last_insert_rowid(db.handle);
	}
	foreign_run(db.handle, "COMMIT");
	for (int i = 0; i < ROWS; i++)
		if (dice(30) == 0) {
			foreign_run(db.handle,
			    "DELETE FROM changes WHERE id = %lld",
			    (long long)rows[i].id);
			rows[i].id = 0;
		}
}

/* What was handed over. */
struct got {
	int64_t id[ROWS]; /* in order */
	size_t n;         /* how many */
	size_t stop;      /* says no after so many; 0 = never */
	bool wrong;       /* a row that is not as it was put in */
};

static bool
each(const struct change *ch, void *arg)
{
	struct got *got = arg;

	if (got->n < ROWS)
		got->id[got->n++] = ch->id;
	for (int i = 0; i < ROWS; i++)
		if (rows[i].id == ch->id)
			got->wrong =
			    got->wrong ||
			    strcmp(rows[i].channel, ch->channel) != 0 ||
			    atoi(ch->data) != i;
	return got->stop == 0 || got->n % got->stop != 0;
}

static bool
is_wanted(const struct want *want, size_t n, const char *channel)
{
	for (size_t i = 0; i < n; i++)
		if (want[i].is_prefix
			? strncmp(channel, want[i].name, want[i].len) == 0
			: strcmp(channel, want[i].name) == 0)
			return true;
	return false;
}

/* What the callbacks of a reader need. */
struct reader {
	struct got *got;    /* what came */
	struct wants wants; /* what is wanted */
};

static bool
take(const struct change *ch, void *arg)
{
	return each(ch, ((struct reader *)arg)->got);
}

static bool
wanted(const struct change *ch, void *arg)
{
	return wants_match(&((struct reader *)arg)->wants, ch->channel,
	    ch->channel_len);
}

static enum db_status
no_look(void *arg)
{
	(void)arg;
	return DB_OK;
}

static void
add_wants(struct wants *wants, const struct want *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		wants_add(wants, want[i].name, want[i].len, want[i].is_prefix);
}

/* Reads in as many calls as it takes and compares. */
static bool
compare_by(const struct want *want, size_t n, int64_t after, int64_t upto,
    size_t stop, bool by_index)
{
	static struct got got;
	struct reader reader = { .got = &got };
	struct backlog backlog = { .want = by_index ? want : NULL,
		.n = by_index ? n : 0,
		.wanted = wanted,
		.look = no_look,
		.each = take,
		.arg = &reader };
	int64_t at = after, before;
	size_t j = 0;
	bool finished = false, right = true;

	got = (struct got){ .stop = stop };
	add_wants(&reader.wants, want, n);
	for (int calls = 0; !finished && calls < 20000; calls++) {
		size_t had = got.n;

		before = at;
		if (backlog_read(&db, &backlog, &at, upto, &finished) != DB_OK)
			bail("%s", db.error);
		if (at < before || (stop > 0 && got.n > had + stop))
			right = false;
	}
	for (int i = 0; i < ROWS; i++) {
		if (rows[i].id == 0 || rows[i].expired || rows[i].id <= after ||
		    rows[i].id > upto || !is_wanted(want, n, rows[i].channel))
			continue;
		right = right && j < got.n && got.id[j] == rows[i].id;
		j++;
	}
	wants_free(&reader.wants);
	return right && finished && j == got.n && !got.wrong &&
	       (at == upto || after >= upto);
}

/* As a walk, and along the index where that is possible. */
static bool
compare(const struct want *want, size_t n, int64_t after, int64_t upto,
    size_t stop)
{
	bool any_prefix = false;

	for (size_t i = 0; i < n; i++)
		any_prefix = any_prefix || want[i].is_prefix;
	return compare_by(want, n, after, upto, stop, false) &&
	       (n == 0 || any_prefix ||
		   compare_by(want, n, after, upto, stop, true));
}

static const struct want wants[][8] = {
	{ W("a", false) },
	{ W("zz", false) },
	{ W("nosuch", false) },
	{ W("\xc3\xa9", false) },
	{ W("a", false), W("b", false) },
	{ W("a", false), W("ab", false), W("abc", false), W("zz", false),
	    W("nosuch", false), W("c", false), W("b.x", false) },
	{ W("zz", false), W("nosuch", false) },
	{ W("a", true) },
	{ W("b.", true) },
	{ W("nosuch", true) },
	{ W("a", true), W("ab", true), W("abc", false) },
	{ W("a", false), W("b.", true) },
	{ W("\xc3", true) },
	{ W("\xc3\xa9", true), W("A", false) },
};

static void
test_against_filter(void)
{
	for (size_t i = 0; i < N(wants); i++) {
		unsigned wrong = 0;
		size_t n = 0;

		while (n < 8 && wants[i][n].len > 0)
			n++;
		wrong += !compare(wants[i], n, 0, ROWS, 0);
		wrong += !compare(wants[i], n, 0, ROWS, 1);
		wrong += !compare(wants[i], n, ROWS, ROWS, 0);
		wrong += !compare(wants[i], n, ROWS + 10, ROWS, 0);
		for (int t = 0; t < 12; t++) {
			int64_t after = dice(ROWS), upto = dice(ROWS + 50);

			wrong += !compare(wants[i], n, after, upto,
			    t % 3 == 0 ? 0 : dice(50));
		}
		is_int(wrong, 0, "backlog and filter agree, wants %zu", i);
	}
	ok(compare(wants[0], 0, 0, ROWS, 0), "nothing wanted, nothing read");
}

static void
test_matches(void)
{
	static const struct {
		struct want want;
		const char *channel;
		bool matches;
	} table[] = { { W("a", false), "a", true },
		{ W("a", false), "ab", false }, { W("ab", false), "a", false },
		{ W("a", true), "a", true }, { W("a", true), "ab", true },
		{ W("ab", true), "a", false }, { W("b", true), "ab", false },
		{ W("A", true), "ab", false } };

	struct wants all = { 0 };
	char names[600][8];
	unsigned wrong = 0;

	ok(!wants_match(&all, "a", 1), "nothing is wanted");
	for (size_t i = 0; i < N(table); i++) {
		struct wants one = { 0 };

		add_wants(&one, &table[i].want, 1);
		ok(wants_match(&one, table[i].channel,
		       strlen(table[i].channel)) == table[i].matches,
		    "wants_match, row %zu", i);
		wants_free(&one);
	}
	for (size_t i = 0; i < 600; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i * 7);
		wrong += !wants_add(&all, names[i], strlen(names[i]), i % 3);
		wrong += wants_add(&all, names[i], strlen(names[i]), i % 3);
	}
	is_int((long long)all.n, 600, "each once");
	is_int((long long)all.nprefixes, 400, "prefixes are counted");
	for (size_t i = 0; i < 600; i++) {
		char text[8];

		memcpy(text, names[i], sizeof(text));
		wrong += !wants_match(&all, text, strlen(text));
		wrong += strcmp(all.p[i].name, names[i]) != 0;
	}
	is_int(wrong, 0, "all are found, in their order");
	ok(!wants_match(&all, "x1", 2), "and nothing else");
	wants_free(&all);
}

/* The id before the last `n` rows, by a look at every row. */
static int64_t
before_last(const struct want *want, size_t nwant, int64_t n, int64_t newest)
{
	int64_t after = newest;

	for (int i = ROWS - 1; i >= 0 && n > 0; i--) {
		if (rows[i].id == 0 || rows[i].expired || rows[i].id > newest ||
		    !is_wanted(want, nwant, rows[i].channel))
			continue;
		after = rows[i].id - 1;
		n--;
	}
	return after;
}

/* In pieces as small as they get, or at once. */
static enum db_status
resolve_in(const struct want *want, size_t n, const struct cursor *cursor,
    int64_t newest, int64_t *after, bool *reset, int64_t until_us)
{
	struct wants all = { 0 };
	struct place place;
	enum db_status status = DB_OK;
	bool finished = false;

	add_wants(&all, want, n);
	place_begin(&place, &db, &all, cursor, newest, false);
	while (status == DB_OK && !finished)
		status = place_step(&place, &db, until_us, &finished);
	*after = place.after;
	*reset = place.reset;
	place_end(&place);
	wants_free(&all);
	return status;
}

static enum db_status
resolve(const struct want *want, size_t n, const struct cursor *cursor,
    int64_t newest, int64_t *after, bool *reset)
{
	return resolve_in(want, n, cursor, newest, after, reset, INT64_MAX);
}

static void
test_last(void)
{
	static const int64_t counts[] = { 0, 1, 2, 5, 100, 100000 };

	for (size_t i = 0; i < N(wants); i++) {
		unsigned wrong = 0;
		size_t n = 0;

		while (n < 8 && wants[i][n].len > 0)
			n++;
		for (size_t c = 0; c < N(counts) * 2; c++) {
			struct cursor cursor = { .kind = CURSOR_LAST,
				.id = counts[c / 2] };
			int64_t newest = c % 2 == 0 ? ROWS : ROWS / 2, after;
			bool reset = true;

			for (int64_t until = 0; until <= 1; until++)
				wrong += resolve_in(wants[i], n, &cursor,
					     newest, &after, &reset,
					     until * INT64_MAX) != DB_OK ||
					 reset ||
					 after != before_last(wants[i], n,
						      counts[c / 2], newest);
		}
		is_int(wrong, 0, "-N, wants %zu", i);
	}
}

static void
test_resolve(void)
{
	static const struct want a[] = { W("a", false) };
	static const struct want fresh[] = { W("fresh", false) };
	static const struct want fre[] = { W("fre", true) };
	static const struct want both[] = { W("fresh", false), W("a", false) };
	static const struct {
		const struct want *want;
		size_t n;
		const char *cursor;
		int64_t after; /* relative to the first id of "fresh" */
		bool reset;
	} table[] = {
		{ fresh, 1, "+0", 0, false },
		{ fresh, 1, "+3", 3, false },
		{ fresh, 1, "-1", -1, true },
		{ fre, 1, "-1", -1, true },
		{ fre, 1, "+0", 0, false },
		{ both, 2, "-1", -1, true },
		{ a, 1, "-1", -1, false },
	};
	struct cursor cursor;
	int64_t mark, first, newest, after;
	bool reset;

	foreign_run(db.handle,
	    "INSERT INTO changes (channel) VALUES ('fresh')");
	mark = sqlite3_last_insert_rowid(db.handle);
	for (int i = 0; i < 5; i++)
		foreign_run(db.handle,
		    "INSERT INTO changes (channel) VALUES ('fresh')");
	foreign_run(db.handle, "DELETE FROM changes WHERE id = %lld",
	    (long long)mark);
	first = mark;
	if (head_read(&db, &newest) != DB_OK)
		bail("%s", db.error);
	for (size_t i = 0; i < N(table); i++) {
		cursor = (struct cursor){ .kind = CURSOR_AT,
			.id = first + atoi(table[i].cursor) };
		snprintf(cursor.epoch, sizeof(cursor.epoch), "%s",
		    i % 2 == 0 ? "" : db.epoch);
		is_int(resolve(table[i].want, table[i].n, &cursor, newest,
			   &after, &reset),
		    DB_OK, "resolve, row %zu", i);
		is_int(after - first, table[i].after, "its place");
		ok(reset == table[i].reset, "its reset, row %zu", i);
	}
	cursor = (struct cursor){ .kind = CURSOR_AT, .id = newest };
	resolve(a, 1, &cursor, newest, &after, &reset);
	ok(after == newest && !reset, "the newest id");
	cursor.id = newest + 1;
	resolve(a, 1, &cursor, newest, &after, &reset);
	ok(after == 0 && reset, "beyond the newest is a reset");
	cursor = (struct cursor){ .kind = CURSOR_AT, .id = 1, .epoch = "xx" };
	resolve(a, 1, &cursor, newest, &after, &reset);
	ok(after == 0 && reset, "and so is another epoch");
	cursor = (struct cursor){ .kind = CURSOR_LATEST };
	resolve(a, 1, &cursor, newest, &after, &reset);
	ok(after == newest && !reset, "latest");
	cursor = (struct cursor){ .kind = CURSOR_EARLIEST };
	resolve(fresh, 1, &cursor, newest, &after, &reset);
	ok(after == 0 && !reset, "earliest misses nothing that is kept");
}

/* Names at the end of the alphabet belong to their prefix too. */
static void
test_last_characters(void)
{
	static const char name[] = "q\xf4\x8f\xbf\xbf"
				   "z";
	static const struct want want[] = { W("q", true) };
	struct cursor cursor = { .kind = CURSOR_LAST, .id = 1 };
	int64_t id, after, mark;
	bool reset;

	foreign_run(db.handle, "INSERT INTO changes (channel) VALUES (%Q)",
	    name);
	id = sqlite3_last_insert_rowid(db.handle);
	resolve(want, 1, &cursor, id, &after, &reset);
	is_int(after, id - 1, "-1 of a prefix sees a channel behind U+10FFFF");
	foreign_run(db.handle, "DELETE FROM changes WHERE id = %lld",
	    (long long)id);
	change_watermark(&db, "q", 1, true, &mark);
	is_int(mark, id, "and so does its watermark");
}

int
main(void)
{
	fill();
	test_against_filter();
	test_matches();
	test_last();
	test_resolve();
	test_last_characters();
	db_close(&db);
	return done();
}
