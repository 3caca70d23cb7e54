/* SPDX-License-Identifier: MIT */
/*
 * Parked clients, without httpd: what httpd, the kernel and a program may do to
 * the pump while it has them.
 *
 * A connection was destroyed 100 ms after its suspension, whether its worker
 * had left it or not.  One that broke while it was read from made the pump
 * spin, so did a kernel short of memory, and a link that epoll refused was
 * never read.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap/parking.h"
#include "tests/tap/tap.h"

#define MANY 3000 /* clients, more than one packet tells of */

static char large[30000], got[1 << 16];
static struct mail mail;

static bool
is_free_again(void *number)
{
	return link_parked(the_link, *(uint32_t *)number) == NULL;
}

static void
leave(struct conn *conn)
{
	close(conn->client);
	conn->client = -1;
}

/* The hook was called, but the worker is not back in its own. */
static void
test_a_slow_worker(void)
{
	struct conn *conn = conn_make(), *other;
	uint32_t number, next;

	begin("worker");
	conn->free = conn->left = false;
	number = offer(conn);
	pump_post(conn->parked);
	data(number, "early", 5);
	turns(20);
	ok(conn->parked->state == PARK_NEW && conn->wrote == 0,
	    "a connection is not touched while its worker has it");
	is_int(asked_ms, 1, "which is looked for again soon");
	conn->free = true;
	ok(client_read(conn, got, 5) == 5,
	    "then what came meanwhile is written");
	leave(conn);
	ok(program_gets(&prog, HANDOVER_GONE, &mail) && mail.words[0] == number,
	    "of its end the program hears at once");
	ahead_ms += 5000;
	turns(10);
	ok(conn->destroyed == 0,
	    "it is not destroyed while its worker is there");
	ok(asked_ms > 10 && asked_ms <= 50 && events_told == 0,
	    "which is looked for again: %d ms", asked_ms);
	/* One behind it in the row need not wait for it. */
	other = park_one(&next);
	other->left = false;
	leave(other);
	ok(program_gets(&prog, HANDOVER_GONE, &mail) && mail.words[0] == next,
	    "nor of that of another one");
	turns(3);
	other->left = true;
	turn_until(is_destroyed, other, "the other's destruction");
	ok(conn->destroyed == 0, "others are destroyed before it");
	conn->left = true;
	turn_until(is_destroyed, conn, "its destruction");
	is_int(conn->early + other->early, 0, "none of them too early");
	say_end(number);
	say_end(next);
	turn_until(is_free_again, &number, "END");
	turn_until(is_free_again, &next, "END");
	conn_unmake(conn);
	conn_unmake(other);
	end();
}

/* One that is cut sees it at once, though its worker is not back. */
static void
test_cut_early(void)
{
	struct conn *conn;
	uint32_t number;

	begin("early");
	conn = park_one(&number);
	conn->left = false;
	conn->breaks = true;
	data(number, "x", 1);
	turns(5);
	ok(recv(conn->client, got, 1, MSG_DONTWAIT) == 0 &&
		conn->destroyed == 0,
	    "a client that is cut sees it at once");
	conn->left = true;
	see_gone(conn, number, "its end");
	end();
}

/* httpd closes it instead; END comes at any moment. */
static void
test_lost(void)
{
	for (int when = 0; when < 3; when++) {
		struct conn *conn = conn_make();
		struct parked *p;
		uint32_t number;

		begin("lost");
		number = offer(conn);
		p = conn->parked;
		data(number, "nobody", 6);
		if (when == 0)
			turns(3);
		if (when == 1) {
			say_end(number);
			turns(3);
		}
		p->lost = true;
		p->conn = NULL;
		pump_post(p);
		if (when != 1) {
			ok(program_gets(&prog, HANDOVER_GONE, &mail) &&
				mail.words[0] == number,
			    "a connection that httpd ended: GONE");
			say_end(number);
		}
		turn_until(is_free_again, &number, "END");
		conn_unmake(conn);
		end();
	}
}

