/* SPDX-License-Identifier: MIT */
/*
 * The way out of a client, over a socket that takes little at a time: whatever
 * the sizes of the chunks, the same bytes come out at the other end.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/str.h"
#include "shared/out/sink.h"
#include "shared/wire/chunk.h"
#include "shared/wire/fcgi.h"
#include "tests/tap/tap.h"

/* A sink and the other end of its socket. */
struct pair {
	struct sink sink;  /* first: the callbacks find the pair so */
	int peer;          /* the other end */
	struct str got;    /* what came there */
	unsigned readable; /* calls of each callback */
	unsigned drained;
	unsigned failed;
};

static uint32_t seed = 12345; /* the same dice each time */

static uint32_t
dice(uint32_t bound)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % bound;
}

static void
on_readable(struct sink *sink)
{
	((struct pair *)(void *)sink)->readable++;
	sink_want_input(sink, false);
}

static void
on_drained(struct sink *sink)
{
	((struct pair *)(void *)sink)->drained++;
}

static void
on_failed(struct sink *sink)
{
	((struct pair *)(void *)sink)->failed++;
	sink_close(sink);
}

static const struct sink_ops ops = { on_readable, on_drained, on_failed, NULL };

static void
pair_open(struct pair *pair, enum sink_kind kind, int sndbuf)
{
	int fd[2];

	*pair = (struct pair){ .peer = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		fd) == -1)
		bail("socketpair: %s", strerror(errno));
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	pair->peer = fd[1];
	sink_open(&pair->sink, kind, fd[0], &ops, 1000);
}

static void
pair_close(struct pair *pair)
{
	sink_close(&pair->sink);
	close(pair->peer);
	str_free(&pair->got);
}

/* Reads at most `max` bytes of what lies at the other end. */
static void
take(struct pair *pair, size_t max)
{
	char buf[65536];
	ssize_t n;

	while (max > 0 && (n = read(pair->peer, buf,
			       max < sizeof(buf) ? max : sizeof(buf))) > 0) {
		str_add(&pair->got, buf, (size_t)n);
		max -= (size_t)n;
	}
}

/* Turns of the loop and reads of odd sizes until the queue is empty. */
static void
drain(struct pair *pair)
{
	for (int i = 0; i < 1000000 && pair->sink.count > 0; i++) {
		take(pair, 1 + dice(dice(2) == 0 ? 500 : 60000));
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	}
	take(pair, SIZE_MAX);
}

/* Appends `len` bytes that tell their place. */
static void
add_pattern(struct str *s, size_t len)
{
	char *to = str_room(s, len);

	for (size_t i = 0; i < len; i++)
		to[i] = (char)((s->len + i) * 7 + ((s->len + i) >> 8));
	s->len += len;
}

/* What FastCGI records hold. */
struct records {
	struct str content; /* of FCGI_STDOUT */
	unsigned ends;      /* FCGI_END_REQUEST records */
	unsigned wrong;     /* records that should not be */
	unsigned empty;     /* FCGI_STDOUT without content */
	size_t least;       /* shortest content but the last */
};

static void
parse(const struct str *got, uint16_t id, struct records *r)
{
	const unsigned char *p = (const unsigned char *)got->p;
	size_t left = got->len;

	*r = (struct records){ 0 };
	while (left >= FCGI_HEADER_LEN) {
		size_t len = (size_t)(p[4] << 8 | p[5]);

		r->wrong +=
		    p[0] != 1 || (p[2] << 8 | p[3]) != id || r->ends > 0;
		if (left < FCGI_HEADER_LEN + len + p[6])
			break;
		if (p[1] == FCGI_STDOUT) {
			str_add(&r->content, p + FCGI_HEADER_LEN, len);
			r->empty += len == 0;
		} else if (p[1] == FCGI_END_REQUEST && len == 8) {
			r->ends++;
		} else {
			r->wrong++;
		}
		left -= FCGI_HEADER_LEN + len + p[6];
		p += FCGI_HEADER_LEN + len + p[6];
	}
	r->wrong += left > 0;
}

