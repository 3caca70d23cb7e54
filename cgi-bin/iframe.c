/* SPDX-License-Identifier: MIT */
/*
 * A page that never ends, for a hidden iframe: each message is a script element
 * that calls a function of the page around it.  Works in every browser there
 * ever was.  The name of the function is checked letter by letter, and JSON is
 * written without '<', so nothing in a message can leave its script.
 */
#include "config.h"

#include <string.h>

#include "shared/change.h"
#include "shared/chunk.h"
#include "shared/client.h"
#include "shared/conn.h"
#include "shared/interest.h"
#include "shared/server.h"
#include "shared/sink.h"
#include "shared/str.h"

#define CALLBACK_MAX 100  /* bytes */
#define PADDING      2048 /* bytes that make old browsers start to render */

/* The function that is called; the form's parameter, or the default. */
static const char *
callback_of(const struct form *form)
{
	return form->param == NULL ? "tidings.receive" : form->param;
}

static struct chunk *
message(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str out = { 0 };

	str_addf(&out, "<script>parent.%s(", callback_of(form));
	change_add_json(&out, ch, epoch);
	str_addz(&out, ")</script>\n");
	return chunk_take(&out);
}

static struct chunk *
reset(const struct form *form, const char *epoch, int64_t after)
{
	struct str out = { 0 };

	str_addf(&out,
	    "<script>parent.%s({\"reset\":true,\"cursor\":\"%s-%lld\"})"
	    "</script>\n",
	    callback_of(form), epoch, (long long)after);
	return chunk_take(&out);
}

/* Where the page finds it that asks again. */
static struct chunk *
cursor(const struct form *form, const char *epoch, int64_t id)
{
	struct str out = { 0 };

	(void)form;
	str_addf(&out, "<script>tidings.cursor = \"%s-%lld\"</script>\n", epoch,
	    (long long)id);
	return chunk_take(&out);
}

static struct chunk *
beat(const struct form *form)
{
	(void)form;
	return chunk_new("<!-- -->\n", 9);
}

static const struct transport iframe = {
	.name = "iframe",
	.message = message,
	.reset = reset,
	.cursor = cursor,
	.beat = beat,
};

static const char headers[] = "Cache-Control: no-cache, no-transform\r\n"
			      "X-Accel-Buffering: no\r\n"
			      "X-Content-Type-Options: nosniff\r\n";
static const char type[] = "text/html; charset=utf-8";

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '$';
}

/* Names with dots between, as in app.feed.receive. */
static bool
callback_valid(const char *name, size_t len)
{
	bool start = true;

	if (len < 1 || len > CALLBACK_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '.' && !start) {
			start = true;
			continue;
		}
		if (!is_letter(c) && (start || c < '0' || c > '9'))
			return false;
		start = false;
	}
	return !start;
}

static void
push_head(struct server *server, struct conn *conn, const struct req *req)
{
	struct str out = { 0 };

	req_head(req, &out, 200, type);
	str_addf(&out,
	    "%s\r\n<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
	    "<title>tidings</title>\n"
	    "<script>var tidings = {\"cursor\":\"%s-%lld\"}</script>"
	    "</head><body>\n<!-- ",
	    headers, server->hub.epoch, (long long)conn->client.pos);
	memset(str_room(&out, PADDING), ' ', PADDING);
	out.len += PADDING;
	str_addz(&out, "-->\n");
	sink_push(&conn->sink, chunk_take(&out));
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	const struct req_arg *callback = req_arg(req, "callback");
	struct interest interest;

	if (callback != NULL &&
	    !callback_valid(callback->value, callback->value_len)) {
		req_fail(req, 400, 1301,
		    "callback must be a name such as app.receive: letters, "
		    "digits, _ and $, with dots between, at most %d bytes",
		    CALLBACK_MAX);
		return;
	}
	if (interest_read(req, &interest, false) == -1)
		return;
	if (req_is(req, "HEAD"))
		req_answer(req, 200, type, headers, "", 0);
	else if (server_hold(server, conn, req, &iframe,
		     callback == NULL ? NULL : callback->value, &interest,
		     server_life(server)) == 0)
		push_head(server, conn, req);
	interest_free(&interest);
}

static const struct program program = {
	.name = "iframe",
	.methods = "GET, HEAD",
	.handle = handle,
	.handed = conn_new_handed,
};

int
main(int argc, char **argv)
{
	return server_main(&program, argc, argv);
}
