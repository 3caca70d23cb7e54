/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSFORM_H
#define DAEMON_WSFORM_H

struct transport;

/* A frame holds the data and nothing else: text, or binary for a BLOB. */
extern const struct transport ws_raw;

/* A frame is a JSON object with id, channel, event and data. */
extern const struct transport ws_json;

#endif