/* A random chunk size: small, middling, around a record's limit, large. */
static size_t
random_size(void)
{
	static const size_t edges[] = { 65527, 65528, 65534, 65535, 65536,
		65537, 131070, 131071 };

	switch (dice(5)) {
	case 0:
		return 1 + dice(10);
	case 1:
		return 1 + dice(2000);
	case 2:
		return 1 + dice(200000);
	case 3:
		return edges[dice(sizeof(edges) / sizeof(edges[0]))];
	default:
		return 1 + dice(60000);
	}
}

static void
test_mix(enum sink_kind kind, uint16_t id, int sndbuf, int rounds)
{
	struct pair pair;
	struct str want = { 0 };
	struct records r;
	int64_t now_ms = 1000;

	pair_open(&pair, kind, sndbuf);
	pair.sink.request_id = id;
	for (int i = 0; i < rounds; i++) {
		/* Some at once, some flushed one by one, some while blocked. */
		for (uint32_t n = 1 + dice(dice(4) == 0 ? 150 : 4); n > 0;
		     n--) {
			size_t at = want.len,
			       len = n > 20 ? 1 + dice(40) : random_size();

			add_pattern(&want, len);
			sink_push(&pair.sink, chunk_new(want.p + at, len));
		}
		if (dice(3) > 0 && sink_flush(&pair.sink, ++now_ms) == -1)
			bail("the sink failed");
		take(&pair, dice(100000));
		if (dice(4) == 0)
			drain(&pair);
	}
	sink_flush(&pair.sink, ++now_ms);
	sink_end(&pair.sink);
	sink_flush(&pair.sink, ++now_ms);
	drain(&pair);
	is_int((long long)pair.sink.count, 0, "the queue empties");
	is_int((long long)pair.sink.queued, 0, "and its bytes are counted off");
	is_int((long long)pair.sink.sent, (long long)pair.got.len,
	    "what was sent is counted");
	if (kind != SINK_FCGI) {
		is_mem(pair.got.p, pair.got.len, want.p, want.len,
		    "plain bytes, buffer %d", sndbuf);
	} else {
		parse(&pair.got, id, &r);
		is_mem(r.content.p, r.content.len, want.p, want.len,
		    "the content of all records, id %d, buffer %d", id, sndbuf);
		is_int(r.ends, 1, "one END_REQUEST, behind it all");
		is_int(r.wrong, 0, "no record that should not be");
		is_int(r.empty, 0, "no empty record in the middle");
		str_free(&r.content);
	}
	pair_close(&pair);
	str_free(&want);
}

/* One small chunk at a time, a socket that blocks at every place of a record.
 */
static void
test_every_cut(void)
{
	unsigned wrong = 0;

	for (int cut = 1; cut < 40; cut++) {
		struct pair pair;
		struct str want = { 0 };
		struct records r;
		int fill = 0, filled;

		pair_open(&pair, SINK_FCGI, 4608);
		/* Fills the socket but for a few bytes, past the sink. */
		while (write(pair.sink.fd, "f", 1) == 1)
			fill++;
		(void)fill;
		filled = fill;
		for (int i = 0; i < 3; i++) {
			size_t at = want.len;

			add_pattern(&want, 11);
			sink_push(&pair.sink, chunk_new(want.p + at, 11));
			sink_flush(&pair.sink, 2000);
			if (i == 0)
				take(&pair, (size_t)cut);
		}
		sink_end(&pair.sink);
		sink_flush(&pair.sink, 2000);
		drain(&pair);
		if (pair.got.len < (size_t)filled)
			bail("what was put in does not come out");
		memmove(pair.got.p, pair.got.p + filled,
		    pair.got.len - (size_t)filled);
		pair.got.len -= (size_t)filled;
		parse(&pair.got, 1, &r);
		wrong += r.wrong != 0 || r.ends != 1 ||
			 r.content.len != want.len || r.content.p == NULL ||
			 memcmp(r.content.p, want.p, want.len) != 0;
		str_free(&r.content);
		str_free(&want);
		pair_close(&pair);
	}
	is_int((long long)wrong, 0, "a socket that was full at the start");
}

