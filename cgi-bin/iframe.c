/* SPDX-License-Identifier: MIT */
/*
 * A page that never ends, for a hidden iframe: each message is a script element
 * that calls a function of the page around it.  Works in every browser there
 * ever was.  The name of the function is checked letter by letter, and JSON is
 * written without '<', so nothing in a message can leave its script.
 *
 * With element=ID the page needs no function: ours writes the data of each
 * message into that element, as text, and loads the frame again when it ends.
 */
#include "config.h"

#include <string.h>

#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/intake/conn.h"
#include "shared/intake/hold.h"
#include "shared/intake/interest.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/out/sink.h"
#include "shared/table/change.h"
#include "shared/wire/chunk.h"

#define CALLBACK_MAX 100  /* bytes */
#define ELEMENT_MAX  100  /* bytes */
#define SHOW         "="  /* the form of all with element= */
#define MISSING_MAX  3    /* heartbeats that do not come: load it again */
#define PADDING      2048 /* bytes that make old browsers start to render */

/* The function that is called; the form's parameter, or the default. */
static const char *
callback_of(const struct form *form)
{
	return form->param == NULL ? "tidings.receive" : form->param;
}

static bool
is_show(const struct form *form)
{
	return form->param != NULL && strcmp(form->param, SHOW) == 0;
}

static struct chunk *
message(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str out = { 0 };

	if (is_show(form)) {
		str_addz(&out, "<script>show(");
		change_add_json_text(&out, ch);
		str_addf(&out, ",\"%s-%lld\")</script>\n", epoch,
		    (long long)ch->id);
		return chunk_take(&out);
	}
	str_addf(&out, "<script>parent.%s(", callback_of(form));
	change_add_json(&out, ch, epoch);
	str_addz(&out, ")</script>\n");
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
reset(const struct form *form, const char *epoch, int64_t after)
{
	struct str out = { 0 };

	/* There is nothing to be shown of it. */
	if (is_show(form))
		return cursor(form, epoch, after);
	str_addf(&out,
	    "<script>parent.%s({\"reset\":true,\"cursor\":\"%s-%lld\"})"
	    "</script>\n",
	    callback_of(form), epoch, (long long)after);
	return chunk_take(&out);
}

static struct chunk *
beat(const struct form *form)
{
	static const char seen[] = "<script>missing = 0</script>\n";

	if (is_show(form))
		return chunk_new(seen, sizeof(seen) - 1);
	return chunk_new("<!-- -->\n", 9);
}

static const struct transport iframe = {
	.name = "iframe",
	.message = message,
	.reset = reset,
	.cursor = cursor,
	.beat = beat,
};

static const char headers[] = "Cache-Control: no-cache, no-store, "
			      "no-transform\r\n"
			      "Vary: *\r\n"
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

/* The HTML Standard lets an id be almost anything; this is enough. */
static bool
element_valid(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_letter(name[i]) && (name[i] < '0' || name[i] > '9') &&
		    memchr("-.:", name[i], 3) == NULL)
			return false;
	return len >= 1 && len <= ELEMENT_MAX;
}

/*
 * What shows each message, and loads the frame again, with its cursor, when it
 * has ended or nothing comes any more.  A HEAD asks first, because what a
 * refusal loads has no script.
 */
static void
add_show(struct str *out, const char *element, const struct config *config)
{
	str_addf(out,
	    "<script>\n"
	    "var missing = 0;\n"
	    "function show(text, cursor) {\n"
	    "  var to = parent.document.getElementById('%s');\n"
	    "  missing = 0; tidings.cursor = cursor;\n"
	    "  if (to && 'textContent' in to) to.textContent = text;\n"
	    "  else if (to) to.innerText = text;\n"
	    "}\n"
	    "function look() {\n"
	    "  var url, ask;\n"
	    "  if (++missing < %lld && document.readyState != 'complete')\n"
	    "    return setTimeout(look, 1000);\n"
	    "  url = location.pathname + location.search.replace(\n"
	    "    /([?&])(since|last_?event_?id)=[^&]*/gi, '$1') +\n"
	    "    '&since=' + tidings.cursor;\n"
	    "  ask = new XMLHttpRequest();\n"
	    "  ask.onreadystatechange = function () {\n"
	    "    if (ask.readyState == 4 && ask.status == 200)\n"
	    "      location.replace(url);\n"
	    "    else if (ask.readyState == 4)\n"
	    "      setTimeout(look, %lld);\n"
	    "  };\n"
	    "  ask.open('HEAD', url); ask.send();\n"
	    "}\n"
	    "setTimeout(look, 1000);\n"
	    "</script>\n",
	    element, (long long)(MISSING_MAX * config->heartbeat_ms / 1000 + 5),
	    (long long)config->retry_ms);
}

static void
push_head(struct server *server, struct conn *conn, const struct req *req)
{
	const struct req_arg *show = req_arg(req, "element");
	struct str out = { 0 };

	req_head(req, &out, 200, type);
	str_addf(&out,
	    "%s\r\n<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
	    "<title>tidings</title>\n"
	    "<script>var tidings = {\"cursor\":\"%s-%lld\"}</script>\n",
	    headers, server->hub.epoch, (long long)conn->client.pos);
	if (show != NULL)
		add_show(&out, show->value, &server->config);
	str_addz(&out, "</head><body>\n<!-- ");
	memset(str_room(&out, PADDING), ' ', PADDING);
	out.len += PADDING;
	str_addz(&out, "-->\n");
	sink_push(&conn->sink, chunk_take(&out));
}

/* What the page wants with the messages; -1 after a refusal. */
static int
read_way(struct req *req, const char **callback, const char **element)
{
	const struct req_arg *call = req_arg(req, "callback");
	const struct req_arg *show = req_arg(req, "element");

	if (call != NULL && !callback_valid(call->value, call->value_len)) {
		req_fail(req, 400, 1301,
		    "callback must be a name such as app.receive: letters, "
		    "digits, _ and $, with dots between, at most %d bytes",
		    CALLBACK_MAX);
		return -1;
	}
	if (show != NULL && !element_valid(show->value, show->value_len)) {
		req_fail(req, 400, 1302,
		    "element must be the id of an element: letters, digits, "
		    "_ $ - . and :, at most %d bytes",
		    ELEMENT_MAX);
		return -1;
	}
	if (call != NULL && show != NULL) {
		req_fail(req, 400, 1303,
		    "callback and element exclude each other");
		return -1;
	}
	*callback = call == NULL ? NULL : call->value;
	*element = show == NULL ? NULL : show->value;
	return 0;
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	const char *callback, *element;
	struct interest interest;

	if (read_way(req, &callback, &element) == -1 ||
	    interest_read(req, &interest, false) == -1)
		return;
	/* At first it shows how things are. */
	if (element != NULL && !interest.is_given)
		interest.cursor =
		    (struct cursor){ .kind = CURSOR_LAST, .id = 1 };
	if (req_is(req, "HEAD")) {
		req_answer(req, 200, type, headers, "", 0);
		interest_free(&interest);
		return;
	}
	hold_client(server, conn, &iframe, element != NULL ? SHOW : callback,
	    &interest, server_life(server), push_head);
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
	return serve_main(&program, argc, argv);
}
