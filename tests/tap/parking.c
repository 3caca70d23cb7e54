/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/tap/parking.h"
#include "tests/tap/tap.h"

#define LATE_MS 200   /* GREET_LATE */
#define WAIT_MS 10000 /* for what is to come */
#define TURN_MS 2     /* of epoll_wait at most */

static const enum greeter well[] = { GREET };
static struct mail came;

struct program prog;
struct link *the_link;
int64_t ahead_ms;
struct fault faults[CALL__MAX];
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
int asked_ms, events_told;
size_t most_bytes;
static int open_before; /* descriptors, when a test began */
bool leaving;

/* -- system calls */

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __real_epoll_wait(int epfd, struct epoll_event *events, int max, int ms);
int __real_eventfd(unsigned count, int flags);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int ms);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

void
fail_calls(enum call call, int error, int times, int fd)
{
	faults[call] =
	    (struct fault){ .error = error, .times = times, .fd = fd };
}

/* Whether this call is to fail; errno is set then.  From any thread. */
static bool
fails(enum call call, int fd)
{
	struct fault *fault = &faults[call];
	bool does = false;

	if (fault->fd != 0 && fault->fd != fd)
		return false;
	pthread_mutex_lock(&fault_lock);
	fault->calls++;
	if (fault->error != 0 && fault->times != 0) {
		does = true;
		fault->failed++;
		if (fault->times > 0)
			fault->times--;
	}
	pthread_mutex_unlock(&fault_lock);
	if (does)
		errno = fault->error;
	return does;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int result = __real_clock_gettime(clock, ts);

	if (clock == CLOCK_MONOTONIC) {
		ts->tv_sec += ahead_ms / 1000;
		ts->tv_nsec += (long)(ahead_ms % 1000) * 1000000;
		ts->tv_sec += ts->tv_nsec / 1000000000;
		ts->tv_nsec %= 1000000000;
	}
	return result;
}

int
__wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return fails(CALL_EPOLL_CTL, fd)
		   ? -1
		   : __real_epoll_ctl(epfd, op, fd, event);
}

int
__wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int ms)
{
	asked_ms = ms;
	events_told = __real_epoll_wait(epfd, events, max,
	    ms < 0 || ms > TURN_MS ? TURN_MS : ms);
	return events_told;
}

int
__wrap_eventfd(unsigned count, int flags)
{
	return fails(CALL_EVENTFD, -1) ? -1 : __real_eventfd(count, flags);
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	return fails(CALL_POLL, n == 0 ? -1 : fds[0].fd)
		   ? -1
		   : __real_poll(fds, n, ms);
}

static bool
is_packets(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct iovec iov;
	struct msghdr first = *msg;

	if (fails(CALL_SENDMSG, fd))
		return -1;
	/* A packet is sent whole or not at all. */
	if (most_bytes == 0 || msg->msg_iov[0].iov_len < most_bytes ||
	    is_packets(fd))
		return __real_sendmsg(fd, msg, flags);
	iov = (struct iovec){ msg->msg_iov[0].iov_base, most_bytes };
	first.msg_iov = &iov;
	first.msg_iovlen = 1;
	return __real_sendmsg(fd, &first, flags);
}

/* -- httpd */

struct conn *
conn_make(void)
{
	struct conn *conn = must(calloc(1, sizeof(*conn)));
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		bail("socketpair: %s", strerror(errno));
	conn->fd = fd[0];
	conn->client = fd[1];
	conn->free = conn->left = true;
	return conn;
}

void
conn_unmake(struct conn *conn)
{
	if (conn->client != -1)
		close(conn->client);
	if (!conn->destroyed)
		close(conn->fd);
	free(conn);
}

bool
conn_is_free(const struct conn *conn)
{
	return __atomic_load_n(&conn->free, __ATOMIC_ACQUIRE);
}

bool
conn_is_left(const struct conn *conn)
{
	return __atomic_load_n(&conn->left, __ATOMIC_ACQUIRE);
}

/* In three pieces and two calls, as filters may. */
bool
conn_write(struct conn *conn, const char *bytes, size_t len)
{
	char *at = (char *)(uintptr_t)bytes;
	size_t third = len / 3;
	struct iovec iov[3] = { { at, third }, { at + third, third },
		{ at + 2 * third, len - 2 * third } };

	if (conn->breaks)
		return false;
	parked_put(conn->parked, iov, 2);
	parked_put(conn->parked, iov + 2, 1);
	return !conn->parked->failed;
}