/* All that is ready leaves as one record. */
static void
test_one_record(void)
{
	struct pair pair;

	pair_open(&pair, SINK_FCGI, 1 << 20);
	for (int i = 0; i < 10; i++)
		sink_push(&pair.sink, chunk_new("0123456789", 10));
	is_int(sink_flush(&pair.sink, 1), 0, "ten chunks go out");
	take(&pair, SIZE_MAX);
	is_int((long long)pair.got.len, 8 + 100, "as one record");
	str_clear(&pair.got);
	sink_push(&pair.sink, chunk_new("x", 1));
	sink_end(&pair.sink);
	sink_flush(&pair.sink, 1);
	take(&pair, SIZE_MAX);
	is_mem(pair.got.p, pair.got.len,
	    "\1\6\0\1\0\1\0\0x\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0", 9 + 16,
	    "the last one and the end");
	sink_reuse(&pair.sink);
	sink_push(&pair.sink, chunk_new("y", 1));
	str_clear(&pair.got);
	sink_flush(&pair.sink, 1);
	take(&pair, SIZE_MAX);
	is_mem(pair.got.p, pair.got.len, "\1\6\0\1\0\1\0\0y", 9,
	    "and another answer on the same connection");
	pair_close(&pair);
}

/* Raw chunks go between records, never into one. */
static void
test_raw_chunks(void)
{
	static const unsigned char values[8] = { 1, 10, 0, 0, 0, 0, 0, 0 };
	struct pair pair;
	struct str content = { 0 };
	unsigned raws = 0, wrong = 0;
	size_t at = 0;

	pair_open(&pair, SINK_FCGI, 4608);
	for (int i = 0; i < 300; i++) {
		size_t len = 1 + dice(i % 7 == 0 ? 70000 : 300);
		struct chunk *raw;
		char *data = xcalloc(1, len);

		sink_push(&pair.sink, chunk_new(data, len));
		free(data);
		str_room(&content, len);
		content.len += len;
		if (i % 3 == 0) {
			raw = chunk_new(values, sizeof(values));
			raw->raw = true;
			sink_push(&pair.sink, raw);
			raws++;
		}
		if (i % 5 == 0)
			sink_flush(&pair.sink, 1);
		if (i % 11 == 0)
			drain(&pair);
	}
	sink_flush(&pair.sink, 1);
	drain(&pair);
	while (at + 8 <= pair.got.len) {
		const unsigned char *p = (const unsigned char *)pair.got.p + at;
		size_t len = (size_t)(p[4] << 8 | p[5]);

		if (p[0] != 1)
			break;
		if (p[1] == 10)
			raws--;
		else
			content.len -= len;
		wrong += p[1] != 10 && p[1] != FCGI_STDOUT;
		at += 8 + len;
	}
	is_int((long long)(pair.got.len - at), 0, "records to the last byte");
	is_int(wrong, 0, "of the two kinds");
	is_int(raws, 0, "every raw one");
	is_int((long long)content.len, 0, "and all content");
	str_free(&content);
	pair_close(&pair);
}

/* A peer that reads nothing, then all; and one that goes. */
static void
test_blocking(void)
{
	struct pair pair;
	char *big = xcalloc(1, 300000);
	struct chunk *shared = chunk_new(big, 300000);

	pair_open(&pair, SINK_FCGI, 4608);
	ok(!pair.sink.blocked, "an open sink is not blocked");
	sink_push(&pair.sink, chunk_ref(shared));
	is_int(sink_flush(&pair.sink, 5000), 0, "a chunk that does not fit");
	ok(pair.sink.blocked, "blocks");
	is_int(pair.sink.progress_ms, 5000, "the time is noted");
	sink_flush(&pair.sink, 9000);
	is_int(pair.sink.progress_ms, 5000, "and stays while nothing moves");
	for (int i = 0; i < 10; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.drained, 0, "nothing is told while it is blocked");
	drain(&pair);
	ok(!pair.sink.blocked && pair.drained == 1,
	    "it goes on by itself and tells once");
	is_int((long long)shared->refs, 1, "its reference is given back");
	sink_push(&pair.sink, chunk_ref(shared));
	sink_flush(&pair.sink, 1);
	close(pair.peer);
	pair.peer = -1;
	for (int i = 0; i < 5; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.failed, 1, "a peer that is gone is told");
	is_int((long long)shared->refs, 1, "and the queue given back");
	sink_push(&pair.sink, chunk_ref(shared));
	is_int((long long)shared->refs, 1, "a closed sink takes nothing");
	pair_close(&pair);
	chunk_unref(shared);
	free(big);
}

