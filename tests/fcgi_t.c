/* SPDX-License-Identifier: MIT */
/*
 * FastCGI: each script of records is read in one piece and one byte at a time,
 * and must come to the same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/fcgi.h"
#include "tests/tap/tap.h"

#define N(table)   (sizeof(table) / sizeof((table)[0]))
#define B(literal) literal, sizeof(literal) - 1
#define RESPONDER  "\0\1\0\0\0\0\0\0"
#define KEEP       "\0\1\1\0\0\0\0\0"
#define AUTHORIZER "\0\2\0\0\0\0\0\0"

/* One record with padding; its pieces are put together by hand. */
struct record {
	int type, id;        /* of the header; type 0 ends a script */
	const char *content; /* its bytes */
	size_t len;          /* how many */
	int padding;         /* bytes behind them */
};

struct script {
	const char *what;      /* it shows */
	struct record rec[12]; /* what comes */
	enum fcgi_event want;  /* the last event */
	const char *params;    /* at the end */
	size_t params_len;     /* bytes of them */
	const char *body;      /* at the end */
	const char *reply;     /* records that went back */
	size_t reply_len;      /* bytes of them */
	int keep;              /* FCGI_KEEP_CONN was seen */
	bool left_over;        /* bytes remain unread, in one piece */
};