ssize_t
conn_read(struct conn *conn, char *buf, size_t size)
{
	char answer[1000] = { 0 };
	struct iovec iov = { answer, sizeof(answer) };
	ssize_t n;

	if (conn->hidden_len > 0) {
		if (size > conn->hidden_len)
			size = conn->hidden_len;
		memcpy(buf, conn->hidden, size);
		conn->hidden += size;
		conn->hidden_len -= size;
		return (ssize_t)size;
	}
	if (conn->answers)
		parked_put(conn->parked, &iov, 1);
	n = recv(conn->fd, buf, conn->answers ? 1 : size, MSG_DONTWAIT);
	if (!conn->answers || n == 0)
		return n;
	errno = EAGAIN;
	return -1;
}

void
conn_wrote(struct conn *conn, size_t len)
{
	conn->wrote += len;
}

void
conn_end_request(struct conn *conn, bool aborted)
{
	conn->ended++;
	conn->aborted = aborted;
}

void
conn_say_goodbye(struct conn *conn)
{
	struct iovec iov = { (void *)(uintptr_t) "BYE", 3 };

	conn->goodbyes++;
	parked_put(conn->parked, &iov, 1);
}

void
conn_destroy(struct conn *conn)
{
	conn->early += !conn_is_left(conn);
	close(conn->fd);
	/* The last: who has a thread of its own frees it then. */
	__atomic_fetch_add(&conn->destroyed, 1, __ATOMIC_RELEASE);
}

void
conn_note_cut(const struct conn *conn, int64_t stall_ms)
{
	(void)stall_ms;
	((struct conn *)(uintptr_t)conn)->cut++;
}

bool
httpd_is_leaving(void)
{
	return leaving;
}

/* -- a program */

void
program_start(struct program *program, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	program->path = scratch(name);
	program->fd = -1;
	program->listener =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strncpy(sun.sun_path, program->path, sizeof(sun.sun_path) - 1);
	if (bind(program->listener, (void *)&sun, sizeof(sun)) == -1 ||
	    listen(program->listener, 64) == -1)
		bail("%s: %s", program->path, strerror(errno));
}

void
program_stop(struct program *program)
{
	if (program->fd != -1)
		close(program->fd);
	close(program->listener);
	unlink(program->path);
	program->fd = -1;
}

static void
send_hello(int fd, enum greeter how)
{
	struct handover_head head = {
		.type = how == GREET_TYPE ? HANDOVER_STOP : HANDOVER_HELLO
	};
	const char *text = how == GREET_OTHER  ? "tidings 2"
			   : how == GREET_LONG ? HANDOVER_HELLO_TEXT "0"
					       : HANDOVER_HELLO_TEXT;
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)text, strlen(text) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (how == GREET_LATE)
		__real_poll(NULL, 0, LATE_MS);
	if (__real_sendmsg(fd, &msg, MSG_NOSIGNAL) == -1)
		diag("no greeting: %s", strerror(errno));
}

/* What the thread that greets does. */
struct greeting {
	struct program *program;     /* whose */
	const enum greeter *greeter; /* how, one after the other */
	int n;                       /* of them */
};

static void *
greet(void *arg)
{
	struct greeting *greeting = arg;
	char buf[64];

	for (int i = 0; i < greeting->n; i++) {
		struct pollfd pfd = { greeting->program->listener, POLLIN, 0 };
		enum greeter how = greeting->greeter[i];
		int fd;

		if (__real_poll(&pfd, 1, WAIT_MS) != 1)
			break;
		fd = accept(greeting->program->listener, NULL, NULL);
		pfd.fd = fd;
		__real_poll(&pfd, 1, WAIT_MS);
		if (how != HANG_UP_NOW)
			recv(fd, buf, sizeof(buf), 0);
		if (how != HANG_UP && how != HANG_UP_NOW && how != SILENCE)
			send_hello(fd, how);
		if (how == HANG_UP || how == HANG_UP_NOW) {
			close(fd);
			continue;
		}
		if (greeting->program->fd != -1)
			close(greeting->program->fd);
		greeting->program->fd = fd;
	}
	return NULL;
}

struct link *
program_link(struct program *program, const enum greeter *greeters, int n,
    int wait_ms)
{
	struct greeting greeting = { program, greeters, n };
	struct link *link;
	pthread_t thread;
	int saved;

	pthread_create(&thread, NULL, greet, &greeting);
	link = link_get(program->path, wait_ms);
	saved = errno;
	pthread_join(thread, NULL);
	errno = saved;
	return link;
}

void
program_send(struct program *program, enum handover_type type, uint32_t count,
    const uint32_t *words, size_t n, const void *bytes, size_t len)
{
	struct handover_head head = { type, count };
	struct iovec iov[3] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)words, n * sizeof(*words) },
		{ (void *)(uintptr_t)bytes, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	if (__real_sendmsg(program->fd, &msg, MSG_NOSIGNAL) == -1)
		bail("a packet of type %d: %s", (int)type, strerror(errno));
}

