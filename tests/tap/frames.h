/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_FRAMES_H
#define TESTS_TAP_FRAMES_H

#include <stddef.h>

#include "shared/base/str.h"
#include "shared/wire/wsframe.h"

#define B(literal) literal, sizeof(literal) - 1

/* A frame as a client sends it. */
struct frame {
	int first;        /* FIN, RSV, opcode */
	const char *data; /* payload, or NULL = no more frames */
	size_t len;       /* bytes */
};

#define F(first, literal)                                                      \
	{                                                                      \
		first, B(literal)                                              \
	}

/* Appends one masked frame; `form` is bytes of extended length, -1 = least. */
void add_frame(struct str *out, int first, const void *data, size_t len,
    int form);

/*
 * Reads in pieces of `step` bytes; returns how many were given.  What is heard
 * is appended as a text: M1:abc a text message, M2 binary, P:abc ping, O:abc
 * pong, C1000:abc close, B1002 fail with that code.  A pause is no sound.
 */
size_t read_all(struct ws_in *in, const struct str *bytes, size_t step,
    struct str *heard);

#endif
