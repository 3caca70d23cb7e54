/* SPDX-License-Identifier: MIT */
/*
 * The links of one child of httpd: a SOCK_SEQPACKET connection to each program
 * that takes hand-overs, made when it is needed first and shared by all
 * threads. One for each request was refused: a connect, an accept and a check
 * of credentials would come to more than all the rest of a hand-over.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apache/link.h"

#define SEND_BUFFER (1 << 20) /* bytes that may wait for the program */
#define REFUSED_MS  1000      /* until a program that refuses is asked again */
#define PAUSE_MS    5         /* until the kernel is asked again for memory */
#define SEGMENT     1024      /* numbers in one piece of the table */
#define PIECES      ((HANDOVER_NUMBERS + SEGMENT - 1) / SEGMENT)

/* A program, by the path of its hand-over socket. */
struct endpoint {
	struct endpoint *next; /* in endpoints */
	struct link *link;     /* for new clients, or NULL */
	int64_t again_ms;      /* monotonic, not to be asked before */
	bool connecting;       /* somebody makes the link now */
	char path[];           /* of the socket */
};

struct link {
	struct endpoint *endpoint; /* whose */
	int fd;                    /* connected */
	unsigned refs;             /* users, under the lock */
	uint32_t used;             /* numbers below were given */
	uint32_t *spare;           /* of these the free ones, a stack */
	uint32_t nspare;           /* how many */
	/* Who has which number.  Pieces never move: the pump looks any time. */
	struct parked **table[PIECES];
};

/* Room for one descriptor beside a packet. */
struct fd_message {
	union {
		struct cmsghdr head; /* aligns */
		char room[CMSG_SPACE(sizeof(int))];
	};
};

/* Guards endpoints and what is in a link; nobody waits while holding it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t connected = PTHREAD_COND_INITIALIZER;
static struct endpoint *endpoints;

static struct endpoint *
find_endpoint(const char *path)
{
	size_t len = strlen(path) + 1;
	struct endpoint *e;

	for (e = endpoints; e != NULL; e = e->next)
		if (strcmp(e->path, path) == 0)
			return e;
	e = must(calloc(1, sizeof(*e) + len));
	memcpy(e->path, path, len);
	e->next = endpoints;
	endpoints = e;
	return e;
}

/*
 * Says the greeting and waits for the program's: one that does not want us, or
 * is stuck, must not be given a client.
 */
static int
greet(int fd, int wait_ms)
{
	struct handover_head head = { .type = HANDOVER_HELLO };
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ (void *)HANDOVER_HELLO_TEXT, strlen(HANDOVER_HELLO_TEXT) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char answer[sizeof(head) + sizeof(HANDOVER_HELLO_TEXT)]; /* 1 more */
	ssize_t n;

	if (sendmsg(fd, &msg, MSG_NOSIGNAL) == -1)
		return -1;
	if (poll(&pfd, 1, wait_ms) != 1) {
		errno = EAGAIN;
		return -1;
	}
	n = recv(fd, answer, sizeof(answer), 0);
	if (n == (ssize_t)sizeof(answer) - 1 &&
	    memcmp(answer, &head, sizeof(head)) == 0 &&
	    memcmp(answer + sizeof(head), HANDOVER_HELLO_TEXT,
		strlen(HANDOVER_HELLO_TEXT)) == 0)
		return 0;
	/* Closed, before or behind our greeting. */
	errno = n == 0 || (n == -1 && errno == ECONNRESET) ? EACCES : EPROTO;
	return -1;
}

/* Returns a connected socket on which the greetings were said, or -1. */
static int
try_to_connect(const char *path, int wait_ms)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, size = SEND_BUFFER, saved;

	/* The directive has refused what is too long. */
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(fd, (void *)&sun, sizeof(sun)) == 0 &&
	    greet(fd, wait_ms) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/*
 * The same.  One that closes may have been on its way out: its successor has
 * the same socket, so it is asked twice before it counts as refused.
 */
static int
connect_to(const char *path, int wait_ms)
{
	int fd = try_to_connect(path, wait_ms);

	return fd == -1 && errno == EACCES ? try_to_connect(path, wait_ms) : fd;
}

/*
 * Makes the link of an endpoint, without the lock: a program that does not
 * greet must delay nobody but its own clients.
 */
static void
make_link(struct endpoint *e, int wait_ms)
{
	struct link *link = NULL;
	int fd, error;

	e->connecting = true;
	pthread_mutex_unlock(&lock);
	fd = connect_to(e->path, wait_ms);
	error = errno;
	if (fd != -1) {
		link = must(calloc(1, sizeof(*link)));
		link->endpoint = e;
		link->fd = fd;
		link->refs = 1; /* the endpoint's */
	}
	pthread_mutex_lock(&lock);
	e->connecting = false;
	e->link = link;
	if (link == NULL && (error == EACCES || error == EPROTO))
		e->again_ms = mono_ms() + REFUSED_MS;
	pthread_cond_broadcast(&connected);
	errno = error;
}

/* Waits while another thread makes the link. */
static void
wait_for_link(const struct endpoint *e, int wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (e->connecting && pthread_cond_clockwait(&connected, &lock,
				    CLOCK_MONOTONIC, &until) == 0)
		continue;
	errno = EAGAIN;
}