/* The program hears nothing of a client; nor does it stay with the pump. */
static void
test_not_offered(void)
{
	struct conn *conn = conn_make();
	struct iovec iov = { (void *)(uintptr_t) "A\0b", 4 };
	uint32_t number = 0;

	begin("unsent");
	fail_calls(CALL_SENDMSG, EAGAIN, -1, link_fd(the_link));
	ok(parked_offer(conn, the_link, conn->fd, &iov, 1, 0, STALL_MS) ==
		    NULL &&
		errno == EAGAIN,
	    "a client that a busy program does not take");
	fail_calls(CALL_SENDMSG, 0, 0, 0);
	turn_until(is_free_again, &number, "its number");
	ok(!program_read(&prog, &mail, 20), "leaves nothing");
	is_int(conn->ended + conn->destroyed, 0, "its connection is httpd's");
	conn_unmake(conn);
	conn = park_one(&number);
	is_int(number, 0, "the next one has its number");
	leave(conn);
	see_gone(conn, number, "that one");
	end();
}

/* The program ends before the pump has the client. */
static void
test_over_before_it_began(void)
{
	struct conn *conn = conn_make(), *first;
	uint32_t number, other;

	begin("over");
	first = park_one(&other);
	number = offer(conn);
	shutdown(prog.fd, SHUT_RDWR);
	turn_until(is_free_again, &number, "its number");
	pump_post(conn->parked);
	turn_until(is_ended, conn, "its end");
	ok(!conn->aborted, "a client of a program that died ends in order");
	turn_until(is_ended, first, "the end of the other");
	leave(conn);
	leave(first);
	turn_until(is_destroyed, conn, "its destruction");
	turn_until(is_destroyed, first, "that of the other");
	conn_unmake(conn);
	conn_unmake(first);
	end();
	/* Behind that: the link is known to be dead, and given up. */
	begin("over");
	conn = conn_make();
	offer(conn);
	shutdown(prog.fd, SHUT_RDWR);
	pump_post(conn->parked);
	turn_until(is_ended, conn, "its end");
	leave(conn);
	turn_until(is_destroyed, conn, "its destruction");
	ok(true, "so does one whom the pump meets then");
	conn_unmake(conn);
	end();
}

/* What does not concern anybody; a link bears it. */
static void
test_unknown_numbers(void)
{
	static const uint32_t words[] = { 5, 77, 1023, 1024, 999999, 1000000,
		UINT32_MAX, 5 };
	struct conn *conn;
	uint32_t number;

	begin("unknown");
	conn = park_one(&number);
	program_send(&prog, HANDOVER_DATA, 7, words, 7, "x", 1);
	program_send(&prog, HANDOVER_END, 7, words, 7, NULL, 0);
	program_send(&prog, HANDOVER_READ, 3, words, 6, NULL, 0);
	program_send(&prog, HANDOVER_DATA, 1, &number, 1, NULL, 0);
	program_send(&prog, HANDOVER_DATA, 0, NULL, 0, "x", 1);
	program_send(&prog, HANDOVER_END, 0, NULL, 0, NULL, 0);
	data(number, "y", 1);
	ok(client_read(conn, got, 1) == 1 && got[0] == 'y',
	    "numbers that nobody has are passed by");
	say_end(number);
	say_end(number);
	data(number, "z", 1);
	turn_until(is_ended, conn, "its end");
	ok(client_read(conn, got, 10) == 3 && memcmp(got, "BYE", 3) == 0,
	    "nothing comes behind END");
	leave(conn);
	turn_until(is_destroyed, conn, "its destruction");
	conn_unmake(conn);
	conn = park_one(&number);
	is_int(conn->parked->failed, 0, "and the link goes on");
	leave(conn);
	see_gone(conn, number, "a client of it");
	end();
}

