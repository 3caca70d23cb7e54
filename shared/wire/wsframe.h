/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_WSFRAME_H
#define SHARED_WIRE_WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/str.h"

struct chunk;

/* RFC 6455, section 11.8. */
enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

/* RFC 6455, section 7.4.1, and the registry that it made. */
enum ws_code {
	WS_CODE_NORMAL = 1000,
	WS_CODE_AWAY = 1001,
	WS_CODE_PROTOCOL = 1002,
	WS_CODE_UNSUPPORTED = 1003,
	WS_CODE_NONE = 1005, /* never sent: a close frame without a code */
	WS_CODE_INVALID = 1007,
	WS_CODE_POLICY = 1008,
	WS_CODE_TOO_BIG = 1009,
	WS_CODE_RESTART = 1012,
	WS_CODE_AGAIN = 1013
};

/* What reading came to. */
enum ws_event {
	WS_EV_MORE,    /* all bytes are used */
	WS_EV_PAUSE,   /* much was done: let others have a turn, go on then */
	WS_EV_MESSAGE, /* in->message is whole, in->opcode is its kind */
	WS_EV_PING,    /* in->control is to be sent back */
	WS_EV_PONG,    /* an answer to a ping, or unasked */
	WS_EV_CLOSE,   /* in->code and in->control; answer and end */
	WS_EV_BAD,     /* fail the connection with in->code and in->why */
};

struct ws_inflate;
struct wslay_frame_context;

/*
 * Reader of one connection, the server's side (RFC 6455, sections 5 to 8):
 * bytes in, events out; no I/O and no clock.  `= {0}` with max_message set, and
 * with `deflate` if permessage-deflate was agreed (RFC 7692, section 6).
 * Between messages it holds no buffers.
 */
struct ws_in {
	size_t max_message;                /* bytes; more is 1009 */
	struct ws_inflate *inflater;       /* inside a deflated message */
	struct wslay_frame_context *wslay; /* while a frame is under way */
	const uint8_t *feed;               /* bytes that wslay has not taken */
	size_t feed_len;                   /* how many */
	uint64_t fed;       /* bytes given since `wslay` is there */
	uint64_t framed;    /* bytes of whole frames among them */
	struct str message; /* payload so far */
	struct str control; /* payload of a control frame */
	size_t checked;     /* bytes of it known to be UTF-8 */
	uint64_t frame_got; /* payload bytes of this frame */
	uint64_t taken;     /* payload bytes of the message, as sent */
	size_t worked;      /* since the last pause, about in bytes */
	const char *why;    /* of WS_EV_BAD */
	uint16_t code;      /* see ws_event */
	uint8_t opcode;     /* of the message under way, 0 = none */
	bool deflate;       /* RSV1 marks a deflated message */
	bool frame_begun;   /* inside a frame */
	bool delivered;     /* `message` was handed out */
};

/*
 * Gives bytes, which are borrowed until ws_read says WS_EV_MORE.  Then call
 * ws_read until it does, or until WS_EV_CLOSE or WS_EV_BAD.  in->feed_len tells
 * how many are not used yet: who stops before keeps those and gives them again.
 */
void ws_feed(struct ws_in *in, const void *bytes, size_t len);
enum ws_event ws_read(struct ws_in *in);

/*
 * Forgets the message that was handed out; ws_read does so by itself, later.
 */
void ws_forget(struct ws_in *in);

/* Frees what is held. */
void ws_in_free(struct ws_in *in);

/* One whole unmasked frame. */
struct chunk *ws_frame(enum ws_opcode opcode, const void *bytes, size_t len);

/* The same, of a payload that ws_deflate_message has made. */
struct chunk *ws_deflated_frame(enum ws_opcode opcode, const void *bytes,
    size_t len);

/* A close frame; `reason` is UTF-8 and cut to fit. */
struct chunk *ws_close_frame(enum ws_code code, const char *reason);

/* Whether a peer may send this code (section 7.4). */
bool ws_code_valid(unsigned code);

/*
 * The value of Sec-WebSocket-Accept for a key (section 4.2.2); `out` has at
 * least 29 bytes.  Returns false if the key does not decode to 16 bytes.
 */
bool ws_accept(const char *key, char *out);

#endif