static const struct script scripts[] = {
	{ .what = "a request without a body",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 4, 1, B("\1\1ab"), 0 },
		{ 4, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .params = "\1\1ab",
	    .params_len = 4,
	    .body = "" },
	{ .what = "padding everywhere, params and body in pieces",
	    .rec = { { 1, 7, B(KEEP), 8 }, { 4, 7, B("\1"), 7 },
		{ 4, 7, B("\1a"), 255 }, { 4, 7, B("b"), 1 },
		{ 4, 7, B(""), 3 }, { 5, 7, B("hel"), 5 }, { 5, 7, B("lo"), 6 },
		{ 5, 7, B(""), 8 } },
	    .want = FCGI_EV_REQUEST,
	    .params = "\1\1ab",
	    .params_len = 4,
	    .body = "hello",
	    .keep = 1 },
	{ .what = "an id of two bytes",
	    .rec = { { 1, 0x1234, B(RESPONDER), 0 }, { 4, 0x1234, B(""), 0 },
		{ 5, 0x1234, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "" },
	{ .what = "the body before the end of params",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 5, 1, B("x"), 0 },
		{ 4, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "x" },
	{ .what = "FCGI_DATA is skipped",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 8, 1, B("zzz"), 2 },
		{ 4, 1, B(""), 0 }, { 8, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "" },
	{ .what = "not whole",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 4, 1, B(""), 0 },
		{ 5, 1, B("x"), 0 } },
	    .want = FCGI_EV_MORE,
	    .body = "x" },
	{ .what = "abort",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 4, 1, B("\1\1ab"), 0 },
		{ 2, 1, B(""), 0 } },
	    .want = FCGI_EV_ABORT,
	    .params = "\1\1ab",
	    .params_len = 4 },
	{ .what = "abort of another request",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 2, 2, B(""), 0 },
		{ 4, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "" },
	{ .what = "a wrong role is refused, the connection goes on",
	    .rec = { { 1, 3, B(AUTHORIZER), 0 }, { 4, 3, B("\1\1ab"), 0 },
		{ 4, 3, B(""), 0 }, { 5, 3, B(""), 0 },
		{ 1, 4, B(RESPONDER), 0 }, { 4, 4, B(""), 0 },
		{ 5, 4, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "",
	    .reply = "\1\3\0\3\0\10\0\0\0\0\0\0\3\0\0\0",
	    .reply_len = 16 },
	{ .what = "a second request on the connection is refused",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 1, 2, B(RESPONDER), 0 },
		{ 4, 2, B("\1\1xy"), 0 }, { 5, 2, B("no"), 0 },
		{ 4, 1, B("\1\1ab"), 0 }, { 4, 1, B(""), 0 },
		{ 5, 2, B(""), 0 }, { 5, 1, B("yes"), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .params = "\1\1ab",
	    .params_len = 4,
	    .body = "yes",
	    .reply = "\1\3\0\2\0\10\0\0\0\0\0\0\1\0\0\0",
	    .reply_len = 16 },
	{ .what = "FCGI_GET_VALUES",
	    .rec = { { 9, 0, B("\17\0FCGI_MPXS_CONNS\1\0X\16\0FCGI_MAX_CONNS"),
		4 } },
	    .want = FCGI_EV_MORE,
	    .reply = "\1\12\0\0\0\47\0\0\17\1FCGI_MPXS_CONNS0"
		     "\16\5FCGI_MAX_CONNS65535",
	    .reply_len = 8 + 39 },
	{ .what = "FCGI_GET_VALUES of nothing",
	    .rec = { { 9, 0, B(""), 0 } },
	    .want = FCGI_EV_MORE,
	    .reply = "\1\12\0\0\0\0\0\0",
	    .reply_len = 8 },
	{ .what = "FCGI_GET_VALUES whose lengths lie",
	    .rec = { { 9, 0, B("\377\377\377\377\377\377\377\377"), 0 } },
	    .want = FCGI_EV_MORE,
	    .reply = "\1\12\0\0\0\0\0\0",
	    .reply_len = 8 },
	{ .what = "an unknown management type",
	    .rec = { { 42, 0, B("abc"), 1 } },
	    .want = FCGI_EV_MORE,
	    .reply = "\1\13\0\0\0\10\0\0\52\0\0\0\0\0\0\0",
	    .reply_len = 16 },
	{ .what = "a management record inside a request",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 9, 0, B(""), 0 },
		{ 4, 1, B("\1\1ab"), 0 }, { 4, 1, B(""), 0 },
		{ 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .params = "\1\1ab",
	    .params_len = 4,
	    .body = "",
	    .reply = "\1\12\0\0\0\0\0\0",
	    .reply_len = 8 },
	{ .what = "an unknown type inside a request is skipped",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 77, 1, B("zz"), 0 },
		{ 4, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "" },
	{ .what = "records of no request are skipped",
	    .rec = { { 4, 5, B("\1\1ab"), 0 }, { 5, 5, B("zz"), 0 },
		{ 2, 5, B(""), 0 } },
	    .want = FCGI_EV_MORE },
	{ .what = "BEGIN_REQUEST that is too short",
	    .rec = { { 1, 1, B("\0\1\0\0\0\0\0"), 0 } },
	    .want = FCGI_EV_BAD },
	{ .what = "BEGIN_REQUEST that is too long",
	    .rec = { { 1, 1, B(RESPONDER "x"), 0 } },
	    .want = FCGI_EV_BAD },
	{ .what = "params after their end",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 4, 1, B(""), 0 },
		{ 4, 1, B("\1\1ab"), 0 } },
	    .want = FCGI_EV_BAD },
	{ .what = "the end of params twice",
	    .rec = { { 1, 1, B(RESPONDER), 0 }, { 4, 1, B(""), 0 },
		{ 4, 1, B(""), 0 }, { 5, 1, B(""), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "" },
	{ .what = "what stands behind a request is left",
	    .rec = { { 1, 1, B(KEEP), 0 }, { 4, 1, B(""), 0 },
		{ 5, 1, B(""), 0 }, { 1, 2, B(RESPONDER), 0 } },
	    .want = FCGI_EV_REQUEST,
	    .body = "",
	    .keep = 1,
	    .left_over = true },
};

static void
add_record(struct str *out, const struct record *r)
{
	unsigned char header[FCGI_HEADER_LEN];

	fcgi_put_header(header, (enum fcgi_type)r->type, (uint16_t)r->id,
	    r->len);
	header[6] = (unsigned char)r->padding;
	str_add(out, header, sizeof(header));
	str_add(out, r->content, r->len);
	memset(str_room(out, (size_t)r->padding), 0xaa, (size_t)r->padding);
	out->len += (size_t)r->padding;
}

/* Reads in pieces of `step` bytes until something happens. */
static enum fcgi_event
read_all(struct fcgi_in *in, const struct str *bytes, size_t step, size_t *at)
{
	enum fcgi_event event = FCGI_EV_MORE;

	/* Behind the head one reads on. */
	for (*at = 0; *at < bytes->len &&
		      (event == FCGI_EV_MORE || event == FCGI_EV_HEAD);) {
		size_t left = bytes->len - *at, used;

		event = fcgi_read(in, bytes->p + *at, left < step ? left : step,
		    &used);
		*at += used;
	}
	return event;
}

static void
run_script(const struct script *s, size_t step)
{
	struct fcgi_in in = { .params_max = 1000, .body_max = 1000 };
	struct str bytes = { 0 };
	enum fcgi_event event;
	size_t at;

	for (size_t i = 0; i < N(s->rec) && s->rec[i].type != 0; i++)
		add_record(&bytes, &s->rec[i]);
	event = read_all(&in, &bytes, step, &at);
	if (event == FCGI_EV_HEAD)
		event = FCGI_EV_MORE;
	is_int(event, s->want, "%s, by %zu bytes", s->what, step);
	is_mem(in.params.p, in.params.len, s->params, s->params_len,
	    "its params");
	if (s->body != NULL)
		is_mem(in.body.p, in.body.len, s->body, strlen(s->body),
		    "its body");
	is_mem(in.reply.p, in.reply.len, s->reply, s->reply_len, "the reply");
	is_int(in.keep, s->keep, "keep");
	if (s->want == FCGI_EV_REQUEST)
		is_int(at < bytes.len, s->left_over, "what is left");
	fcgi_next(&in);
	ok(in.id == 0 && in.params.p == NULL && in.body.p == NULL && !in.keep &&
		!in.params_done,
	    "nothing of it survives");
	str_free(&in.reply);
	str_free(&bytes);
}

static void
test_limits(size_t step)
{
	char big[5000];
	struct record begin = { 1, 1, B(RESPONDER), 0 };
	struct fcgi_in in = { .params_max = 100, .body_max = 100 };
	struct str bytes = { 0 };
	size_t at;

	memset(big, 'x', sizeof(big));
	add_record(&bytes, &begin);
	add_record(&bytes, &(struct record){ 4, 1, big, 100, 0 });
	add_record(&bytes, &(struct record){ 4, 1, B(""), 0 });
	add_record(&bytes, &(struct record){ 5, 1, big, 100, 0 });
	add_record(&bytes, &(struct record){ 5, 1, B(""), 0 });
	is_int(read_all(&in, &bytes, step, &at), FCGI_EV_REQUEST,
	    "params and body as long as allowed");
	ok(in.body.len == 100 && !in.body_too_big, "all of it is there");
	fcgi_next(&in);
	str_clear(&bytes);
	add_record(&bytes, &begin);
	add_record(&bytes, &(struct record){ 4, 1, big, 60, 0 });
	add_record(&bytes, &(struct record){ 4, 1, big, 41, 0 });
	is_int(read_all(&in, &bytes, step, &at), FCGI_EV_BAD,
	    "params that are too long");
	fcgi_next(&in);
	in = (struct fcgi_in){ .params_max = 100, .body_max = 100 };
	str_clear(&bytes);
	add_record(&bytes, &begin);
	add_record(&bytes, &(struct record){ 4, 1, B(""), 0 });
	for (int i = 0; i < 10; i++)
		add_record(&bytes, &(struct record){ 5, 1, big, 5000, 0 });
	add_record(&bytes, &(struct record){ 5, 1, B(""), 0 });
	is_int(read_all(&in, &bytes, step, &at), FCGI_EV_REQUEST,
	    "a body that is too long is read to its end");
	ok(in.body_too_big && in.body.len <= 100, "and not kept");
	fcgi_next(&in);
	ok(!in.body_too_big, "the next one begins anew");
	str_free(&bytes);
	str_free(&in.reply);
}

/*
 * The head is told once, before the body; who answers then has the rest
 * skipped, and the next request is read.
 */
static void
test_head(size_t step)
{
	struct record begin = { 1, 1, B(KEEP), 0 };
	struct fcgi_in in = { .params_max = 100, .body_max = 100 };
	struct str bytes = { 0 };
	size_t at = 0, used;
	enum fcgi_event event = FCGI_EV_MORE;
	int heads = 0, requests = 0;

	for (int i = 0; i < 2; i++) {
		add_record(&bytes, &begin);
		add_record(&bytes, &(struct record){ 4, 1, B("\1\1ab"), 0 });
		add_record(&bytes, &(struct record){ 4, 1, B(""), 3 });
		add_record(&bytes, &(struct record){ 5, 1, B("hello"), 2 });
		add_record(&bytes, &(struct record){ 5, 1, B(""), 0 });
	}
	for (; at < bytes.len; at += used) {
		size_t left = bytes.len - at;

		event = fcgi_read(&in, bytes.p + at, left < step ? left : step,
		    &used);
		if (event == FCGI_EV_HEAD) {
			is_int((long long)in.body_got, 0,
			    "nothing of the body");
			is_mem(in.params.p, in.params.len, "\1\1ab", 4,
			    "all params");
			if (++heads == 1)
				fcgi_next(&in);
		}
		if (event == FCGI_EV_REQUEST) {
			requests++;
			is_mem(in.body.p, in.body.len, "hello", 5, "its body");
		}
	}
	is_int(heads, 2, "each head is told once");
	is_int(requests, 1, "what was answered early is no request any more");
	is_int((long long)in.body_got, 5, "bytes of the body");
	fcgi_next(&in);
	is_int((long long)in.body_got, 0, "of the next");
	in.drop_body = true;
	for (at = 0; at < bytes.len && event != FCGI_EV_BAD; at += used) {
		event = fcgi_read(&in, bytes.p + at, bytes.len - at, &used);
		if (event == FCGI_EV_REQUEST)
			break;
	}
	ok(in.body.len == 0 && in.body_got == 5, "a body that nobody wants");
	fcgi_next(&in);
	ok(!in.drop_body, "the next one is wanted");
	str_free(&bytes);
}

/* The same answer however the bytes of a long question are cut. */
static void
test_long_values(void)
{
	char content[6000];
	struct str bytes = { 0 }, first = { 0 };
	size_t at;

	for (size_t i = 0; i + 17 <= sizeof(content); i += 17)
		memcpy(content + i, "\17\0FCGI_MPXS_CONNS", 17);
	add_record(&bytes,
	    &(struct record){ 9, 0, content, sizeof(content) / 17 * 17, 0 });
	for (size_t step = bytes.len; step > 0; step = step == 1 ? 0 : 1) {
		struct fcgi_in in = { .params_max = 9, .body_max = 9 };

		is_int(read_all(&in, &bytes, step, &at), FCGI_EV_MORE,
		    "FCGI_GET_VALUES longer than is looked at, by %zu bytes",
		    step);
		ok(in.reply.len >= 8 && in.reply.len < 20000,
		    "the reply is bounded");
		if (first.p == NULL)
			first = in.reply;
		else
			is_mem(in.reply.p, in.reply.len, first.p, first.len,
			    "and the same as in one piece");
		if (in.reply.p != first.p)
			str_free(&in.reply);
		fcgi_next(&in);
	}
	str_free(&first);
	str_free(&bytes);
}

/* Every first byte that is no version, and each prefix of garbage. */
static void
test_version(void)
{
	int bad = 0;

	for (int v = 0; v < 256; v++) {
		struct fcgi_in in = { .params_max = 9, .body_max = 9 };
		unsigned char b = (unsigned char)v;
		size_t used;

		bad +=
		    (fcgi_read(&in, &b, 1, &used) == FCGI_EV_BAD) != (v != 1);
	}
	is_int(bad, 0, "only version 1 is spoken");
}

/* Lengths of pairs: one byte, four bytes, and lies. */
static void
test_pairs(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		int want; /* of fcgi_pair */
		size_t name_len, value_len;
	} rows[] = {
		{ B(""), 0, 0, 0 },
		{ B("\1\1ab"), 1, 1, 1 },
		{ B("\0\0"), 1, 0, 0 },
		{ B("\1\0a"), 1, 1, 0 },
		{ B("\0\1a"), 1, 0, 1 },
		{ B("\200\0\0\1\1ab"), 1, 1, 1 },
		{ B("\1\200\0\0\1ab"), 1, 1, 1 },
		{ B("\200\0\0\1\200\0\0\1ab"), 1, 1, 1 },
		{ B("\200\0\0\0\200\0\0\0"), 1, 0, 0 },
		{ B("\1"), -1, 0, 0 },
		{ B("\1\1"), -1, 0, 0 },
		{ B("\1\1a"), -1, 0, 0 },
		{ B("\2\0a"), -1, 0, 0 },
		{ B("\0\2a"), -1, 0, 0 },
		{ B("\200"), -1, 0, 0 },
		{ B("\200\0\0"), -1, 0, 0 },
		{ B("\200\0\0\1"), -1, 0, 0 },
		{ B("\1\200\0\0"), -1, 0, 0 },
		{ B("\177\177ab"), -1, 0, 0 },
		{ B("\377\377\377\377\0ab"), -1, 0, 0 },
		{ B("\0\377\377\377\377ab"), -1, 0, 0 },
		{ B("\377\377\377\377\377\377\377\377ab"), -1, 0, 0 },
	};
	const char *name, *value;
	size_t name_len, value_len;

	for (size_t i = 0; i < N(rows); i++) {
		/* Memory of its own, so that a checker sees reads behind. */
		unsigned char *copy = xmalloc(rows[i].len);
		const unsigned char *p = copy;
		size_t left = rows[i].len;
		int got;

		memcpy(copy, rows[i].bytes, rows[i].len);
		got =
		    fcgi_pair(&p, &left, &name, &name_len, &value, &value_len);
		is_int(got, rows[i].want, "fcgi_pair, row %zu", i);
		if (got == 1 && rows[i].want == 1)
			ok(name_len == rows[i].name_len &&
				value_len == rows[i].value_len && left == 0,
			    "its lengths, row %zu", i);
		free(copy);
	}
}

