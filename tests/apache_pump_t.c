/* SPDX-License-Identifier: MIT */
/*
 * Parked clients, without httpd: what the pump does with windows, numbers,
 * packets and sockets that take nothing, and with what httpd and the kernel do
 * to it.
 *
 * A client whose connection broke while it was read from made the pump spin, a
 * link that epoll refused was never read, and a kernel short of memory made it
 * spin as well.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap/parking.h"
#include "tests/tap/tap.h"

#define LARGE 30000 /* bytes of a large piece */

static char large[LARGE], got[1 << 20];
static struct mail mail;

static void
test_an_answer(void)
{
	uint32_t number;
	struct conn *conn;

	begin("answer");
	conn = park_one(&number);
	data(number, "hello", 5);
	ok(client_read(conn, got, 5) == 5 && memcmp(got, "hello", 5) == 0,
	    "bytes of the program reach the client");
	is_int((long long)conn->wrote, 5, "and httpd's log");
	most_bytes = 1;
	data(number, "by bytes", 8);
	ok(client_read(conn, got, 8) == 8 && memcmp(got, "by bytes", 8) == 0,
	    "in order, if the socket takes a byte at a time");
	most_bytes = 0;
	data(number, " and", 4);
	say_end(number);
	ok(client_read(conn, got, 7) == 7 && memcmp(got, " andBYE", 7) == 0,
	    "END is behind what was sent, and TLS ends as it should");
	ok(conn->ended == 1 && conn->goodbyes == 1 && !conn->aborted,
	    "the request is ended");
	is_int((long long)client_read(conn, got, 1), 0, "its socket is closed");
	turns(5);
	ok(conn->destroyed == 0, "the connection lingers");
	ok(send(conn->client, "late", 4, MSG_NOSIGNAL) == 4,
	    "the client talks on");
	turns(3);
	ok(conn->destroyed == 0 && !program_read(&prog, &mail, 20),
	    "of which nobody is told");
	close(conn->client);
	conn->client = -1;
	turn_until(is_destroyed, conn, "the end of a connection");
	ok(true, "it ends with the client");
	conn_unmake(conn);
	conn = park_one(&number);
	is_int(number, 0, "the next client has the number");
	say_end(number);
	turn_until(is_ended, conn, "its end");
	ahead_ms += 1900;
	turns(3);
	ok(conn->destroyed == 0, "one who does not close lingers 1.9 s");
	ahead_ms += 1200;
	turns(3);
	ok(conn->destroyed == 1, "and not 3.1 s");
	conn_unmake(conn);
	end();
}

/* What came out of the socket is told at 16 KB, and not byte by byte. */
static void
test_taken(void)
{
	uint32_t number;
	struct conn *conn;

	begin("taken");
	conn = park_one(&number);
	data(number, large, HANDOVER_REPORT - 1);
	client_read(conn, got, HANDOVER_REPORT - 1);
	ok(!program_read(&prog, &mail, 20), "few bytes are not told");
	ahead_ms += 2000;
	ok(!program_read(&prog, &mail, 20), "nor later");
	data(number, large, 1);
	ok(program_gets(&prog, HANDOVER_TAKEN, &mail) && mail.head.count == 1 &&
		mail.words[0] == number && mail.words[1] == HANDOVER_REPORT,
	    "many are");
	data(number, large, HANDOVER_REPORT);
	ok(program_gets(&prog, HANDOVER_TAKEN, &mail) &&
		mail.words[1] == HANDOVER_REPORT,
	    "each once");
	close(conn->client);
	conn->client = -1;
	see_gone(conn, number, "a client that leaves");
	end();
}

/* Fills the socket of a client; returns how much was sent. */
static size_t
fill(struct conn *conn, uint32_t number)
{
	size_t sent = 0;

	while (conn->parked->rest_len == 0) {
		for (size_t i = 0; i < LARGE; i++)
			large[i] = (char)((sent + i) % 251);
		data(number, large, LARGE);
		sent += LARGE;
		turns(2);
		while (recv(prog.fd, &mail, sizeof(mail), MSG_DONTWAIT) > 0)
			continue;
	}
	return sent;
}

