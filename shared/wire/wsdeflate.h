/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_WSDEFLATE_H
#define SHARED_WIRE_WSDEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;
struct ws_inflate;

/*
 * permessage-deflate (RFC 7692).  Neither side keeps its window from one
 * message to the next (no_context_takeover both ways): so one deflated message
 * serves every client, and a client that is silent costs nothing.
 */
struct ws_deflate {
	uint8_t window_bits; /* of what we send, 9 to 15; 0 = not agreed */
	bool tell_server;    /* answer server_max_window_bits */
	uint8_t client_bits; /* client_max_window_bits to answer, 0 = none */
};

/*
 * Chooses among the offers in Sec-WebSocket-Extensions, all lines of it joined
 * by commas; takes the first that can be honoured (section 5, 7.1).  Without
 * one agreed->window_bits is 0.  Returns false if the text is no list of
 * extensions (RFC 6455, section 9.1).
 */
bool ws_deflate_choose(const char *offers, struct ws_deflate *agreed);

/* Appends the element that answers what was agreed. */
void ws_deflate_answer(const struct ws_deflate *agreed, struct str *out);

/*
 * Appends the payload of a whole message, deflated (section 7.2.1).  `level` is
 * 1 to 9.  Returns false, and appends nothing, if that would not be smaller.
 */
bool ws_deflate_message(const void *bytes, size_t len, int window_bits,
    int level, struct str *out);

/* Frees what ws_deflate_message and ws_inflate_end keep for the next time. */
void ws_deflate_free(void);

enum ws_inflate_status {
	WS_INFLATE_OK,
	WS_INFLATE_BAD,     /* not DEFLATE */
	WS_INFLATE_TOO_BIG, /* more than `max` */
};

/* Begins a message (section 7.2.2).  NULL: memory is exhausted. */
struct ws_inflate *ws_inflate_begin(void);

/*
 * Inflates more of the message onto `out`, which grows to at most `max` bytes:
 * what would be more is not inflated.
 */
enum ws_inflate_status ws_inflate_add(struct ws_inflate *inflater,
    const void *bytes, size_t len, struct str *out, size_t max);

/* The payload is whole: inflates what is left. */
enum ws_inflate_status ws_inflate_last(struct ws_inflate *inflater,
    struct str *out, size_t max);

/* Lets go; NULL is fine. */
void ws_inflate_end(struct ws_inflate *inflater);

#endif
