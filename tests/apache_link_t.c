/* SPDX-License-Identifier: MIT */
/*
 * The module's links, without httpd: greetings of all kinds, sends that the
 * kernel refuses, numbers.
 *
 * A program that closed with the greeting unread made its clients be proxied
 * for a second, one of another version was believed, and of several who waited
 * for a busy program some were declined as soon as there was room.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap/parking.h"
#include "tests/tap/tap.h"

#define WAIT_MS 5000 /* for a program that greets */

static const enum greeter well[] = { GREET };

/* What a first connection, and maybe a second, comes to. */
static void
test_greetings(void)
{
	static const struct {
		const char *what;
		enum greeter greeter[2];
		int n;       /* connections that are made */
		int wait_ms; /* for a greeting */
		int error;   /* 0 = a link */
		bool rests;  /* it is not asked again at once */
	} rows[] = {
		{ "a greeting", { GREET }, 1, WAIT_MS, 0, false },
		{ "a late one", { GREET_LATE }, 1, WAIT_MS, 0, false },
		{ "one that is too late", { SILENCE }, 1, 50, EAGAIN, false },
		{ "none in no time", { SILENCE }, 1, 0, EAGAIN, false },
		{ "another text", { GREET_OTHER }, 1, WAIT_MS, EPROTO, true },
		{ "another type", { GREET_TYPE }, 1, WAIT_MS, EPROTO, true },
		{ "a longer text", { GREET_LONG }, 1, WAIT_MS, EPROTO, true },
		{ "an end twice", { HANG_UP, HANG_UP }, 2, WAIT_MS, EACCES,
		    true },
		{ "an end, then a greeting", { HANG_UP, GREET }, 2, WAIT_MS, 0,
		    false },
		{ "an end with ours unread twice", { HANG_UP_NOW, HANG_UP_NOW },
		    2, WAIT_MS, EACCES, true },
		{ "an end with ours unread, then a greeting",
		    { HANG_UP_NOW, GREET }, 2, WAIT_MS, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct program program;
		struct link *link, *again;
		char name[16];

		snprintf(name, sizeof(name), "g%zu", i);
		program_start(&program, name);
		link = program_link(&program, rows[i].greeter, rows[i].n,
		    rows[i].wait_ms);
		is_int(link == NULL ? errno : 0, rows[i].error, "%s",
		    rows[i].what);
		again = link_get(program.path, 0);
		if (link != NULL) {
			ok(again == link, "... and the link is kept");
			link_unref(again);
			link_retire(link);
			link_unref(link);
		} else if (rows[i].rests) {
			ok(again == NULL &&
				accept(program.listener, NULL, NULL) == -1,
			    "... and it is not asked again");
			ahead_ms += 900;
			link_get(program.path, 0);
			ok(accept(program.listener, NULL, NULL) == -1,
			    "... within 0.9 s");
			ahead_ms += 200;
			link = program_link(&program, well, 1, WAIT_MS);
			ok(link != NULL, "... but after 1.1 s");
			link_retire(link);
			link_unref(link);
		} else {
			int fd = accept(program.listener, NULL, NULL);

			ok(fd != -1, "... and it is asked again at once");
			close(fd);
		}
		program_stop(&program);
	}
}

static void
test_nobody(void)
{
	struct program program;

	ok(link_get("/nonexistent/x.sock", 100) == NULL && errno == ENOENT,
	    "no socket");
	program_start(&program, "left");
	close(program.listener);
	program.listener = dup(0);
	ok(link_get(program.path, 100) == NULL && errno == ECONNREFUSED,
	    "nobody listens");
	ok(link_get(program.path, 100) == NULL && errno == ECONNREFUSED,
	    "which is asked again at once");
	program_stop(&program);
}

struct seeker {
	pthread_t thread;  /* its */
	const char *path;  /* of the program */
	struct link *link; /* what it found */
};

static void *
seek(void *arg)
{
	struct seeker *seeker = arg;

	seeker->link = link_get(seeker->path, WAIT_MS);
	return NULL;
}

/* All threads wait for one connection; a clock that jumps disturbs nobody. */
static void
test_many_seekers(void)
{
	static const enum greeter late[] = { GREET_LATE };
	struct program program;
	struct seeker seeker[8];
	struct link *link;
	int found = 0;

	program_start(&program, "many");
	for (int i = 0; i < 8; i++) {
		seeker[i] = (struct seeker){ .path = program.path };
		pthread_create(&seeker[i].thread, NULL, seek, &seeker[i]);
	}
	link = program_link(&program, late, 1, WAIT_MS);
	for (int i = 0; i < 8; i++) {
		pthread_join(seeker[i].thread, NULL);
		found += link != NULL && seeker[i].link == link;
		link_unref(seeker[i].link);
	}
	is_int(found, 8, "eight threads wait for one connection");
	link_retire(link);
	link_unref(link);
	program_stop(&program);
}

static int
send_one(struct link *link, int fd, int wait_ms)
{
	struct handover_head head = { .type = HANDOVER_CLIENT };
	struct iovec iov = { &head, sizeof(head) };

	return link_send(link, &iov, 1, fd, wait_ms);
}

/* Each errno of sendmsg, once and for good. */
static void
test_refused_sends(void)
{
	static const struct {
		int error;   /* of sendmsg */
		bool passes; /* it is tried again */
		int told;    /* errno where it stays */
		bool over;   /* the link is given up */
	} rows[] = {
		{ EINTR, true, 0, false },
		{ EAGAIN, true, EAGAIN, false },
		{ ENOBUFS, true, ENOBUFS, false },
		{ ENOMEM, true, ENOBUFS, false },
		{ ETOOMANYREFS, true, ENOBUFS, false },
		{ EMSGSIZE, false, EMSGSIZE, false },
		{ EPIPE, false, EPIPE, true },
		{ ECONNRESET, false, ECONNRESET, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *what = strerror(rows[i].error);
		struct program program;
		struct link *link;
		char name[16];
		int64_t began_ms;

		snprintf(name, sizeof(name), "r%zu", i);
		program_start(&program, name);
		link = program_link(&program, well, 1, WAIT_MS);
		fail_calls(CALL_SENDMSG, rows[i].error, 3, link_fd(link));
		ok((send_one(link, 1, 1000) == 0) == rows[i].passes,
		    "%s for a moment", what);
		if (rows[i].error != EINTR) {
			fail_calls(CALL_SENDMSG, rows[i].error, -1,
			    link_fd(link));
			began_ms = mono_ms();
			ok(send_one(link, 1, 100) == -1 &&
				errno == rows[i].told,
			    "%s for good", what);
			if (rows[i].told == ENOBUFS)
				ok(faults[CALL_SENDMSG].calls > 3 &&
					faults[CALL_SENDMSG].calls < 50,
				    "... with pauses");
			if (rows[i].passes) {
				ok(mono_ms() - began_ms >= 100,
				    "... is tried all the while");
				faults[CALL_SENDMSG].calls = 0;
				send_one(link, 1, 0);
				is_int(faults[CALL_SENDMSG].calls, 1,
				    "... or once where nobody waits");
			}
		}
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		if (rows[i].over) {
			link_unref(link);
			link = program_link(&program, well, 1, WAIT_MS);
			ok(link != NULL, "... and there is a new link");
		} else {
			struct link *same = link_get(program.path, 0);

			ok(same == link && send_one(link, 1, 0) == 0,
			    "... and the link goes on");
			link_unref(same);
		}
		link_retire(link);
		link_unref(link);
		program_stop(&program);
	}
}

/* Fills the link; returns how many packets it took. */
static int
fill(struct link *link)
{
	int n = 0;

	while (send_one(link, -1, 0) == 0)
		n++;
	return n;
}

struct sender {
	pthread_t thread;  /* its */
	struct link *link; /* that is full */
	int result;        /* of link_send */
	int64_t took_ms;   /* till then */
};

static void *
send_later(void *arg)
{
	struct sender *sender = arg;
	int64_t began_ms = mono_ms();

	sender->result = send_one(sender->link, -1, WAIT_MS);
	sender->took_ms = mono_ms() - began_ms;
	return NULL;
}

/*
 * Many wait; each time there is room for one, one goes on, and none is told
 * before its time that the program is busy.
 */
static void
test_full(void)
{
	struct program program;
	struct sender sender[16];
	struct link *link;
	char buf[64];
	int done = 0, wrong = 0;

	program_start(&program, "full");
	link = program_link(&program, well, 1, WAIT_MS);
	ok(fill(link) > 100 && errno == EAGAIN, "a link that is full");
	is_int(send_one(link, -1, 50), -1, "nobody waits for ever");
	for (int i = 0; i < 16; i++) {
		sender[i] = (struct sender){ .link = link };
		pthread_create(&sender[i].thread, NULL, send_later, &sender[i]);
	}
	poll(NULL, 0, 100);
	while (recv(program.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 ||
	       done < 200) {
		done++;
		poll(NULL, 0, 0);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(sender[i].thread, NULL);
		wrong += sender[i].result != 0;
	}
	is_int(wrong, 0, "of those who wait for room all have it in the end");
	link_retire(link);
	link_unref(link);
	program_stop(&program);
}

/* One descriptor comes along, and it is that one. */
static void
test_descriptor(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char buf[64], said = 0;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct program program;
	struct link *link;
	int pipes[2], got = -1;

	program_start(&program, "fd");
	link = program_link(&program, well, 1, WAIT_MS);
	if (pipe(pipes) == -1)
		bail("pipe");
	is_int(send_one(link, pipes[1], 0), 0, "a packet with a descriptor");
	is_int(recvmsg(program.fd, &msg, 0), sizeof(struct handover_head),
	    "comes");
	is_int((long long)control.head.cmsg_len, CMSG_LEN(sizeof(int)),
	    "with one");
	memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	ok(write(got, "x", 1) == 1 && read(pipes[0], &said, 1) == 1 &&
		said == 'x',
	    "which is the same");
	close(got);
	close(pipes[0]);
	close(pipes[1]);
	link_retire(link);
	link_unref(link);
	program_stop(&program);
}

static void
test_numbers(void)
{
	static struct parked *const who = (struct parked *)&well;
	static unsigned char seen[5000];
	struct program program;
	struct link *link;
	uint32_t number = 0;
	int wrong = 0;

	program_start(&program, "numbers");
	link = program_link(&program, well, 1, WAIT_MS);
	is_int(link_numbers(link), 0, "no number is given");
	ok(link_parked(link, 0) == NULL &&
		link_parked(link, HANDOVER_NUMBERS) == NULL &&
		link_parked(link, UINT32_MAX) == NULL,
	    "nobody has one");
	for (uint32_t i = 0; i < 5000; i++) {
		wrong += !link_number(link, who + i, &number) || number != i ||
			 link_parked(link, i) != who + i;
		seen[i] = 1;
	}
	is_int(wrong, 0, "5,000 numbers, the small ones first");
	is_int(link_numbers(link), 5000, "all are below that");
	for (uint32_t i = 0; i < 5000; i += 2) {
		link_number_end(link, i);
		seen[i] = 0;
		wrong += link_parked(link, i) != NULL;
	}
	for (int i = 0; i < 2500; i++) {
		wrong += !link_number(link, who, &number) || number >= 5000 ||
			 seen[number]++ != 0;
	}
	is_int(wrong, 0, "those that were given back are given again");
	is_int(link_numbers(link), 5000, "and no others");
	for (uint32_t i = 5000; i < HANDOVER_NUMBERS; i++)
		wrong += !link_number(link, who, &number) || number != i;
	ok(wrong == 0 && !link_number(link, who, &number),
	    "there are %d and no more", HANDOVER_NUMBERS);
	link_number_end(link, 77);
	ok(link_number(link, who, &number) && number == 77,
	    "but one given back");
	/* Each number is a reference. */
	link_retire(link);
	link_unref(link);
	ok(fill(link) > 0, "a link lives while there are numbers of it");
	for (uint32_t i = 1; i < HANDOVER_NUMBERS; i++)
		link_number_end(link, i);
	ok(link_parked(link, 0) == who, "to the last one");
	link_number_end(link, 0);
	program_stop(&program);
}

/* What the socket of a link is like. */
static void
test_socket(void)
{
	struct program program;
	struct link *link;
	int size = 0, most = 1 << 20;
	socklen_t len = sizeof(int);

	program_start(&program, "socket");
	link = program_link(&program, well, 1, WAIT_MS);
	ok((fcntl(link_fd(link), F_GETFD) & FD_CLOEXEC) != 0,
	    "no CGI of httpd's gets a link");
	ok((fcntl(link_fd(link), F_GETFL) & O_NONBLOCK) != 0,
	    "none waits in a send");
	getsockopt(link_fd(link), SOL_SOCKET, SO_SNDBUF, &size, &len);
	/* Twice what was asked for, or what the system allows. */
	ok(size > 65536 * 2 && size <= 2 * most,
	    "some packets fit in, and not many: %d bytes", size);
	link_retire(link);
	link_unref(link);
	program_stop(&program);
}

static int
descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

int
main(void)
{
	int before = descriptors();

	test_socket();
	test_greetings();
	test_nobody();
	test_many_seekers();
	test_refused_sends();
	test_full();
	test_descriptor();
	test_numbers();
	is_int(descriptors(), before, "no descriptor is left");
	return done();
}