/* One who does not read: its bytes wait, in order, each told when it is out. */
static void
test_slow(void)
{
	uint32_t number, told = 0;
	struct conn *conn;
	size_t sent, n, wrong = 0;

	begin("slow");
	conn = park_one(&number);
	sent = fill(conn, number);
	for (int i = 0; i < 2; i++) {
		for (n = 0; n < LARGE; n++)
			large[n] = (char)((sent + n) % 251);
		data(number, large, LARGE);
		sent += LARGE;
		turns(2);
	}
	is_int((long long)conn->parked->queued, 2 * LARGE,
	    "what the socket does not take waits");
	ok(!program_read(&prog, &mail, 20), "and is not told");
	ahead_ms += STALL_MS - 600;
	turns(2);
	n = client_read(conn, got, 200000);
	turns(3);
	ahead_ms += STALL_MS - 1100;
	turns(3);
	ok(conn->cut == 0, "a client that takes something is not cut");
	n += client_read(conn, got + n, sent - n);
	is_int((long long)n, (long long)sent, "one that reads on gets all");
	for (size_t i = 0; i < n; i++)
		wrong += got[i] != (char)(i % 251);
	is_int((long long)wrong, 0, "in order");
	while (program_read(&prog, &mail, 50))
		for (uint32_t i = 0; i < mail.head.count; i++)
			told += mail.words[2 * i + 1];
	ok(told + HANDOVER_REPORT > 3 * LARGE && told <= 3 * LARGE,
	    "of which the program is told, once: %u", told);
	is_int((long long)conn->parked->queued, 0, "nothing waits any more");
	sent = fill(conn, number);
	is_int((long long)conn->parked->at_filter, LARGE,
	    "and then as much as is new");
	ahead_ms += STALL_MS - 1100;
	turns(3);
	ok(conn->cut == 0, "one that takes nothing is not cut before its time");
	ahead_ms += 1700;
	turns(3);
	is_int(conn->cut, 1, "but then");
	is_int(conn->aborted, 1, "httpd is told why");
	see_gone(conn, number, "one that is cut");
	end();
}

/* Deadlines are of progress: a byte now and then is enough. */
static void
test_progress(void)
{
	uint32_t number;
	struct conn *conn;

	begin("progress");
	conn = park_one(&number);
	ahead_ms += 10 * STALL_MS;
	turns(3);
	fail_calls(CALL_SENDMSG, EAGAIN, -1, conn->fd);
	most_bytes = 1000;
	data(number, large, LARGE);
	ahead_ms += 1100;
	turns(3);
	ok(conn->parked->rest_len == LARGE && conn->cut == 0,
	    "who had nothing to take for long has its time");
	for (int i = 0; i < 5; i++) {
		ahead_ms += STALL_MS - 2000;
		fail_calls(CALL_SENDMSG, 0, 0, 0);
		turns(1);
		fail_calls(CALL_SENDMSG, EAGAIN, -1, conn->fd);
		ahead_ms += 1100;
		turns(3);
	}
	ok(conn->cut == 0 && conn->parked->rest_at > 0 &&
		conn->parked->rest_at < LARGE,
	    "one that takes a little again and again is not cut");
	ahead_ms += STALL_MS + 1100;
	turns(3);
	is_int(conn->cut, 1, "one that takes nothing more is");
	fail_calls(CALL_SENDMSG, 0, 0, 0);
	most_bytes = 0;
	see_gone(conn, number, "it");
	end();
}

/* END while output waits: what the client says then is nobody's. */
static void
test_end_behind_output(void)
{
	uint32_t number;
	struct conn *conn;

	begin("behind");
	conn = park_one(&number);
	fail_calls(CALL_SENDMSG, EAGAIN, -1, conn->fd);
	data(number, "first", 5);
	data(number, "second", 6);
	say_end(number);
	turns(3);
	if (send(conn->client, "nobody's", 8, 0) != 8)
		bail("send");
	ok(!program_read(&prog, &mail, 30) && conn->ended == 0,
	    "nothing is told of a number that is over");
	fail_calls(CALL_SENDMSG, 0, 0, 0);
	ok(client_read(conn, got, 14) == 14 &&
		memcmp(got, "firstsecondBYE", 14) == 0,
	    "what waited comes before the end");
	close(conn->client);
	conn->client = -1;
	turn_until(is_destroyed, conn, "its end");
	conn_unmake(conn);
	end();
}

/* A client that closes its half is told goodbye, and is gone. */
static void
test_half_a_close(void)
{
	uint32_t number;
	struct conn *conn;

	begin("half");
	conn = park_one(&number);
	shutdown(conn->client, SHUT_WR);
	ok(client_read(conn, got, 3) == 3 && memcmp(got, "BYE", 3) == 0,
	    "who closes half is told goodbye");
	is_int(conn->aborted, 0, "which is an end in order");
	see_gone(conn, number, "who closes half");
	end();
}

/* A slow one that takes a little: the program hears of it within a second. */
static void
test_trickle(void)
{
	uint32_t number;
	struct conn *conn;

	begin("trickle");
	conn = park_one(&number);
	fill(conn, number);
	conn->parked->taken = 5;
	ahead_ms += 1100;
	ok(program_gets(&prog, HANDOVER_TAKEN, &mail) && mail.words[1] == 5,
	    "a little is told within a second while more waits");
	close(conn->client);
	conn->client = -1;
	see_gone(conn, number, "and its end");
	end();
}

