/* SPDX-License-Identifier: MIT */
/*
 * Test Anything Protocol for the unit tests in C, and a folder to work in.
 * A library of a distribution was refused: this is all that is needed of one.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap/tap.h"

static unsigned planned; /* checks, 0 = told at the end */
static unsigned count;   /* checks so far */
static unsigned failed;  /* of them */
static char *folder;     /* scratch folder, NULL = none yet */
static pid_t owner;      /* who removes it */

/* Paths that were handed out. */
static struct path {
	struct path *next; /* older ones */
	char *text;        /* ours */
} * paths;

void
plan(unsigned n)
{
	planned = n;
	if (n > 0)
		printf("1..%u\n", n);
}

static bool
report(bool passed, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == '#' || *p == 0x7f)
			*p = '?';
	count++;
	failed += !passed;
	printf("%sok %u - %s\n", passed ? "" : "not ", count, text);
	fflush(stdout);
	return passed;
}

bool
ok(bool passed, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(passed, fmt, ap);
	va_end(ap);
	return passed;
}

bool
is_int(long long got, long long want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		diag("got %lld, want %lld", got, want);
	return got == want;
}

/* Bytes as a line of a log may hold them. */
static void
show(const char *what, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;
	size_t shown = len < 300 ? len : 300;

	printf("# %s %zu bytes: ", what, len);
	for (size_t i = 0; i < shown; i++)
		printf(b[i] >= 0x20 && b[i] < 0x7f ? "%c" : "\\x%02x", b[i]);
	printf("%s\n", shown < len ? "..." : "");
	fflush(stdout);
}

bool
is_str(const char *got, const char *want, const char *fmt, ...)
{
	bool same =
	    got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
	va_list ap;

	va_start(ap, fmt);
	report(same, fmt, ap);
	va_end(ap);
	if (!same) {
		show("got", got, got == NULL ? 0 : strlen(got));
		show("want", want, want == NULL ? 0 : strlen(want));
	}
	return same;
}

bool
is_mem(const void *got, size_t got_len, const void *want, size_t want_len,
    const char *fmt, ...)
{
	bool same = got_len == want_len &&
		    (got_len == 0 || memcmp(got, want, got_len) == 0);
	va_list ap;

	va_start(ap, fmt);
	report(same, fmt, ap);
	va_end(ap);
	if (!same) {
		show("got", got, got_len);
		show("want", want, want_len);
	}
	return same;
}

void
diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

void
skip(unsigned n, const char *why)
{
	while (n-- > 0)
		printf("ok %u # SKIP %s\n", ++count, why);
	fflush(stdout);
}

void
bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(255);
}

int
done(void)
{
	if (planned == 0)
		printf("1..%u\n", count);
	else if (planned != count)
		diag("%u checks were planned, %u made", planned, count);
	fflush(stdout);
	return failed > 0 || (planned > 0 && planned != count);
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_folder(void)
{
	/* A child of the test exits too, but the folder is not its own. */
	if (getpid() == owner)
		nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	while (paths != NULL) {
		struct path *next = paths->next;

		free(paths->text);
		free(paths);
		paths = next;
	}
	free(folder);
}

const char *
scratch(const char *name)
{
	const char *tmp = getenv("TMPDIR");
	struct path *path;

	if (folder == NULL) {
		if (asprintf(&folder, "%s/tidings-unit-XXXXXX",
			tmp == NULL ? "/tmp" : tmp) == -1 ||
		    mkdtemp(folder) == NULL)
			bail("no scratch folder: %s", strerror(errno));
		owner = getpid();
		atexit(remove_folder);
	}
	path = malloc(sizeof(*path));
	if (path == NULL || asprintf(&path->text, "%s/%s", folder, name) == -1)
		bail("out of memory");
	path->next = paths;
	paths = path;
	return path->text;
}

double
patience(void)
{
	const char *text = getenv("TIDINGS_PATIENCE");
	double factor = text == NULL ? 1 : strtod(text, NULL);

	return factor >= 1 ? factor : 1;
}

bool
checked_by(const char *tool)
{
	const char *checker = getenv("TIDINGS_CHECKED");

	return checker != NULL && strcmp(checker, tool) == 0;
}