struct link *
link_get(const char *path, int wait_ms)
{
	struct endpoint *e;
	struct link *link;
	int error;

	pthread_mutex_lock(&lock);
	e = find_endpoint(path);
	errno = EAGAIN;
	if (e->link == NULL && e->connecting)
		wait_for_link(e, wait_ms);
	else if (e->link == NULL && mono_ms() >= e->again_ms)
		make_link(e, wait_ms);
	error = errno;
	link = e->link;
	if (link != NULL)
		link->refs++;
	pthread_mutex_unlock(&lock);
	errno = error;
	return link;
}

struct link *
link_ref(struct link *link)
{
	pthread_mutex_lock(&lock);
	link->refs++;
	pthread_mutex_unlock(&lock);
	return link;
}

void
link_unref(struct link *link)
{
	unsigned refs;

	pthread_mutex_lock(&lock);
	refs = --link->refs;
	pthread_mutex_unlock(&lock);
	if (refs > 0)
		return;
	close(link->fd);
	for (size_t i = 0; i < PIECES; i++)
		free(link->table[i]);
	free(link->spare);
	free(link);
}

void
link_retire(struct link *link)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = link->endpoint->link == link;
	if (was)
		link->endpoint->link = NULL;
	pthread_mutex_unlock(&lock);
	if (was)
		link_unref(link);
}

/*
 * Waits until the link may take a packet.  Returns false when the time is over.
 * To be short of something does not show in the socket: then it is a pause.
 */
static bool
wait_for_room(const struct link *link, int64_t until_ms, bool is_short)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLOUT };
	int64_t left_ms = until_ms - mono_ms();

	if (left_ms <= 0)
		return false;
	if (is_short)
		poll(NULL, 0, PAUSE_MS);
	else
		poll(&pfd, 1, (int)left_ms);
	return true;
}

/* A message of these pieces, with the descriptor `fd` or with none. */
static void
write_message(struct msghdr *msg, struct fd_message *room,
    const struct iovec *iov, int n, int fd)
{
	*msg = (struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)n };
	if (fd == -1)
		return;
	memset(room, 0, sizeof(*room));
	msg->msg_control = room;
	msg->msg_controllen = sizeof(*room);
	room->head.cmsg_level = SOL_SOCKET;
	room->head.cmsg_type = SCM_RIGHTS;
	room->head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&room->head), &fd, sizeof(int));
}

int
link_send(struct link *link, const struct iovec *iov, int n, int fd,
    int wait_ms)
{
	int64_t until_ms = wait_ms > 0 ? mono_ms() + wait_ms : 0;
	struct fd_message room;
	struct msghdr msg;

	write_message(&msg, &room, iov, n, fd);
	while (sendmsg(link->fd, &msg, MSG_NOSIGNAL) == -1) {
		/* Short of something, but the link is well. */
		bool is_short = errno == ENOBUFS || errno == ENOMEM ||
				errno == ETOOMANYREFS;
		int error = is_short ? ENOBUFS : errno;

		if (error == EINTR)
			continue;
		if ((error == EAGAIN || is_short) && wait_ms > 0 &&
		    wait_for_room(link, until_ms, is_short))
			continue;
		if (error != EAGAIN && !is_short && error != EMSGSIZE)
			link_retire(link);
		errno = error;
		return -1;
	}
	return 0;
}

int
link_fd(const struct link *link)
{
	return link->fd;
}

static struct parked **
slot(const struct link *link, uint32_t number)
{
	struct parked **piece =
	    __atomic_load_n(&link->table[number / SEGMENT], __ATOMIC_ACQUIRE);

	return piece == NULL ? NULL : &piece[number % SEGMENT];
}

static void
set_slot(struct link *link, uint32_t number, struct parked *parked)
{
	struct parked **at = slot(link, number);

	if (at == NULL) {
		at = must(calloc(SEGMENT, sizeof(struct parked *)));
		__atomic_store_n(&link->table[number / SEGMENT], at,
		    __ATOMIC_RELEASE);
		at += number % SEGMENT;
	}
	__atomic_store_n(at, parked, __ATOMIC_RELEASE);
}

bool
link_number(struct link *link, struct parked *parked, uint32_t *number)
{
	bool found = true;

	pthread_mutex_lock(&lock);
	if (link->nspare > 0) {
		*number = link->spare[--link->nspare];
	} else if (link->used < HANDOVER_NUMBERS) {
		*number = link->used;
		__atomic_store_n(&link->used, *number + 1, __ATOMIC_RELEASE);
	} else {
		found = false;
	}
	if (found) {
		set_slot(link, *number, parked);
		link->refs++;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

struct parked *
link_parked(const struct link *link, uint32_t number)
{
	struct parked **at =
	    number < HANDOVER_NUMBERS ? slot(link, number) : NULL;

	return at == NULL ? NULL : __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

void
link_number_end(struct link *link, uint32_t number)
{
	pthread_mutex_lock(&lock);
	set_slot(link, number, NULL);
	if ((link->nspare & (link->nspare - 1)) == 0)
		link->spare = must(realloc(link->spare,
		    (link->nspare == 0 ? 1 : link->nspare * 2) *
			sizeof(*link->spare)));
	link->spare[link->nspare++] = number;
	pthread_mutex_unlock(&lock);
	link_unref(link);
}

uint32_t
link_numbers(const struct link *link)
{
	return __atomic_load_n(&link->used, __ATOMIC_ACQUIRE);
}
