/* SPDX-License-Identifier: MIT */
/* The scoreboard: several processes, one of which dies. */
#include "config.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/board.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "tests/tap/tap.h"

static const char *run_dir;

static void
no_line(const char *line)
{
	(void)line;
}

/* A process that counts and waits to be killed. */
static pid_t
start(const char *program, int64_t n, const char *channel, bool is_prefix)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) == -1)
		bail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		struct board *board = board_open(run_dir, program, 64);

		board_add(board, BOARD_CLIENTS, n);
		board_add(board, BOARD_DELIVERED, n * 10);
		for (int64_t i = 0; i < n; i++)
			board_subscriber(board, channel, strlen(channel),
			    is_prefix, 1);
		if (write(ready[1], board == NULL ? "n" : "y", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1 || c != 'y')
		bail("a child has no board");
	close(ready[0]);
	return pid;
}

static void
stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned
files(void)
{
	struct str command = { 0 };
	unsigned n = 0;
	FILE *pipe_to;

	str_addf(&command, "ls '%s'", run_dir);
	pipe_to = popen(command.p, "r");
	str_free(&command);
	for (int c; (c = fgetc(pipe_to)) != EOF;)
		n += c == '\n';
	pclose(pipe_to);
	return n;
}

static void
test_processes(void)
{
	struct board_sum rows[8];
	pid_t sse = start("sse", 3, "a", false);
	pid_t sse2 = start("sse", 4, "a", true);
	pid_t poll = start("poll", 1, "b", false);

	is_int((long long)board_read(run_dir, rows, 8), 2, "two programs");
	is_str(rows[0].program, "poll", "in order of name");
	is_str(rows[1].program, "sse", "both of them");
	is_int(rows[1].processes, 2, "one has two processes");
	is_int(rows[1].counter[BOARD_CLIENTS], 7, "their counts are added");
	is_int(rows[1].counter[BOARD_DELIVERED], 70, "each counter");
	is_int(board_subscribers(run_dir, "a"), 7, "by name and by prefix");
	is_int(board_subscribers(run_dir, "ab"), 4, "by prefix alone");
	is_int(board_subscribers(run_dir, "b"), 1, "of another program");
	is_int(board_subscribers(run_dir, "c"), 0, "of none");
	is_int((long long)board_read(run_dir, rows, 1), 1,
	    "no more rows than there is room for");
	stop(sse2);
	is_int((long long)board_read(run_dir, rows, 8), 2, "one was killed");
	is_int(rows[1].processes, 1, "it is not counted any more");
	is_int(rows[1].counter[BOARD_CLIENTS], 3, "nor are its clients");
	is_int(board_subscribers(run_dir, "ab"), 0, "nor its subscribers");
	is_int(files(), 2, "and its file is removed");
	stop(sse);
	stop(poll);
	is_int((long long)board_read(run_dir, rows, 8), 0, "all were killed");
	is_int(files(), 0, "nothing is left");
}

static void
test_own(void)
{
	struct board *board = board_open(run_dir, "a-long-program-name", 16);
	struct board_sum rows[2];

	ok(board != NULL, "a board of our own");
	is_int((long long)board_read(run_dir, rows, 2), 1, "is seen");
	is_str(rows[0].program, "a-long-program-", "with as much of its name");
	/* More channels than there are slots: counted or not, never wrong. */
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		board_subscriber(board, name, strlen(name), false, 1);
	}
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		board_subscriber(board, name, strlen(name), false, -1);
		if (board_subscribers(run_dir, name) != 0)
			ok(false, "%s is left", name);
	}
	is_int(board_subscribers(run_dir, "c1"), 0, "all are gone again");
	board_close(board);
	is_int(files(), 0, "closing removes the file");
	board_close(NULL);
	board_add(NULL, BOARD_CLIENTS, 1);
	board_subscriber(NULL, "a", 1, false, 1);
	ok(true, "no board is fine");
}

/*
 * Channels that come and go for days: the slots of those that nobody
 * subscribes to any more must serve others.
 */
static void
test_reuse(void)
{
	struct board *board = board_open(run_dir, "reuse", 16);
	char name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		board_subscriber(board, name, strlen(name), false, 1);
		board_subscriber(board, name, strlen(name), false, -1);
	}
	board_subscriber(board, "news", 4, false, 1);
	is_int(board_subscribers(run_dir, "news"), 1,
	    "a channel is counted after a thousand others have gone");
	board_close(board);
}

/* Files that are no boards, or of another layout. */
static void
test_garbage(void)
{
	static const char *const names[] = { "x.1.board", "y.2.board",
		"z.3.board" };
	struct board_sum rows[4];
	int fds[3];

	for (int i = 0; i < 3; i++) {
		struct str path = { 0 };
		char junk[4096];

		memset(junk, i == 1 ? 0 : 0xff, sizeof(junk));
		str_addf(&path, "%s/%s", run_dir, names[i]);
		fds[i] = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (i > 0 && write(fds[i], junk, sizeof(junk)) == -1)
			bail("write");
		str_free(&path);
	}
	is_int((long long)board_read(run_dir, rows, 4), 0, "junk is no board");
	is_int(board_subscribers(run_dir, "a"), 0, "and has no subscribers");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	log_set_sink(no_line);
	ok(board_open(scratch("nosuch"), "p", 16) == NULL,
	    "no folder, no board");
	log_set_sink(NULL);
	is_int((long long)board_read(scratch("nosuch"), rows, 4), 0,
	    "and none to be read");
}

int
main(void)
{
	run_dir = scratch("run");
	if (mkdir(run_dir, 0700) == -1)
		bail("%s: %s", run_dir, strerror(errno));
	for (int i = 0; i < BOARD__MAX; i++)
		ok(board_name((enum board_counter)i) != NULL &&
			board_help((enum board_counter)i) != NULL,
		    "a name for counter %d", i);
	test_processes();
	test_own();
	test_reuse();
	test_garbage();
	return done();
}
