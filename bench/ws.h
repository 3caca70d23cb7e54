/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <stdint.h>

#include "bench/buf.h"

/* The example of RFC 6455, 1.3: the answer is known without SHA-1. */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Opcodes (RFC 6455, 5.2). */
#define WS_CONTINUATION 0
#define WS_TEXT         1
#define WS_BINARY       2
#define WS_CLOSE        8
#define WS_PING         9
#define WS_PONG         10

enum ws_event {
	WS_MORE,    /* all bytes are used up */
	WS_MESSAGE, /* a whole message is in w->message */
	WS_CONTROL, /* a whole control frame is in w->control */
	WS_BAD,     /* breaks the protocol */
};

/* The frames of a server while they are read. All zero is the start. */
struct ws {
	uint8_t head[10];   /* the frame's head as far as it has come */
	unsigned headlen;   /* bytes in head */
	int opcode;         /* of the present frame */
	int fin;            /* 1 = the present frame ends its message */
	int may_pack;       /* 1 = permessage-deflate was agreed on */
	int packed;         /* 1 = the present message is compressed */
	int begun;          /* 1 = more frames of the present message follow */
	int within;         /* 1 = the head is complete */
	uint64_t need;      /* bytes missing of the payload */
	int delivered;      /* 1 = message or control was handed out */
	struct buf message; /* payload of the present message */
	struct buf control; /* payload of the present control frame */
};

/*
 * Read from the *n bytes at *p, moving both on, until something is found.
 * What is found stays until the next call; w->opcode tells its kind.
 */
enum ws_event ws_next(struct ws *w, const char **p, size_t *n);
void ws_free(struct ws *w);

/* Append a frame as a client sends it, masked (RFC 6455, 5.3). */
void ws_add_masked(struct buf *b, int opcode, const char *p, size_t len);

/* Append an unmasked frame, as a server sends it. */
void ws_add_plain(struct buf *b, int opcode, const char *p, size_t len);

#endif