/* Packets that are none: that link ends, with its clients, and no other. */
static void
test_malformed(void)
{
	static const struct {
		const char *what;
		uint32_t words[4];
		size_t len; /* bytes */
	} rows[] = {
		{ "a packet of 1 byte", { 0 }, 1 },
		{ "one of 7", { HANDOVER_STOP, 0 }, 7 },
		{ "type 0", { 0, 0 }, 8 },
		{ "a type of httpd's", { HANDOVER_HELLO, 0 }, 8 },
		{ "another", { HANDOVER_LEAVE, 0 }, 8 },
		{ "a type that is none", { HANDOVER__MAX, 0 }, 8 },
		{ "one number too many", { HANDOVER_END, 3, 0, 0 }, 16 },
		{ "half a number", { HANDOVER_END, 1, 0 }, 11 },
		{ "half a pair", { HANDOVER_READ, 1, 0, 0 }, 12 },
		{ "very many", { HANDOVER_DATA, UINT32_MAX, 0 }, 12 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conn *conn;
		uint32_t number;

		begin("malformed");
		conn = park_one(&number);
		if (send(prog.fd, rows[i].words, rows[i].len, 0) == -1)
			bail("send");
		turn_until(is_ended, conn, rows[i].what);
		ok(!conn->aborted && recv(prog.fd, got, 1, 0) == 0,
		    "%s ends the link", rows[i].what);
		leave(conn);
		turn_until(is_destroyed, conn, rows[i].what);
		conn_unmake(conn);
		end();
	}
}

/* STOP: nobody new is given to that program, whoever is there stays. */
static void
test_stop(void)
{
	struct conn *conn;
	uint32_t number;

	begin("stop");
	conn = park_one(&number);
	program_send(&prog, HANDOVER_STOP, 0, NULL, 0, NULL, 0);
	turns(5);
	ok(link_get(prog.path, 0) == NULL, "nobody is given to it behind STOP");
	data(number, "still", 5);
	ok(client_read(conn, got, 5) == 5, "who is there stays");
	leave(conn);
	see_gone(conn, number, "till it leaves");
	end();
}

/* A link that takes nothing: what there is to tell waits, in order. */
static void
test_clogged(void)
{
	static const int errors[] = { EAGAIN, ENOBUFS, ENOMEM };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct conn *conn, *other;
		uint32_t number, next;
		const char *what = strerror(errors[i]);
		int calls;

		begin("clogged");
		conn = park_one(&number);
		other = park_one(&next);
		fail_calls(CALL_SENDMSG, errors[i], -1, link_fd(the_link));
		if (send(conn->client, "one", 3, 0) != 3)
			bail("send");
		turns(5);
		if (send(conn->client, "two", 3, 0) != 3)
			bail("send");
		data(next, large, HANDOVER_REPORT);
		client_read(other, got, HANDOVER_REPORT);
		turns(5);
		ok(!program_read(&prog, &mail, 100), "%s: nothing is told",
		    what);
		if (errors[i] != EAGAIN) {
			calls = faults[CALL_SENDMSG].calls;
			turns(20);
			ok(asked_ms > 0 && asked_ms <= 50 &&
				faults[CALL_SENDMSG].calls - calls < 20,
			    "... nor tried at every turn");
			ok(TAILQ_FIRST(&pump.links)->again_ms <=
				mono_ms() + 100,
			    "... but soon");
		}
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		ok(program_gets(&prog, HANDOVER_INPUT_OF, &mail) &&
			mail.len == 7 && memcmp(mail.words + 1, "one", 3) == 0,
		    "... then the first input");
		ok(program_gets(&prog, HANDOVER_TAKEN, &mail) &&
			mail.words[0] == next &&
			mail.words[1] == HANDOVER_REPORT,
		    "... what the other took");
		ok(program_gets(&prog, HANDOVER_INPUT_OF, &mail) &&
			mail.len == 7 && memcmp(mail.words + 1, "two", 3) == 0,
		    "... and the second input");
		fail_calls(CALL_SENDMSG, errors[i], 1, link_fd(the_link));
		if (send(conn->client, "three", 5, 0) != 5)
			bail("send");
		ok(program_gets(&prog, HANDOVER_INPUT_OF, &mail) &&
			mail.len == 9 &&
			memcmp(mail.words + 1, "three", 5) == 0,
		    "... and a third one that had to wait");
		leave(conn);
		see_gone(conn, number, what);
		leave(other);
		see_gone(other, next, what);
		end();
	}
}

