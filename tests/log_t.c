/* SPDX-License-Identifier: MIT */
/* The one routine that makes anything safe for a line of a log. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/log.h"
#include "tests/tap/tap.h"

static char lines[8][5000]; /* what the sink got */
static int nlines;          /* rows used */

static void
keep_line(const char *line)
{
	if (nlines < 8)
		snprintf(lines[nlines++], sizeof(lines[0]), "%s", line);
}

static void
test_all_bytes(void)
{
	char all[256], out[2000], one[8];
	size_t measured, written, wrong = 0;

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	measured = log_escape(NULL, 0, all, sizeof(all));
	written = log_escape(out, sizeof(out), all, sizeof(all));
	is_int((long long)measured, (long long)written,
	    "measuring and writing agree");
	is_int((long long)strlen(out), (long long)written,
	    "the length is the one told");
	for (int i = 0; i < 256; i++) {
		bool plain = i >= 0x20 && i < 0x7f && i != '\\';
		char want[8];

		snprintf(want, sizeof(want), plain ? "%c" : "\\x%02x", i);
		written = log_escape(one, sizeof(one), all + i, 1);
		wrong += strcmp(one, want) != 0 || written != strlen(want) ||
			 log_escape(NULL, 0, all + i, 1) != written;
	}
	is_int((long long)wrong, 0, "each of 256 bytes alone");
}

/* As snprintf: whatever the room, a NUL within it and the same length told. */
static void
test_truncation(void)
{
	static const char text[] = "ab\n\\c\xff";
	size_t whole = log_escape(NULL, 0, text, sizeof(text) - 1);
	char out[64], full[64];

	log_escape(full, sizeof(full), text, sizeof(text) - 1);
	is_str(full, "ab\\x0a\\x5cc\\xff", "the whole");
	for (size_t size = 1; size <= whole + 2; size++) {
		size_t n;

		memset(out, '!', sizeof(out));
		n = log_escape(out, size, text, sizeof(text) - 1);
		is_int((long long)n, (long long)whole,
		    "the length with room for %zu", size);
		if (!ok(memchr(out, '\0', size) != NULL,
			"a NUL within the room of %zu", size))
			continue;
		ok(strncmp(out, full, strlen(out)) == 0,
		    "a beginning of the whole in %zu", size);
		ok(out[size] == '!', "nothing behind the room of %zu", size);
	}
	memset(out, '!', sizeof(out));
	log_escape(out, 3, "\n", 1);
	ok(memchr(out, '\0', 3) != NULL,
	    "a NUL also where the first byte does not fit");
	out[0] = '!';
	log_escape(out, 0, "a", 1);
	ok(out[0] == '!', "no room: nothing is written");
	log_escape(out, 1, "", 0);
	is_str(out, "", "nothing to write");
}

static void
test_lines(void)
{
	char big[4000];

	log_init("unit", LOG_LEVEL_INFO);
	log_set_sink(keep_line);
	errno = ENOENT;
	log_warnx("one\ntwo %s", "\x1b[31m");
	is_int(errno, ENOENT, "errno is preserved");
	ok(nlines == 1 && strstr(lines[0], "one\\x0atwo \\x1b[31m") != NULL,
	    "a line is one line");
	ok(strncmp(lines[0], "unit[", 5) == 0, "and names its program");
	log_warn("it");
	ok(strstr(lines[1], ": No such file or directory") != NULL,
	    "log_warn adds errno");
	log_debug("not seen");
	is_int(nlines, 2, "debug is below the level");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("seen");
	is_int(nlines, 3, "and above it when the level is changed");
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	ok(nlines == 4 && strlen(lines[3]) < sizeof(lines[3]) - 1,
	    "a long text is cut, not more");
	log_set_sink(NULL);
}

int
main(void)
{
	test_all_bytes();
	test_truncation();
	test_lines();
	return done();
}
