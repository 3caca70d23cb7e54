/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSFORM_H
#define DAEMON_WSFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/wire/wsframe.h"

struct chunk;
struct config;
struct form;
struct hub;
struct transport;

/* A frame holds the data and nothing else: text, or binary for a BLOB. */
extern const struct transport ws_raw;

/* A frame is a JSON object with id, channel, event and data. */
extern const struct transport ws_json;

/* From now on messages are deflated as the configuration says; borrowed. */
void wsform_configure(const struct config *config);

/*
 * The form of a client: `window_bits` of its permessage-deflate, or 0.  Clients
 * that agreed on the same share what is deflated.
 */
struct form *wsform_get(struct hub *hub, bool is_json, int window_bits);

/* A frame of a message for a client with these window bits, or 0. */
struct chunk *wsform_frame(enum ws_opcode opcode, const char *bytes, size_t len,
    int window_bits);

#endif
