/* SPDX-License-Identifier: MIT */
/*
 * Server-Sent Events (HTML Standard, section 9.2).  The stream begins with a
 * comment, `retry:` and the cursor as `id:`, so that a client that has had no
 * message yet resumes as well.  A CR inside data arrives as a line feed: the
 * format has no way to send one.
 *
 * With format=json, which is the form's parameter, the data of each event is
 * the JSON object of the message, on one line: channel, event, time and every
 * byte of a text arrive, and a page needs no listener for each name.
 */
#include "config.h"

#include <string.h>

#include "shared/base/clock.h"
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

/* One `data:` line per line, whichever way lines end. */
static void
add_data(struct str *out, const char *text, size_t len)
{
	size_t at = 0;

	for (;;) {
		size_t end = at;

		while (end < len && text[end] != '\n' && text[end] != '\r')
			end++;
		str_addz(out, "data: ");
		str_add(out, text + at, end - at);
		str_addz(out, "\n");
		if (end == len)
			return;
		at = end + 1;
		if (text[end] == '\r' && at < len && text[at] == '\n')
			at++;
	}
}

static struct chunk *
message(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str out = { 0 }, text = { 0 };

	str_addf(&out, "id: %s-%lld\n", epoch, (long long)ch->id);
	if (form->param != NULL) {
		str_addz(&out, "data: ");
		change_add_json(&out, ch, epoch);
		str_addz(&out, "\n\n");
		return chunk_take(&out);
	}
	change_add_text(&text, ch);
	if (ch->event != NULL) {
		str_addz(&out, "event: ");
		str_add_utf8(&out, ch->event, ch->event_len);
		str_addz(&out, "\n");
	}
	add_data(&out, text.p, text.len);
	str_addz(&out, "\n");
	str_free(&text);
	return chunk_take(&out);
}

static struct chunk *
reset(const struct form *form, const char *epoch, int64_t after)
{
	struct str out = { 0 };

	(void)form;
	str_addf(&out,
	    "event: tidings.reset\nid: %s-%lld\n"
	    "data: {\"reset\":true,\"cursor\":\"%s-%lld\"}\n\n",
	    epoch, (long long)after, epoch, (long long)after);
	return chunk_take(&out);
}

/* An id without data moves the cursor and is no event. */
static struct chunk *
cursor(const struct form *form, const char *epoch, int64_t id)
{
	struct str out = { 0 };

	(void)form;
	str_addf(&out, "id: %s-%lld\n\n", epoch, (long long)id);
	return chunk_take(&out);
}

static struct chunk *
beat(const struct form *form)
{
	(void)form;
	return chunk_new(":\n\n", 3);
}

static const struct transport sse = {
	.name = "sse",
	.message = message,
	.reset = reset,
	.cursor = cursor,
	.beat = beat,
};

/* Vary: a service worker that puts all it sees into a cache keeps no stream. */
static const char headers[] = "Cache-Control: no-cache, no-store, "
			      "no-transform\r\n"
			      "Vary: *\r\n"
			      "X-Accel-Buffering: no\r\n";

/* The head and what stands before the first message. */
static void
push_head(struct server *server, struct conn *conn, const struct req *req)
{
	uint32_t retry = (uint32_t)server->config.retry_ms;
	struct str out = { 0 };

	req_head(req, &out, 200, "text/event-stream");
	/* A long comment: mod_deflate holds less than 68 bytes of CGI back. */
	str_addf(&out, "%s\r\n: %-128s\nretry: %u\nid: %s-%lld\n\n", headers,
	    "tidings", retry / 2 + clock_jitter(retry + 1), server->hub.epoch,
	    (long long)conn->client.pos);
	sink_push(&conn->sink, chunk_take(&out));
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	const struct req_arg *format = req_arg(req, "format");
	const char *param = NULL;
	struct interest interest;

	if (format != NULL && format->value_len > 0) {
		if (strcmp(format->value, "json") != 0 ||
		    format->value_len != strlen("json")) {
			req_fail(req, 400, 1801,
			    "format must be json or empty");
			return;
		}
		param = "json";
	}
	if (interest_read(req, &interest, false) == -1)
		return;
	if (req_is(req, "HEAD")) {
		req_answer(req, 200, "text/event-stream", headers, "", 0);
		interest_free(&interest);
		return;
	}
	hold_client(server, conn, &sse, param, &interest, server_life(server),
	    push_head);
}

static const struct program program = {
	.name = "sse",
	.methods = "GET, HEAD",
	.handle = handle,
	.handed = conn_new_handed,
};

int
main(int argc, char **argv)
{
	return serve_main(&program, argc, argv);
}
