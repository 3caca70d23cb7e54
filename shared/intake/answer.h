/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_ANSWER_H
#define SHARED_INTAKE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change;
struct req;
struct sink;
struct str;

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

/*
 * The parameter format: sets *is_text if it is "text".  Returns 0, or -1 after
 * a refusal.
 */
int answer_read_format(struct req *req, bool *is_text);

/*
 * format=text.  answer_take_text puts a message into `out`, in the place of the
 * one before; answer_text pushes what stands in answer->messages then: 200 with
 * its data as they are, or 204 where there is none.  The cursor stands in ETag
 * and Tidings-Cursor.
 */
void answer_take_text(struct str *out, const struct change *ch);
void answer_text(struct sink *sink, const struct answer *answer);

#endif
