/* SPDX-License-Identifier: MIT */
/*
 * How messages look on a WebSocket: bare, or as JSON (tidings.json), and either
 * deflated.  A deflated form is one of its own, so a broadcast is deflated once
 * for all who agreed on the same window.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/wsform.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/engine/hub.h"
#include "shared/table/change.h"
#include "shared/wire/chunk.h"
#include "shared/wire/wsdeflate.h"
#include "shared/wire/wsframe.h"

#define DEFLATE_MAX 131072 /* bytes; more would hold up the loop */

static const struct config *settings; /* borrowed */

void
wsform_configure(const struct config *config)
{
	settings = config;
}

struct form *
wsform_get(struct hub *hub, bool is_json, int window_bits)
{
	char param[16];

	snprintf(param, sizeof(param), "%d", window_bits);
	return form_get(&hub->forms, is_json ? &ws_json : &ws_raw,
	    window_bits == 0 ? NULL : param);
}

struct chunk *
wsform_frame(enum ws_opcode opcode, const char *bytes, size_t len,
    int window_bits)
{
	struct str deflated = { 0 };
	struct chunk *frame;

	if (window_bits == 0 || len > DEFLATE_MAX ||
	    (int64_t)len < settings->ws_deflate_min ||
	    !ws_deflate_message(bytes, len, window_bits,
		(int)settings->ws_deflate_level, &deflated))
		frame = ws_frame(opcode, bytes, len);
	else
		frame = ws_deflated_frame(opcode, deflated.p, deflated.len);
	str_free(&deflated);
	return frame;
}

static int
bits_of(const struct form *form)
{
	return form->param == NULL ? 0 : atoi(form->param);
}

static struct chunk *
message_raw(const struct form *form, const struct change *ch, const char *epoch)
{
	struct str text = { 0 };
	struct chunk *frame;

	(void)epoch;
	if (ch->is_blob)
		return wsform_frame(WS_BINARY, ch->data, ch->data_len,
		    bits_of(form));
	str_add_utf8(&text, ch->data, ch->data_len);
	frame = wsform_frame(WS_TEXT, text.p, text.len, bits_of(form));
	str_free(&text);
	return frame;
}

static struct chunk *
message_json(const struct form *form, const struct change *ch,
    const char *epoch)
{
	struct str text = { 0 };
	struct chunk *frame;

	change_add_json(&text, ch, epoch);
	frame = wsform_frame(WS_TEXT, text.p, text.len, bits_of(form));
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

/* A raw client has no place for a reset but the head of the handshake. */
const struct transport ws_raw = {
	.name = "ws",
	.message = message_raw,
};

const struct transport ws_json = {
	.name = "ws.json",
	.message = message_json,
	.reset = reset_json,
	.cursor = cursor_json,
};
