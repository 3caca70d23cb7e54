/* SPDX-License-Identifier: MIT */
#ifndef SHARED_CURSOR_H
#define SHARED_CURSOR_H

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

/*
 * The same for an entity tag (RFC 9110, section 8.8.3): quotes are taken off,
 * "W/" and the "-gzip" and "-br" that httpd's filters add are tolerated.  Of a
 * list the first is taken; "*" is CURSOR_LATEST.
 */
bool cursor_parse_etag(const char *text, struct cursor *cursor);

#endif
