/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_CURSOR_H
#define SHARED_TABLE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Where a client wants to start. */
enum cursor_kind {
	CURSOR_LATEST,   /* only what is new */
	CURSOR_EARLIEST, /* all that is kept */
	CURSOR_LAST,     /* the last N messages */
	CURSOR_AT,       /* behind an id */
};

struct cursor {
	enum cursor_kind kind; /* which of the four */
	int64_t id;            /* CURSOR_AT: the id; CURSOR_LAST: N */
	char epoch[40];        /* CURSOR_AT: "" = the present one */
};

/*
 * Reads a cursor as clients send it: EPOCH-ID, a bare integer, "earliest",
 * "latest" or "-N".  Returns false if `text` is none of these.
 */
bool cursor_parse(const char *text, struct cursor *cursor);

/* What the tags of If-None-Match come to. */
enum cursor_tags {
	CURSOR_TAGS_BAD,     /* it is no list of tags */
	CURSOR_TAGS_FOREIGN, /* none is a cursor: it can't match */
	CURSOR_TAGS_OURS     /* the cursor was set */
};

/*
 * Reads If-None-Match (RFC 9110, section 13.1.2): a list of entity tags, or "*"
 * for whatever there is, which is CURSOR_LATEST.  They are compared weakly, so
 * "W/" counts nothing, and neither do "-gzip" and "-br", which filters of httpd
 * add.  A client that names several has seen them all: the newest of the
 * present `epoch` is taken, and one of another epoch if there is no other. Tags
 * that are no cursors are passed over.
 */
enum cursor_tags cursor_parse_tags(const char *text, const char *epoch,
    struct cursor *cursor);

#endif
