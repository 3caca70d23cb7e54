/* SPDX-License-Identifier: MIT */
/*
 * Packets to a child of httpd: what shares one, their order, what happens when
 * the link is full, the kernel short of memory, the child gone.
 *
 * ENOMEM of sendmsg closed the link, with all its clients; ENOBUFS, with room
 * in the socket, made the loop spin.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/out/outbox.h"
#include "shared/wire/chunk.h"
#include "tests/tap/tap.h"

static struct outbox outbox;
static int peer;                /* the child's end */
static int rooms, deaths;       /* calls */
static int error, times, calls; /* of sendmsg: to fail so often; -1 = always */
static struct chunk *chunk;     /* what is sent */

/* A packet as the child gets it. */
static struct {
	struct handover_head head;
	uint32_t words[HANDOVER_PACKET_MAX / 4];
	size_t len; /* bytes of the words */
} mail;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	calls++;
	if (times == 0)
		return __real_sendmsg(fd, msg, flags);
	if (times > 0)
		times--;
	errno = error;
	return -1;
}

static void
on_room(struct outbox *o)
{
	(void)o;
	rooms++;
}

static void
on_dead(struct outbox *o)
{
	(void)o;
	deaths++;
}

static void
begin(void)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		bail("socketpair: %s", strerror(errno));
	memset(&outbox, 0, sizeof(outbox));
	outbox_init(&outbox, fd[0], on_room, on_dead);
	peer = fd[1];
	chunk = chunk_new("0123456789", 10);
	rooms = deaths = calls = times = 0;
}

static void
end(void)
{
	outbox_free(&outbox);
	is_int(chunk->refs, 1, "... and it keeps no bytes");
	chunk_unref(chunk);
	close(outbox.fd);
	close(peer);
}

static uint64_t
put(uint32_t offset, uint32_t len, uint32_t number, uint64_t behind)
{
	struct slice slice = { .n = 1, .len = len };

	slice.piece[0] = (struct piece){ chunk, offset, len };
	return outbox_put(&outbox, HANDOVER_DATA, &slice, number, 0, behind);
}

