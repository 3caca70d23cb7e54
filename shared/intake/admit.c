/* SPDX-License-Identifier: MIT */
/*
 * Whether the body of a request may come in.  It is decided as soon as the head
 * is there: what will be refused anyway costs no memory, and nobody without a
 * key makes us keep anything of size.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "shared/base/board.h"
#include "shared/base/config_file.h"
#include "shared/intake/admit.h"
#include "shared/intake/incoming.h"
#include "shared/intake/req.h"
#include "shared/intake/server.h"

/* A form with all the names that one may subscribe to, each letter escaped. */
#define NAME_FIELD (255 * 3 + 16) /* bytes of one name */
#define FORM_MORE  4096           /* bytes of all other fields */

static size_t
body_limit(const struct server *server)
{
	const struct config *config = &server->config;
	int64_t form = config->max_channels * NAME_FIELD + FORM_MORE;

	if (server->program->takes_bodies || form > config->max_body)
		return (size_t)config->max_body;
	return (size_t)form;
}

/* What the head announces; what is no number is more than anybody may send. */
static unsigned long long
announced(const struct req *req)
{
	const char *text = req_var(req, "CONTENT_LENGTH");
	unsigned long long n;
	char *end;

	if (text[0] == '\0')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0
		   ? ULLONG_MAX
		   : n;
}

long long
admit_room(const struct server *server)
{
	const struct config *config = &server->config;

	return config->max_incoming > 2 * config->max_body
		   ? config->max_incoming
		   : 2 * config->max_body;
}

void
admit_too_big(struct req *req, size_t body_max)
{
	req_fail(req, 413, 1701, "the body has more than %zu bytes", body_max);
}

void
admit_too_slow(struct req *req)
{
	req_fail(req, 408, 1702, "the body came too slowly");
}

void
admit_no_room(struct server *server, struct req *req)
{
	board_add(server->board, BOARD_REFUSED, 1);
	req_fail(req, 503, 1703, "too many large bodies are on their way in");
}

int
admit_head(struct server *server, struct req *req, size_t *body_max)
{
	const struct program *program = server->program;
	unsigned long long length;

	board_add(server->board, BOARD_REQUESTS, 1);
	if (req_allow(req, program->methods) == -1 ||
	    (program->admit != NULL && program->admit(server, req) == -1))
		return -1;
	*body_max = body_limit(server);
	length = announced(req);
	if (length > *body_max) {
		admit_too_big(req, *body_max);
		return -1;
	}
	if (incoming_is_over((size_t)length, admit_room(server))) {
		admit_no_room(server, req);
		return -1;
	}
	return 0;
}
