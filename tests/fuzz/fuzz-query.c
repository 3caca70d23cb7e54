/* SPDX-License-Identifier: MIT */
/*
 * Parameters of queries and forms, and what a client wants to hear.  The input
 * is up to four texts with NULs between: query, Last-Event-ID, If-None-Match,
 * and the body of a form.
 */
#include "config.h"

#include <sys/socket.h>

#include <string.h>

#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/interest.h"
#include "shared/intake/req.h"
#include "shared/out/sink.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

/* The next text of the input; the rest of it if there is no NUL. */
static char *
take(const uint8_t **data, size_t *len)
{
	const uint8_t *nul = *len == 0 ? NULL : memchr(*data, 0, *len);
	size_t n = nul == NULL ? *len : (size_t)(nul - *data);
	char *text = xstrndup(n == 0 ? "" : (const char *)*data, n);

	*data += n + (nul != NULL);
	*len -= n + (nul != NULL);
	return text;
}

static void
check_args(const struct req *req)
{
	for (size_t i = 0; i < req->nargs; i++) {
		const struct req_arg *arg = &req->args[i];

		MUST(arg->name >= req->decoded.p);
		MUST(arg->value + arg->value_len <
		     req->decoded.p + req->decoded.len);
		MUST(arg->name[arg->name_len] == '\0');
		MUST(arg->value[arg->value_len] == '\0');
	}
}

/* The same to the programs that read it, by FastCGI. */
static void
serve(const struct req *req)
{
	const struct program *const programs[] = { program_poll,
		program_longpoll, program_publish };

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct str text = { 0 }, said = { 0 };
		int fd[2];

		host_add_request(&text, req->vars.arena.p, req->vars.arena.len,
		    req->body.p, req->body.len, false);
		host_pair(fd, SOCK_STREAM);
		conn_new_fcgi(host(programs[i]), fd[0]);
		host_speak(fd[1], text.p, text.len, SIZE_MAX, &said);
		host_close(fd[1]);
		/* Of the three only a long poll is not answered at once. */
		MUST(said.len > 0 || i > 0);
		MUST(said.len == 0 || strstr(said.p + 8, "Status: ") != NULL);
		str_free(&said);
		str_free(&text);
	}
}

int
fuzz_query(const uint8_t *data, size_t len)
{
	static struct config config;
	static const char *const names[] = { "QUERY_STRING",
		"HTTP_LAST_EVENT_ID", "HTTP_IF_NONE_MATCH" };
	struct sink sink = { .fd = -1, .kind = SINK_FCGI };
	struct req req = { .config = &config, .sink = &sink };
	struct interest interest;
	char error[100];

	if (config.database == NULL) {
		MUST(config_load(&config, NULL, error, sizeof(error)) == 0);
		config.max_channels = 10;
	}
	vars_add(&req.vars, "REQUEST_METHOD", "POST");
	vars_add(&req.vars, "CONTENT_TYPE",
	    "application/x-www-form-urlencoded");
	for (int i = 0; i < 3; i++) {
		char *text = take(&data, &len);

		vars_add(&req.vars, names[i], text);
		free(text);
	}
	vars_add(&req.vars, "REMOTE_ADDR", "127.0.0.1");
	vars_done(&req.vars);
	str_add(&req.body, data, len);
	serve(&req);
	if (req_parse_args(&req) == 0) {
		check_args(&req);
		if (interest_read(&req, &interest, false) == 0) {
			MUST(interest.wants.n >= 1 && interest.wants.n <= 10);
			for (size_t i = 0; i < interest.wants.n; i++)
				MUST(name_valid(interest.wants.p[i].name,
				    interest.wants.p[i].len));
			interest_free(&interest);
		}
	}
	req_free(&req);
	return 0;
}