/* END of one of whom there is something to tell: it is told no more. */
static void
test_end_before_it_is_told(void)
{
	struct conn *conn;
	uint32_t number;

	begin("untold");
	conn = park_one(&number);
	fail_calls(CALL_SENDMSG, EAGAIN, -1, link_fd(the_link));
	if (send(conn->client, "input", 5, 0) != 5)
		bail("send");
	turns(3);
	leave(conn);
	say_end(number);
	turn_until(is_destroyed, conn, "its end");
	turn_until(is_free_again, &number, "END");
	fail_calls(CALL_SENDMSG, 0, 0, 0);
	ok(!program_read(&prog, &mail, 50),
	    "nothing is told of a client whose END has come");
	conn_unmake(conn);
	conn = park_one(&number);
	is_int(conn->parked->failed, 0, "and its number is used again");
	leave(conn);
	see_gone(conn, number, "the next one");
	end();
}

/* A link that is dead for sends alone: its end comes by epoll. */
static void
test_mute(void)
{
	struct conn *conn;
	uint32_t number;

	begin("mute");
	conn = park_one(&number);
	fail_calls(CALL_SENDMSG, EPIPE, 1, link_fd(the_link));
	if (send(conn->client, "lost", 4, 0) != 4)
		bail("send");
	turns(10);
	ok(!program_read(&prog, &mail, 20),
	    "a link that is broken says nothing");
	data(number, "last", 4);
	ok(client_read(conn, got, 4) == 4, "what comes from it is written");
	shutdown(prog.fd, SHUT_RDWR);
	turn_until(is_ended, conn, "its end");
	leave(conn);
	turn_until(is_destroyed, conn, "its destruction");
	conn_unmake(conn);
	end();
}

/* epoll takes no more descriptors: of a link, of a client. */
static void
test_no_epoll(void)
{
	struct conn *conn = conn_make();
	uint32_t number;

	begin("epoll");
	fail_calls(CALL_EPOLL_CTL, ENOSPC, 1, link_fd(the_link));
	number = offer(conn);
	pump_post(conn->parked);
	turn_until(is_ended, conn, "its end");
	ok(recv(prog.fd, got, 1, 0) == 0,
	    "a link that can't be waited for is closed");
	leave(conn);
	turn_until(is_destroyed, conn, "its destruction");
	conn_unmake(conn);
	end();
	begin("epoll");
	conn = conn_make();
	number = offer(conn);
	fail_calls(CALL_EPOLL_CTL, ENOSPC, 1, conn->fd);
	pump_post(conn->parked);
	see_gone(conn, number, "a client that can't be waited for");
	fail_calls(CALL_EPOLL_CTL, 0, 0, 0);
	end();
}

/* The socket breaks in the midst of each thing that may be done to it. */
static void
test_broken_sockets(void)
{
	for (int way = 0; way < 4; way++) {
		struct conn *conn;
		uint32_t number;

		begin("broken");
		conn = park_one(&number);
		if (way == 0) {
			conn->breaks = true;
			data(number, "x", 1);
		} else if (way == 1) {
			fail_calls(CALL_SENDMSG, EPIPE, -1, conn->fd);
			data(number, "x", 1);
		} else if (way == 2) {
			/* A filter that writes while it is read from. */
			fail_calls(CALL_SENDMSG, EPIPE, -1, conn->fd);
			conn->answers = true;
			if (send(conn->client, "x", 1, 0) != 1)
				bail("send");
		} else {
			/* The goodbye of TLS. */
			fail_calls(CALL_SENDMSG, EPIPE, -1, conn->fd);
			say_end(number);
			turn_until(is_destroyed, conn, "its end");
			ok(conn->ended == 1, "a broken goodbye");
			conn_unmake(conn);
			end();
			continue;
		}
		turn_until(is_ended, conn, "its end");
		ok(conn->aborted, "a connection that breaks, way %d", way);
		see_gone(conn, number, "it");
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		end();
	}
	fail_calls(CALL_SENDMSG, 0, 0, 0);
}

