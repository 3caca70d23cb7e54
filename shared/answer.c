/* SPDX-License-Identifier: MIT */
/* The document that both kinds of polling answer with. */
#include "config.h"

#include "shared/answer.h"
#include "shared/chunk.h"
#include "shared/req.h"
#include "shared/sink.h"
#include "shared/str.h"

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