/* A program that does not heed the window, or filters that write for ever. */
static void
test_bounds(void)
{
	uint32_t number;
	struct conn *conn;
	size_t queued = 0;

	begin("bounds");
	conn = park_one(&number);
	fill(conn, number);
	while (!conn->parked->failed && queued < 10 * HANDOVER_WINDOW) {
		data(number, large, LARGE);
		queued += LARGE;
		turns(1);
	}
	ok(queued > HANDOVER_WINDOW && queued <= 3 * HANDOVER_WINDOW,
	    "what waits for a client is bounded: %zu", queued);
	see_gone(conn, number, "one beyond the window");
	conn = park_one(&number);
	fill(conn, number);
	conn->answers = true;
	ok(send(conn->client, large, LARGE, MSG_DONTWAIT) > 0,
	    "a client that makes the filters write");
	for (int i = 0; i < 2000 && !conn->parked->failed; i++) {
		queued = conn->parked->rest_len;
		turns(1);
	}
	ok(queued > 2 * HANDOVER_WINDOW && queued <= 4 * HANDOVER_WINDOW,
	    "is bounded: %zu", queued);
	see_gone(conn, number, "and cut");
	end();
}

/* Input: 32 KB at most that the program has not used, and in order. */
static void
test_input(void)
{
	uint32_t number, pair[2], n = 0;
	struct conn *conn;
	size_t sent = 0, came = 0, wrong = 0;

	begin("input");
	conn = park_one(&number);
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)(i % 251);
	while (sent < 100000) {
		ssize_t out = send(conn->client, large + sent % 251,
		    LARGE - 251, MSG_DONTWAIT);

		if (out == -1)
			break;
		sent += (size_t)out;
	}
	for (int round = 0; round < 3; round++) {
		size_t before = came;

		while (program_read(&prog, &mail, 50)) {
			const char *bytes = (const char *)(mail.words + 1);

			if (mail.head.type != HANDOVER_INPUT_OF ||
			    mail.words[0] != number)
				bail("a packet of type %u", mail.head.type);
			for (size_t i = 0; i < mail.len - 4; i++)
				wrong += bytes[i] != (char)((came + i) % 251);
			came += mail.len - 4;
			n++;
		}
		ok(came - before <= HANDOVER_INPUT &&
			came - before > HANDOVER_INPUT - 8192,
		    "input up to the window: %zu", came - before);
		pair[0] = number;
		pair[1] = (uint32_t)(came - before);
		program_send(&prog, HANDOVER_READ, 1, pair, 2, NULL, 0);
	}
	is_int((long long)wrong, 0, "in order");
	ok(n < 40, "in large packets: %u", n);
	pair[1] = 1000000;
	program_send(&prog, HANDOVER_READ, 1, pair, 2, NULL, 0);
	turns(3);
	ok(conn->parked->input <= HANDOVER_INPUT,
	    "more used than was sent is no more than all");
	while (program_read(&prog, &mail, 50))
		came += mail.len - 4;
	is_int(conn->parked->failed, 0, "the client is well");
	close(conn->client);
	conn->client = -1;
	turn_until(is_ended, conn, "its end");
	while (program_read(&prog, &mail, 50) &&
	       mail.head.type == HANDOVER_INPUT_OF)
		continue;
	is_int(mail.head.type, HANDOVER_GONE, "and gone behind its input");
	say_end(number);
	turn_until(is_destroyed, conn, "its end");
	conn_unmake(conn);
	end();
}

/* What lies in the filters when the pump gets it, and behind a full window. */
static void
test_hidden_input(void)
{
	struct conn *conn = conn_make();
	uint32_t number, pair[2] = { 0, HANDOVER_INPUT };
	size_t came = 0;

	begin("hidden");
	number = offer(conn);
	conn->hidden = got;
	conn->hidden_len = 60000;
	pump_post(conn->parked);
	while (program_read(&prog, &mail, 50))
		came += mail.len - 4;
	is_int((long long)came, HANDOVER_INPUT,
	    "what came with the request is read");
	program_send(&prog, HANDOVER_READ, 1, pair, 2, NULL, 0);
	while (program_read(&prog, &mail, 50))
		came += mail.len - 4;
	is_int((long long)came, 60000, "and on, though no socket says so");
	say_end(number);
	close(conn->client);
	conn->client = -1;
	turn_until(is_destroyed, conn, "its end");
	conn_unmake(conn);
	end();
}

int
main(void)
{
	test_an_answer();
	test_taken();
	test_slow();
	test_progress();
	test_end_behind_output();
	test_half_a_close();
	test_trickle();
	test_bounds();
	test_input();
	test_hidden_input();
	return done();
}