/* The socket is full for a moment, at each place. */
static void
test_full_sockets(void)
{
	static const int errors[] = { EAGAIN, ENOBUFS, EINTR };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct conn *conn;
		uint32_t number;

		begin("full");
		conn = park_one(&number);
		fail_calls(CALL_SENDMSG, errors[i], 3, conn->fd);
		data(number, "abc", 3);
		data(number, "def", 3);
		say_end(number);
		ok(client_read(conn, got, 9) == 9 &&
			memcmp(got, "abcdefBYE", 9) == 0,
		    "%s delays and loses nothing", strerror(errors[i]));
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		leave(conn);
		turn_until(is_destroyed, conn, "its end");
		conn_unmake(conn);
		end();
		/* The goodbye does not fit in: FIN comes behind it. */
		begin("full");
		conn = park_one(&number);
		fail_calls(CALL_SENDMSG, errors[i], 1, conn->fd);
		say_end(number);
		ok(client_read(conn, got, 3) == 3 && memcmp(got, "BYE", 3) == 0,
		    "nor the goodbye");
		turns(3);
		is_int(recv(conn->client, got, 1, MSG_DONTWAIT), 0,
		    "behind which the socket is closed");
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		leave(conn);
		turn_until(is_destroyed, conn, "its end");
		conn_unmake(conn);
		end();
	}
}

/* A child that ends: the programs are asked, and have their time. */
static void
test_leaving(void)
{
	struct conn *conn, *stays;
	uint32_t number, other;

	begin("leaving");
	conn = park_one(&number);
	stays = park_one(&other);
	leaving = true;
	ahead_ms += 1100;
	ok(program_gets(&prog, HANDOVER_LEAVE, &mail) && mail.head.count == 0 &&
		mail.len == 0,
	    "LEAVE is told within a second");
	say_end(number);
	turn_until(is_ended, conn, "the end of one");
	ahead_ms += 8000;
	ok(!program_read(&prog, &mail, 50), "once");
	ok(stays->ended == 0, "another one has 8 s");
	leave(conn);
	turn_until(is_destroyed, conn, "its destruction");
	ahead_ms += 3000;
	turns(5);
	ok(stays->ended == 1 && stays->aborted, "but not 11 s");
	see_gone(stays, other, "who does not leave");
	conn_unmake(conn);
	leaving = false;
	pump.leave_ms = 0;
	end();
}

/* Packets tell of many clients, and of each once. */
static void
test_many(void)
{
	static struct conn *conn[MANY];
	static unsigned char told[MANY];
	uint32_t numbers[MANY], n = 0, packets = 0;
	int wrong = 0;

	begin("many");
	for (int i = 0; i < MANY; i++) {
		conn[i] = conn_make();
		numbers[i] = offer(conn[i]);
		pump_post(conn[i]->parked);
	}
	turns(2);
	for (int i = 0; i < MANY; i++)
		wrong += numbers[i] != (uint32_t)i;
	is_int(wrong, 0, "%d clients", MANY);
	program_send(&prog, HANDOVER_DATA, MANY, numbers, MANY, large,
	    HANDOVER_REPORT);
	turns(1);
	while (n < MANY && program_read(&prog, &mail, 1000)) {
		packets++;
		for (uint32_t i = 0; i < mail.head.count; i++) {
			wrong += told[mail.words[2 * i]]++ != 0 ||
				 mail.words[2 * i + 1] != HANDOVER_REPORT;
			n++;
		}
	}
	ok(n == MANY && wrong == 0 && packets == (MANY + 1023) / 1024,
	    "each is told of once, in %u packets", packets);
	for (int i = 0; i < MANY; i++)
		leave(conn[i]);
	for (n = 0; n < MANY && program_read(&prog, &mail, 1000);
	     n += mail.head.count)
		for (uint32_t i = 0; i < mail.head.count; i++)
			wrong += mail.head.type != HANDOVER_GONE ||
				 told[mail.words[i]]++ != 1;
	ok(n == MANY && wrong == 0, "and of its end");
	program_send(&prog, HANDOVER_END, MANY, numbers, MANY, NULL, 0);
	for (int i = 0; i < MANY; i++) {
		turn_until(is_destroyed, conn[i], "its destruction");
		turn_until(is_free_again, &numbers[i], "END");
		conn_unmake(conn[i]);
	}
	end();
}

int
main(void)
{
	memset(large, 'x', sizeof(large));
	test_a_slow_worker();
	test_cut_early();
	test_lost();
	test_not_offered();
	test_over_before_it_began();
	test_unknown_numbers();
	test_malformed();
	test_stop();
	test_clogged();
	test_end_before_it_is_told();
	test_mute();
	test_no_epoll();
	test_broken_sockets();
	test_full_sockets();
	test_leaving();
	test_many();
	return done();
}
