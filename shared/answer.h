/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ANSWER_H
#define SHARED_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

/* What short and long polling answer with. */
struct answer {
	const char *cors;     /* header lines of access_add_cors, or "" */
	const char *epoch;    /* of the cursor */
	int64_t cursor;       /* the client has all up to this id */
	bool reset;           /* it may have missed something */
	bool head_only;       /* the method was HEAD */
	const char *messages; /* JSON objects with commas between, or "" */
	size_t len;           /* bytes of `messages` */
};

/*
 * Pushes 200 with {"cursor","reset","messages"} and an ETag, or 304 with the
 * ETag alone, and ends the sink.
 */
void answer_messages(struct sink *sink, const struct answer *answer);
void answer_not_modified(struct sink *sink, const struct answer *answer);

#endif
