/* SPDX-License-Identifier: MIT */
/* What a client wants to hear: channels, prefixes, a cursor. */
#include "config.h"

#include <string.h>

#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/interest.h"
#include "shared/intake/req.h"

#define LAST_MAX 100000 /* what -N may ask for */

static int
add_want(struct req *req, struct interest *in, const char *name, size_t len,
    bool is_prefix)
{
	if (!name_valid(name, len)) {
		req_fail(req, 400, 1101,
		    "%s must be 1 to 255 bytes of UTF-8 without control "
		    "characters",
		    is_prefix ? "a prefix" : "a channel name");
		return -1;
	}
	if (wants_add(&in->wants, name, len, is_prefix) &&
	    (int64_t)in->wants.n > req->config->max_channels) {
		req_fail(req, 400, 1102, "more than %lld channels",
		    (long long)req->config->max_channels);
		return -1;
	}
	return 0;
}

/* A comma list: empty parts are skipped. */
static int
add_list(struct req *req, struct interest *in, const struct req_arg *arg)
{
	const char *p = arg->value, *end = arg->value + arg->value_len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma == NULL ? end : comma;

		if (stop > p &&
		    add_want(req, in, p, (size_t)(stop - p), false) == -1)
			return -1;
		p = stop + 1;
	}
	return 0;
}

static int
read_wants(struct req *req, struct interest *in)
{
	for (size_t i = 0; i < req->nargs; i++) {
		const struct req_arg *arg = &req->args[i];
		int rc = 0;

		if (strcmp(arg->name, "channel") == 0 ||
		    strcmp(arg->name, "topic") == 0)
			rc = add_want(req, in, arg->value, arg->value_len,
			    false);
		else if (strcmp(arg->name, "prefix") == 0)
			rc =
			    add_want(req, in, arg->value, arg->value_len, true);
		else if (strcmp(arg->name, "channels") == 0)
			rc = add_list(req, in, arg);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/* The first place, in the order of the contract, where a cursor stands. */
static int
read_cursor(struct req *req, struct interest *in)
{
	static const char *const names[] = { "since", "last_event_id",
		"lastEventID", "lastEventId" };
	const char *text = req_var(req, "HTTP_LAST_EVENT_ID");
	const char *tags = req_var(req, "HTTP_IF_NONE_MATCH");
	enum cursor_tags given = CURSOR_TAGS_FOREIGN;
	bool ok = true;

	in->cursor = (struct cursor){ .kind = CURSOR_LATEST };
	if (tags[0] != '\0')
		given = cursor_parse_tags(tags,
		    req->epoch == NULL ? "" : req->epoch, &in->cursor);
	in->conditional = given == CURSOR_TAGS_OURS;
	in->is_given = true;
	if (text[0] != '\0') {
		ok = cursor_parse(text, &in->cursor);
	} else if (given != CURSOR_TAGS_FOREIGN) {
		text = tags;
		ok = in->conditional;
	} else {
		in->is_given = false;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			const struct req_arg *arg = req_arg(req, names[i]);

			if (arg == NULL || arg->value_len == 0)
				continue;
			text = arg->value;
			in->is_given = true;
			ok = strlen(text) == arg->value_len &&
			     cursor_parse(text, &in->cursor);
			break;
		}
	}
	if (ok && in->cursor.kind == CURSOR_LAST && in->cursor.id > LAST_MAX)
		in->cursor.id = LAST_MAX;
	if (!ok)
		req_fail(req, 400, 1103,
		    "\"%.60s\" is not a cursor: EPOCH-ID, an id, earliest, "
		    "latest or -N",
		    text);
	return ok ? 0 : -1;
}

int
interest_read(struct req *req, struct interest *in, bool may_be_empty)
{
	*in = (struct interest){ 0 };
	if (read_wants(req, in) == -1 || read_cursor(req, in) == -1) {
		interest_free(in);
		return -1;
	}
	if (in->wants.n == 0 && !may_be_empty) {
		req_fail(req, 400, 1104,
		    "no channel: name one by channel=, channels= or prefix=");
		return -1;
	}
	return 0;
}

void
interest_free(struct interest *in)
{
	wants_free(&in->wants);
	*in = (struct interest){ 0 };
}