static bool
get(void)
{
	struct iovec iov[2] = { { &mail.head, sizeof(mail.head) },
		{ mail.words, sizeof(mail.words) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = recvmsg(peer, &msg, MSG_DONTWAIT);

	mail.len = n < 0 ? 0 : (size_t)n - sizeof(mail.head);
	return n > 0;
}

static bool
is_data(uint32_t count, const char *text)
{
	return get() && mail.head.type == HANDOVER_DATA &&
	       mail.head.count == count &&
	       mail.len == count * 4 + strlen(text) &&
	       memcmp(mail.words + count, text, strlen(text)) == 0;
}

/* Runs the loop for so long. */
static void
run_ms(int ms)
{
	int64_t end_ms = clock_mono_ms() + ms;

	while (clock_mono_ms() < end_ms) {
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
		usleep(500);
	}
}

static void
test_sharing(void)
{
	uint64_t first;

	begin();
	first = put(0, 10, 1, 0);
	ok(put(0, 10, 2, 0) == first, "the same bytes share a packet");
	ok(put(1, 9, 3, 0) != first && put(0, 9, 4, 0) != first,
	    "others do not");
	ok(put(0, 10, 5, 0) == first, "which stays open");
	ok(put(0, 10, 1, first) > first,
	    "but a client has its bytes behind those before");
	ok(outbox_put(&outbox, HANDOVER_END, NULL, 1, 0, first) >
		outbox_put(&outbox, HANDOVER_READ, NULL, 7, 70, 0) - 2,
	    "other types have packets of their own");
	ok(!get(), "nothing is sent before it is to be");
	outbox_send(&outbox);
	ok(is_data(3, "0123456789") && mail.words[0] == 1 &&
		mail.words[1] == 2 && mail.words[2] == 5,
	    "one for three");
	ok(is_data(1, "123456789") && is_data(1, "012345678") &&
		is_data(1, "0123456789"),
	    "in order");
	ok(get() && mail.head.type == HANDOVER_END && mail.words[0] == 1 &&
		mail.len == 4,
	    "END");
	ok(get() && mail.head.type == HANDOVER_READ && mail.words[0] == 7 &&
		mail.words[1] == 70 && mail.len == 8,
	    "READ");
	ok(!get() && outbox.npackets == 0, "and that is all");
	end();
}

/* At most 8 packets wait for more clients, and 64 KB are in one. */
static void
test_bounds(void)
{
	uint32_t n = 0, numbers = 0;

	begin();
	for (uint32_t i = 0; i < 100; i++)
		put(0, 1 + i % 10, i, outbox.serial);
	is_int(outbox.npackets, 8, "8 packets are open");
	while (get())
		n++;
	is_int(n, 92, "those before them are sent");
	outbox_send(&outbox);
	while (get())
		n++;
	is_int(n, 100, "then these");
	for (uint32_t i = 0; i < 40000; i++)
		put(0, 10, i, 0);
	outbox_send(&outbox);
	for (n = 0; get(); n++) {
		if (mail.len + sizeof(mail.head) > HANDOVER_PACKET_MAX)
			bail("a packet of %zu bytes", mail.len);
		numbers += mail.head.count;
	}
	ok(n == 3 && numbers == 40000, "40,000 clients in %u packets", n);
	end();
}

/* Nothing is lost, nothing is doubled, whatever sendmsg says for a while. */
static void
test_refused(void)
{
	static const struct {
		int error;  /* of sendmsg */
		bool bears; /* the link goes on */
		bool waits; /* it is not tried at each turn */
	} rows[] = {
		{ EINTR, true, false },
		{ EAGAIN, true, false },
		{ ENOBUFS, true, true },
		{ ENOMEM, true, true },
		{ EPIPE, false, false },
		{ ECONNRESET, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *what = strerror(rows[i].error);

		begin();
		put(0, 10, 1, 0);
		put(1, 9, 1, outbox.serial);
		error = rows[i].error;
		times = rows[i].error == EINTR ? 5 : -1;
		outbox_send(&outbox);
		if (rows[i].error == EINTR) {
			ok(!outbox.full, "%s delays nothing", what);
		} else {
			ok(outbox.full && !get(), "%s: nothing is sent", what);
			calls = 0;
			outbox_send(&outbox);
			put(2, 8, 1, outbox.serial);
			is_int(calls, 0, "... nor tried by who sends more");
			is_int(deaths, !rows[i].bears, "... is it dead");
		}
		run_ms(100);
		ok(!rows[i].waits || (calls > 2 && calls < 20),
		    "... it is tried again and again: %d", calls);
		times = 0;
		run_ms(50);
		ok(!rows[i].bears ||
			(is_data(1, "0123456789") && is_data(1, "123456789")),
		    "... then all of it comes, in order");
		if (rows[i].error != EINTR)
			is_int(rooms, rows[i].bears, "... room is told");
		end();
	}
}

/* A child that does not read; then does. */
static void
test_full(void)
{
	uint32_t sent = 0, came = 0;

	begin();
	while (!outbox.full && sent < 1000000) {
		put(0, 10, sent++, outbox.serial);
		outbox_send(&outbox);
	}
	ok(outbox.full, "a link is full after %u packets", sent);
	calls = 0;
	run_ms(50);
	is_int(calls, 0, "it is not tried while it is full");
	while (get())
		came += mail.words[0] == came;
	run_ms(20);
	while (get())
		came += mail.words[0] == came;
	ok(rooms == 1 && !outbox.full, "room is told once");
	is_int(came, sent, "and all comes, in order");
	end();
}

/* The end of the process: it is waited, but not for ever, and not in a spin. */
static void
test_finish(void)
{
	int64_t began_ms;

	begin();
	put(0, 10, 1, 0);
	outbox_finish(&outbox, 1000);
	ok(is_data(1, "0123456789"), "what is left is sent at the end");
	put(0, 10, 1, 0);
	error = ENOBUFS;
	times = 3;
	outbox_finish(&outbox, 5000);
	ok(is_data(1, "0123456789"), "also when memory is short for a moment");
	put(0, 10, 1, 0);
	times = -1;
	calls = 0;
	began_ms = clock_mono_ms();
	outbox_finish(&outbox, 100);
	ok(clock_mono_ms() - began_ms >= 100 && calls < 30,
	    "but not for ever, nor by trying all the time");
	times = 0;
	outbox_free(&outbox);
	outbox.full = false;
	while (!outbox.full) {
		put(0, 10, 1, outbox.serial);
		outbox_send(&outbox);
	}
	began_ms = clock_mono_ms();
	outbox_finish(&outbox, 100);
	ok(clock_mono_ms() - began_ms >= 90, "a child that does not read has "
					     "its time");
	close(peer);
	peer = dup(0);
	began_ms = clock_mono_ms();
	outbox_finish(&outbox, 60000);
	ok(clock_mono_ms() - began_ms < 30000, "one that is gone none");
	end();
}

int
main(void)
{
	ev_default_loop(0);
	test_sharing();
	test_bounds();
	test_refused();
	test_full();
	test_finish();
	return done();
}