bool
program_read(struct program *program, struct mail *mail, int ms)
{
	struct iovec iov[2] = { { &mail->head, sizeof(mail->head) },
		{ mail->words, sizeof(mail->words) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int64_t end_ms = mono_ms() + ms;

	do {
		ssize_t n = recvmsg(program->fd, &msg, MSG_DONTWAIT);

		if (n > 0) {
			mail->len = (size_t)n - sizeof(mail->head);
			return true;
		}
		pump_turn();
	} while (mono_ms() < end_ms);
	return false;
}

bool
program_gets(struct program *program, enum handover_type type,
    struct mail *mail)
{
	int ms = (int)(WAIT_MS * patience());

	if (!program_read(program, mail, ms)) {
		diag("no packet");
		return false;
	}
	if (mail->head.type != type)
		diag("a packet of type %u", mail->head.type);
	return mail->head.type == type;
}

void
turns(int n)
{
	while (n-- > 0)
		pump_turn();
}

void
turn_until(bool (*reached)(void *), void *arg, const char *what)
{
	int64_t end_ms = mono_ms() + (int64_t)(WAIT_MS * patience());

	while (!reached(arg)) {
		if (mono_ms() > end_ms)
			bail("%s did not come", what);
		pump_turn();
	}
}

size_t
client_read(struct conn *conn, char *buf, size_t size)
{
	int64_t end_ms = mono_ms() + (int64_t)(WAIT_MS * patience());
	size_t got = 0;

	while (got < size && mono_ms() < end_ms) {
		ssize_t n =
		    recv(conn->client, buf + got, size - got, MSG_DONTWAIT);

		if (n == 0 || (n == -1 && errno != EAGAIN))
			break;
		got += n > 0 ? (size_t)n : 0;
		if (got < size)
			pump_turn();
	}
	return got;
}

/* -- what most tests begin and end with */

/* Open ones. */
static int
descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

void
begin(const char *name)
{
	if (!pump.started && pump_open() != 0)
		bail("pump_open");
	pump.started = true;
	open_before = descriptors();
	program_start(&prog, name);
	the_link = program_link(&prog, well, 1, 5000);
	if (the_link == NULL)
		bail("no link");
}

static bool
no_links(void *arg)
{
	(void)arg;
	return TAILQ_EMPTY(&pump.links);
}

void
end(void)
{
	link_retire(the_link);
	link_unref(the_link);
	program_stop(&prog);
	turn_until(no_links, NULL, "the end of a link");
	ok(TAILQ_EMPTY(&pump.all) && TAILQ_EMPTY(&pump.settling) &&
		STAILQ_EMPTY(&pump.dead) && STAILQ_EMPTY(&pump.inbox) &&
		descriptors() <= open_before,
	    "... and nothing is left");
}

/* A client that is offered; its number, as the program was told. */
uint32_t
offer(struct conn *conn)
{
	struct iovec iov = { (void *)(uintptr_t) "A\0b", 4 };

	conn->parked =
	    parked_offer(conn, the_link, conn->fd, &iov, 1, 100, STALL_MS);
	if (conn->parked == NULL)
		bail("a client is not taken: %s", strerror(errno));
	if (!program_gets(&prog, HANDOVER_PARK, &came) ||
	    came.head.count != 1 || came.len != 8 ||
	    memcmp(came.words + 1, "A\0b", 4) != 0)
		bail("it is not offered as it should be");
	return came.words[0];
}

/* One that the pump has. */
struct conn *
park_one(uint32_t *number)
{
	struct conn *conn = conn_make();

	*number = offer(conn);
	pump_post(conn->parked);
	turns(2);
	if (conn->parked->state != PARK_OPEN)
		bail("the pump does not take it");
	return conn;
}

void
data(uint32_t number, const void *bytes, size_t len)
{
	program_send(&prog, HANDOVER_DATA, 1, &number, 1, bytes, len);
}

void
say_end(uint32_t number)
{
	program_send(&prog, HANDOVER_END, 1, &number, 1, NULL, 0);
}

bool
is_destroyed(void *arg)
{
	return ((struct conn *)arg)->destroyed == 1;
}

bool
is_ended(void *arg)
{
	return ((struct conn *)arg)->ended == 1;
}

/* Waits for its end, and that it is told of. */
void
see_gone(struct conn *conn, uint32_t number, const char *what)
{
	turn_until(is_destroyed, conn, what);
	ok(program_gets(&prog, HANDOVER_GONE, &came) && came.head.count == 1 &&
		came.words[0] == number,
	    "%s: GONE is told", what);
	ok(!program_read(&prog, &came, 30), "... once");
	is_int(conn->ended, 1, "... the request is ended");
	ok(link_parked(the_link, number) != NULL,
	    "... but the number is in use until END");
	say_end(number);
	turns(3);
	ok(link_parked(the_link, number) == NULL, "... and free behind it");
	conn_unmake(conn);
}
