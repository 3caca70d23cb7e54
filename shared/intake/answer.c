/* SPDX-License-Identifier: MIT */
/*
 * The document that both kinds of polling answer with, or with format=text the
 * data of the newest message alone, for a page that writes what it gets into an
 * element.
 */
#include "config.h"

#include <string.h>

#include "shared/base/str.h"
#include "shared/intake/answer.h"
#include "shared/intake/req.h"
#include "shared/out/sink.h"
#include "shared/table/change.h"
#include "shared/wire/chunk.h"

/*
 * no-store: a browser that kept an answer would ask with If-None-Match by
 * itself the next time, and that is a cursor of its own here.
 */
static void
add_head(struct sink *sink, struct str *out, int status,
    const struct answer *answer)
{
	req_add_status(sink, out, status);
	str_addf(out,
	    "%sETag: \"%s-%lld\"\r\n"
	    "Cache-Control: no-store\r\n",
	    answer->cors, answer->epoch, (long long)answer->cursor);
}

void
answer_messages(struct sink *sink, const struct answer *answer)
{
	struct str out = { 0 }, body = { 0 };

	str_addf(&body, "{\"cursor\":\"%s-%lld\",\"reset\":%s,\"messages\":[",
	    answer->epoch, (long long)answer->cursor,
	    answer->reset ? "true" : "false");
	str_add(&body, answer->messages, answer->len);
	str_addz(&body, "]}\n");
	add_head(sink, &out, 200, answer);
	str_addf(&out,
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    body.len);
	if (!answer->head_only)
		str_add(&out, body.p, body.len);
	str_free(&body);
	sink_push(sink, chunk_take(&out));
	sink_end(sink);
}

void
answer_not_modified(struct sink *sink, const struct answer *answer)
{
	struct str out = { 0 };

	add_head(sink, &out, 304, answer);
	str_addz(&out, "\r\n");
	sink_push(sink, chunk_take(&out));
	sink_end(sink);
}

int
answer_read_format(struct req *req, bool *is_text)
{
	const struct req_arg *format = req_arg(req, "format");

	*is_text = format != NULL && strcmp(format->value, "text") == 0;
	if (format == NULL || *is_text || format->value_len == 0 ||
	    strcmp(format->value, "json") == 0)
		return 0;
	req_fail(req, 400, 1805, "format must be json, text or empty");
	return -1;
}

/* The first byte tells what the others are. */
void
answer_take_text(struct str *out, const struct change *ch)
{
	str_clear(out);
	str_addz(out, ch->is_blob ? "b" : "t");
	if (ch->is_blob)
		str_add(out, ch->data, ch->data_len);
	else
		change_add_text(out, ch);
}

/*
 * The type is never the message's own: a page of somebody who may publish would
 * be one of the site's.
 */
void
answer_text(struct sink *sink, const struct answer *answer)
{
	bool any = answer->len > 0;
	struct str out = { 0 };

	add_head(sink, &out, any ? 200 : 204, answer);
	str_addf(&out, "Tidings-Cursor: %s-%lld\r\n%s", answer->epoch,
	    (long long)answer->cursor,
	    answer->reset ? "Tidings-Reset: true\r\n" : "");
	if (any)
		str_addf(&out,
		    "Content-Type: %s\r\nContent-Length: %zu\r\n"
		    "X-Content-Type-Options: nosniff\r\n",
		    answer->messages[0] == 't' ? "text/plain; charset=utf-8"
					       : "application/octet-stream",
		    answer->len - 1);
	str_addz(&out, "\r\n");
	if (any && !answer->head_only)
		str_add(&out, answer->messages + 1, answer->len - 1);
	sink_push(sink, chunk_take(&out));
	sink_end(sink);
}
