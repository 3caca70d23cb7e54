/* SPDX-License-Identifier: MIT */
/*
 * Parked clients, without httpd: many workers park at once while the pump moves
 * bytes and the program answers before they are done.  Some programs die in the
 * midst of it.
 *
 * A client could be met by the pump before it was known to have a number.  What
 * this does not show by itself a build with -fsanitize=thread does.
 */
#include "config.h"

#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap/parking.h"
#include "tests/tap/tap.h"

#define WORKERS 8
#define ROUNDS  60 /* clients of each worker, one after the other */

static struct program sse;
static bool over; /* atomic: the program is to end */
static int kills; /* programs that died */

/* Answers everybody at once, and is done with them. */
static void
answer(int fd, uint32_t number)
{
	struct {
		struct handover_head head;
		uint32_t number;
		char bytes[8];
	} packet = { { HANDOVER_DATA, 1 }, number, "answer" };

	send(fd, &packet, sizeof(packet), MSG_NOSIGNAL);
	packet.head.type = HANDOVER_END;
	send(fd, &packet, sizeof(packet) - sizeof(packet.bytes), MSG_NOSIGNAL);
}

/* One packet of a child's.  Returns false at the end of a link. */
static bool
serve(int fd)
{
	static const char hello[] = HANDOVER_HELLO_TEXT;
	struct {
		struct handover_head head;
		uint32_t words[1024];
	} packet;
	ssize_t n = recv(fd, &packet, sizeof(packet), 0);

	if (n <= 0)
		return false;
	if (packet.head.type == HANDOVER_HELLO) {
		memcpy(packet.words, hello, sizeof(hello) - 1);
		send(fd, &packet, sizeof(packet.head) + sizeof(hello) - 1,
		    MSG_NOSIGNAL);
	} else if (packet.head.type == HANDOVER_PARK) {
		answer(fd, packet.words[0]);
	}
	return true;
}

/* Takes one link after the other; each ends after so many packets. */
static void *
run_program(void *arg)
{
	int packets = 0, fd = -1;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		struct pollfd pfd[2] = { { sse.listener, POLLIN, 0 },
			{ fd, POLLIN, 0 } };

		poll(pfd, 2, 20);
		if (pfd[0].revents != 0 && fd == -1)
			fd = accept(sse.listener, NULL, NULL);
		if (fd == -1 || pfd[1].revents == 0)
			continue;
		if (serve(fd) && ++packets % 7 != 0)
			continue;
		kills++;
		close(fd);
		fd = -1;
	}
	if (fd != -1)
		close(fd);
	return NULL;
}

/* As mod_tidings.c does it: three tries. */
static struct parked *
try_to_park(struct conn *conn)
{
	struct iovec iov = { (void *)(uintptr_t) "A\0b", 4 };
	struct parked *p = NULL;

	for (int i = 0; i < 3 && p == NULL; i++) {
		struct link *link = link_get(sse.path, 5000);

		if (link == NULL)
			continue;
		p = parked_offer(conn, link, conn->fd, &iov, 1, 1000, 5000);
		link_unref(link);
	}
	return p;
}

/* Counts in `arg` the clients that had their answer, whole. */
static void *
run_worker(void *arg)
{
	int *answered = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct conn *conn = conn_make();
		char buf[16] = "";
		ssize_t n;

		conn->free = conn->left = false;
		conn->parked = try_to_park(conn);
		if (conn->parked == NULL) {
			conn_unmake(conn);
			continue;
		}
		pump_post(conn->parked);
		__atomic_store_n(&conn->free, true, __ATOMIC_RELEASE);
		if (i % 3 == 0)
			poll(NULL, 0, 1);
		__atomic_store_n(&conn->left, true, __ATOMIC_RELEASE);
		n = recv(conn->client, buf, sizeof(buf), MSG_WAITALL);
		/* One whose program died in between has the goodbye alone. */
		*answered += n == 8 + 3 && memcmp(buf, "answer", 7) == 0;
		shutdown(conn->client, SHUT_RDWR);
		while (__atomic_load_n(&conn->destroyed, __ATOMIC_ACQUIRE) == 0)
			poll(NULL, 0, 1);
		if (conn->ended != 1 || conn->early != 0)
			*answered = -WORKERS * ROUNDS;
		conn_unmake(conn);
	}
	return NULL;
}

/* The pump's thread is to leave httpd's signals to httpd's own. */
static bool
blocks_signals(void)
{
	char line[256], path[64];
	unsigned long long blocked = 0;
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		FILE *f;

		if (atoi(entry->d_name) <= 0 || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/status",
		    atoi(entry->d_name));
		f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "SigBlk: %llx", &blocked);
		if (f != NULL)
			fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return (blocked >> (SIGTERM - 1) & 1) != 0 &&
	       (blocked >> (SIGUSR1 - 1) & 1) != 0;
}

static void
test_start(void)
{
	fail_calls(CALL_EVENTFD, EMFILE, 1, 0);
	ok(!pump_start() && errno == EMFILE && !pump.started,
	    "no pump without descriptors");
	fail_calls(CALL_EPOLL_CTL, ENOMEM, 1, 0);
	ok(!pump_start() && errno == ENOMEM && !pump.started,
	    "nor without memory");
	ok(pump_start() && pump.started, "but as soon as there are");
	/* Sanitizers have threads of their own. */
	ok(getenv("TIDINGS_CHECKED") != NULL || blocks_signals(),
	    "its thread takes no signals");
}

int
main(void)
{
	pthread_t program, worker[WORKERS];
	int answered[WORKERS] = { 0 }, sum = 0;

	program_start(&sse, "sse");
	test_start();
	if (!pump_start())
		bail("pump_start: %s", strerror(errno));
	pthread_create(&program, NULL, run_program, NULL);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&worker[i], NULL, run_worker, &answered[i]);
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(worker[i], NULL);
		sum += answered[i];
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(program, NULL);
	ok(kills > 2, "%d programs died", kills);
	ok(sum > WORKERS * ROUNDS / 2 && sum <= WORKERS * ROUNDS,
	    "of %d clients %d had their answer, each ended once",
	    WORKERS * ROUNDS, sum);
	pump_stop();
	ok(!pump.started, "the pump ends when it is told");
	ok(TAILQ_EMPTY(&pump.all) && TAILQ_EMPTY(&pump.settling),
	    "and has nobody");
	program_stop(&sse);
	return done();
}