/* Fills the socket so that the sink waits; then the peer takes all. */
static void
block_and_take(struct pair *pair)
{
	char big[100000] = { 0 };

	sink_push(&pair->sink, chunk_new(big, sizeof(big)));
	sink_flush(&pair->sink, 1);
	if (!pair->sink.blocked)
		bail("100000 bytes fit into the socket");
	for (int i = 0; i < 100000 && pair->sink.blocked; i++) {
		take(pair, SIZE_MAX);
		sink_flush(&pair->sink, 1);
	}
}

/* Emptied by a flush of somebody: told to those alone who asked for it. */
static void
test_tell_drained(void)
{
	struct pair pair;

	pair_open(&pair, SINK_RAW, 4608);
	block_and_take(&pair);
	ok(!pair.sink.blocked && pair.sink.count == 0, "a flush empties it");
	for (int i = 0; i < 5; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.drained, 0, "who flushes knows by itself");
	pair.sink.tell_drained = true;
	block_and_take(&pair);
	is_int(pair.drained, 0, "who asked is not told inside the flush");
	for (int i = 0; i < 5; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.drained, 1, "but by the loop, once");
	sink_push(&pair.sink, chunk_new("x", 1));
	sink_flush(&pair.sink, 1);
	for (int i = 0; i < 5; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.drained, 1, "not of what the socket takes at once");
	block_and_take(&pair);
	sink_close(&pair.sink);
	for (int i = 0; i < 5; i++)
		ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.drained, 1, "and not when it was closed meanwhile");
	is_int(pair.failed, 0, "which is no failure");
	pair_close(&pair);
}

/* Small chunks cost more than their bytes, and that counts. */
static void
test_cost(void)
{
	struct pair pair;
	size_t before;

	pair_open(&pair, SINK_RAW, 4608);
	for (int i = 0; i < 100; i++)
		sink_push(&pair.sink, chunk_new("0123456789", 10));
	before = pair.sink.queued;
	ok(before >= 100 * (10 + sizeof(struct chunk)),
	    "100 chunks of 10 bytes count %zu", before);
	sink_flush(&pair.sink, 1);
	drain(&pair);
	is_int((long long)pair.sink.queued, 0, "and nothing when they are out");
	sink_push(&pair.sink, chunk_new("", 0));
	is_int((long long)pair.sink.queued, 0, "an empty one is none");
	pair_close(&pair);
}

/* After the end nothing may follow; empty chunks are nothing. */
static void
test_ended(void)
{
	struct pair pair;

	pair_open(&pair, SINK_RAW, 1 << 20);
	sink_push(&pair.sink, chunk_new("", 0));
	is_int(pair.sink.count, 0, "an empty chunk is dropped");
	sink_push(&pair.sink, chunk_new("a", 1));
	sink_end(&pair.sink);
	sink_end(&pair.sink);
	sink_push(&pair.sink, chunk_new("b", 1));
	sink_flush(&pair.sink, 1);
	take(&pair, SIZE_MAX);
	is_mem(pair.got.p, pair.got.len, "a", 1, "nothing behind the end");
	write(pair.peer, "x", 1);
	ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.readable, 1, "bytes from the peer are told, while wanted");
	sink_want_input(&pair.sink, true);
	ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	is_int(pair.readable, 2, "and again when wanted again");
	pair_close(&pair);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	test_mix(SINK_FCGI, 1, 4608, 25);
	test_mix(SINK_FCGI, 1, 100000, 25);
	test_mix(SINK_FCGI, 1, 1 << 20, 25);
	test_mix(SINK_FCGI, 0x1234, 4608, 25);
	test_mix(SINK_FCGI, 2, 300000, 25);
	test_mix(SINK_RAW, 1, 4608, 25);
	test_mix(SINK_CGI, 1, 30000, 25);
	test_every_cut();
	test_one_record();
	test_raw_chunks();
	test_blocking();
	test_tell_drained();
	test_cost();
	test_ended();
	return done();
}
