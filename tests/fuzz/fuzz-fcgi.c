/* SPDX-License-Identifier: MIT */
/*
 * FastCGI records: in one piece and in small ones it comes to the same, to the
 * reader alone and to a program that answers.  The first byte says how small,
 * and which program.
 */
#include "config.h"

#include <sys/socket.h>

#include <string.h>

#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/req.h"
#include "shared/wire/fcgi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define REQUESTS 4 /* on one connection */

/* All that a reader says, requests one after the other. */
static enum fcgi_event
read_all(struct fcgi_in *in, const uint8_t *data, size_t len, size_t step,
    struct str *said)
{
	enum fcgi_event event = FCGI_EV_MORE;
	int requests = 0;
	size_t at = 0;

	while (at < len && (event == FCGI_EV_MORE || event == FCGI_EV_HEAD)) {
		size_t n = len - at < step ? len - at : step, used;
		uint8_t *copy = xmalloc(n);

		memcpy(copy, data + at, n);
		event = fcgi_read(in, copy, n, &used);
		free(copy);
		MUST(used <= n && (used == n || event != FCGI_EV_MORE));
		MUST(in->params.len <= in->params_max);
		MUST(in->body.len <= in->body_max);
		at += used;
		/* As conn.c: some are answered when the head is there. */
		if (event == FCGI_EV_HEAD) {
			str_addf(said, "head %d:", in->id);
			str_add(said, in->params.p, in->params.len);
			in->drop_body = in->params.len % 3 == 1;
			if (in->params.len % 3 == 2)
				fcgi_next(in);
		}
		if (event != FCGI_EV_REQUEST)
			continue;
		str_addf(said, "request %d %d:", in->id, in->keep);
		str_add(said, in->params.p, in->params.len);
		if (!in->body_too_big)
			str_add(said, in->body.p, in->body.len);
		fcgi_next(in);
		if (++requests < REQUESTS)
			event = FCGI_EV_MORE;
	}
	str_add(said, in->reply.p, in->reply.len);
	return event;
}

static void
read_pairs(const uint8_t *data, size_t len)
{
	struct req req = { 0 };

	if (vars_set_pairs(&req.vars, data, len) == 0)
		for (size_t i = 0; i < req.vars.n; i++)
			MUST(req.vars.var[i].value > req.vars.var[i].name);
	req_free(&req);
}

/* The same to a program, which is to answer and to let go of it. */
static void
serve(const uint8_t *data, size_t len, size_t step)
{
	const struct program *const programs[] = { program_poll,
		program_longpoll, program_publish, program_sse,
		program_iframe };
	struct str said = { 0 };
	int fd[2];

	host_pair(fd, SOCK_STREAM);
	conn_new_fcgi(host(programs[data[0] / 16 % 5]), fd[0]);
	host_speak(fd[1], data + 1, len - 1, step, &said);
	host_close(fd[1]);
	MUST(said.len % 8 == 0 || said.p[0] == 1);
	str_free(&said);
}

int
fuzz_fcgi(const uint8_t *data, size_t len)
{
	struct fcgi_in whole = { .params_max = 300, .body_max = 300 };
	struct fcgi_in parts = { .params_max = 300, .body_max = 300 };
	struct str first = { 0 }, second = { 0 };
	enum fcgi_event a, b;

	if (len < 1)
		return 0;
	a = read_all(&whole, data + 1, len - 1, SIZE_MAX, &first);
	b = read_all(&parts, data + 1, len - 1, 1 + data[0] % 16, &second);
	MUST(a == b);
	MUST(first.len == second.len);
	MUST(first.len == 0 || memcmp(first.p, second.p, first.len) == 0);
	read_pairs(data, len);
	serve(data, len, SIZE_MAX);
	serve(data, len, 1 + data[0] % 16);
	fcgi_next(&whole);
	fcgi_next(&parts);
	str_free(&whole.reply);
	str_free(&parts.reply);
	str_free(&first);
	str_free(&second);
	return 0;
}