/* Lengths around the two forms, written long and short. */
static void
test_pair_lengths(void)
{
	static const size_t lens[] = { 0, 1, 126, 127, 128, 129, 255, 256,
		65535, 65536, 100000 };
	const char *name, *value;
	size_t name_len, value_len, wrong = 0;

	for (size_t i = 0; i < N(lens) * 2; i++) {
		size_t n = lens[i / 2];
		struct str s = { 0 };
		const unsigned char *p;
		size_t left;

		if (i % 2 == 0 && n > 127)
			continue;
		if (i % 2 == 0)
			str_addf(&s, "%c", (int)n);
		else
			str_addf(&s, "%c%c%c%c", (int)(0x80 | n >> 24),
			    (int)(n >> 16), (int)(n >> 8), (int)n);
		str_add(&s, "\1", 1);
		memset(str_room(&s, n + 1), 'n', n + 1);
		s.len += n + 1;
		p = (const unsigned char *)s.p;
		left = s.len;
		wrong += fcgi_pair(&p, &left, &name, &name_len, &value,
			     &value_len) != 1 ||
			 name_len != n || value_len != 1 || left != 0;
		str_free(&s);
	}
	is_int((long long)wrong, 0, "names of 0 to 100000 bytes, both forms");
}

int
main(void)
{
	for (size_t i = 0; i < N(scripts); i++) {
		run_script(&scripts[i], SIZE_MAX);
		run_script(&scripts[i], 1);
		run_script(&scripts[i], 3);
	}
	test_limits(SIZE_MAX);
	test_limits(1);
	test_head(SIZE_MAX);
	test_head(1);
	test_long_values();
	test_version();
	test_pairs();
	test_pair_lengths();
	return done();
}
