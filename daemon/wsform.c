/* SPDX-License-Identifier: MIT */
/* How messages look on a WebSocket: bare, or as JSON (tidings.json). */
#include "config.h"

#include "daemon/wsform.h"
#include "shared/change.h"
#include "shared/chunk.h"
#include "shared/hub.h"
#include "shared/str.h"
#include "shared/wsframe.h"

static struct chunk *
message_raw(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str text = { 0 };
	struct chunk *frame;

	(void)form;
	(void)epoch;
	if (ch->is_blob)
		return ws_frame(WS_BINARY, ch->data, ch->data_len);
	str_add_utf8(&text, ch->data, ch->data_len);
	frame = ws_frame(WS_TEXT, text.p, text.len);
	str_free(&text);
	return frame;
}

static struct chunk *
message_json(const struct form *form, const struct change *ch,
    const char *epoch)
{
	struct str text = { 0 };
	struct chunk *frame;

	(void)form;
	change_add_json(&text, ch, epoch);
	frame = ws_frame(WS_TEXT, text.p, text.len);
	str_free(&text);
	return frame;
}

static struct chunk *
reset_json(const struct form *form, const char *epoch, int64_t after)
{
	struct str text = { 0 };
	struct chunk *frame;

	(void)form;
	str_addf(&text,
	    "{\"op\":\"reset\",\"reset\":true,\"cursor\":\"%s-%lld\"}", epoch,
	    (long long)after);
	frame = ws_frame(WS_TEXT, text.p, text.len);
	str_free(&text);
	return frame;
}

static struct chunk *
cursor_json(const struct form *form, const char *epoch, int64_t id)
{
	struct str text = { 0 };
	struct chunk *frame;

	(void)form;
	str_addf(&text, "{\"op\":\"cursor\",\"cursor\":\"%s-%lld\"}", epoch,
	    (long long)id);
	frame = ws_frame(WS_TEXT, text.p, text.len);
	str_free(&text);
	return frame;
}

/* The server stops. */
static struct chunk *
bye(struct client *client)
{
	(void)client;
	return ws_close_frame(WS_CODE_RESTART, "the server restarts");
}

/* A raw client has no place for a reset but the head of the handshake. */
const struct transport ws_raw = {
	.name = "ws",
	.message = message_raw,
	.bye = bye,
};

const struct transport ws_json = {
	.name = "ws.json",
	.message = message_json,
	.reset = reset_json,
	.cursor = cursor_json,
	.bye = bye,
};
