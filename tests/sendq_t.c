/* SPDX-License-Identifier: MIT */
/*
 * Sends in batches: the results are those of send(), each at its place, and
 * none waits, not even in a thread of the kernel.
 */
#include "config.h"

#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/out/sendq.h"
#include "tests/tap/tap.h"

static struct sendq *q;
static const char large[1 << 20];

static void
pair(int *fd)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		bail("socketpair: %s", strerror(errno));
}

static void
close_pair(const int *fd)
{
	close(fd[0]);
	close(fd[1]);
}

static int
threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		bail("/proc/self/task: %s", strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* As many as there may be, at places in another order; several times. */
static void
test_many(void)
{
	int fd[64][2], wrong = 0;
	const int32_t *result;
	char buf[64];

	for (int i = 0; i < 64; i++)
		pair(fd[i]);
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < SENDQ_MAX; i++)
			sendq_add(q, (unsigned)(SENDQ_MAX - 1 - i),
			    fd[i % 64][0], &"abcdefghijkl"[i / 64],
			    (size_t)(1 + i / 64));
		result = sendq_send(q);
		for (int i = 0; i < SENDQ_MAX; i++)
			wrong += result[SENDQ_MAX - 1 - i] != 1 + i / 64;
	}
	is_int(wrong, 0, "each place has its bytes");
	for (int i = 0; i < 64; i++)
		wrong += recv(fd[i][1], buf, sizeof(buf), 0) != 30 ||
			 memcmp(buf, "abccdedefgabccdedefgabccdedefg", 30) != 0;
	is_int(wrong, 0, "and they arrive, in order");
	for (int i = 0; i < 64; i++)
		close_pair(fd[i]);
}

static void
test_refusals(void)
{
	int full[2], gone[2], good[2], part[2], size = 20000;
	const int32_t *result;

	pair(full);
	pair(gone);
	pair(good);
	pair(part);
	close(gone[1]);
	while (send(full[0], large, sizeof(large), MSG_DONTWAIT) > 0)
		;
	setsockopt(part[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	sendq_add(q, 0, full[0], large, sizeof(large));
	sendq_add(q, 1, gone[0], "x", 1);
	sendq_add(q, 2, -1, "x", 1);
	sendq_add(q, 3, part[0], large, sizeof(large));
	sendq_add(q, 4, good[0], "x", 1);
	result = sendq_send(q);
	is_int(result[0], -EAGAIN, "a full socket takes nothing");
	is_int(result[1], -EPIPE, "one whose peer is gone says so");
	is_int(result[2], -EBADF, "and so does one that is none");
	ok(result[3] > 0 && result[3] < (int)sizeof(large),
	    "a socket with little room takes a part");
	is_int(result[4], 1, "the others are not held up");
	ok(!sendq_is_broken(q), "the queue is as good as before");
	close_pair(full);
	close_pair(good);
	close_pair(part);
	close(gone[0]);
}

int
main(void)
{
	log_init("sendq.t", LOG_LEVEL_INFO);
	q = sendq_new();
	if (q == NULL) {
		skip(12, "no io_uring here");
		return done();
	}
	sendq_send(q);
	ok(!sendq_is_broken(q), "nothing to send is nothing");
	test_many();
	test_refusals();
	test_many();
	is_int(threads(), 1, "no thread of the kernel was needed");
	sendq_free(q);
	return done();
}
