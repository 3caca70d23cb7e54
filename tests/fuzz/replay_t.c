/* SPDX-License-Identifier: MIT */
/*
 * Replays every input of tests/fuzz/corpus/NAME/ through the entry that the
 * fuzzer uses: seeds, and whatever once made it crash.
 */
#include "config.h"

#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
	const char *name;                      /* folder of the corpus */
	int (*entry)(const uint8_t *, size_t); /* what reads it */
} targets[] = {
	{ "config", fuzz_config },
	{ "cursor", fuzz_cursor },
	{ "deflate", fuzz_deflate },
	{ "fcgi", fuzz_fcgi },
	{ "handshake", fuzz_handshake },
	{ "json", fuzz_json },
	{ "packet", fuzz_packet },
	{ "query", fuzz_query },
	{ "wsframe", fuzz_wsframe },
};

static void
no_line(const char *line)
{
	(void)line;
}

/* Runs one input in a process of its own. */
static int
replay(int (*entry)(const uint8_t *, size_t), const char *path)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		FILE *file = fopen(path, "rb");
		struct str bytes = { 0 };
		char buf[4096];
		size_t n;

		if (file == NULL)
			_exit(1);
		while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
			str_add(&bytes, buf, n);
		fclose(file);
		alarm((unsigned)(60 * patience()));
		entry((const uint8_t *)bytes.p, bytes.len);
		str_free(&bytes);
		/* What it has set up is removed on the way. */
		exit(0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		bail("fork: %s", strerror(errno));
	return status;
}

static int
is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
main(void)
{
	const char *source = getenv("TIDINGS_SOURCE");

	log_set_sink(no_line);
	for (size_t i = 0; i < N(targets); i++) {
		struct str folder = { 0 };
		struct dirent **list;
		int n;

		str_addf(&folder, "%s/tests/fuzz/corpus/%s",
		    source == NULL ? "." : source, targets[i].name);
		n = scandir(folder.p, &list, is_input, alphasort);
		ok(n > 0, "there are inputs for %s", targets[i].name);
		for (int j = 0; j < n; j++) {
			struct str path = { 0 };

			str_addf(&path, "%s/%s", folder.p, list[j]->d_name);
			is_int(replay(targets[i].entry, path.p), 0, "%s/%s",
			    targets[i].name, list[j]->d_name);
			str_free(&path);
			free(list[j]);
		}
		if (n >= 0)
			free(list);
		str_free(&folder);
	}
	return done();
}
