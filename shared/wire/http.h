/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_HTTP_H
#define SHARED_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/str.h"

#define HTTP_HEAD_MAX   16384 /* bytes of a whole head */
#define HTTP_FIELDS_MAX 100   /* header lines */

enum http_event {
	HTTP_EV_MORE, /* all bytes are used, the head is not whole */
	HTTP_EV_HEAD, /* the head is whole */
	HTTP_EV_BAD,  /* it is refused: `status` and `why` */
};

/* A header line: offsets into `text`, with a NUL behind each. */
struct http_field {
	uint32_t name;  /* as it came */
	uint32_t value; /* without the whitespace around it */
};

/* A reader of one request head.  Zeroed, then fed; members are to be read. */
struct http_in {
	struct str text;           /* method, target, names, values */
	struct http_field *fields; /* header lines in their order; ours */
	size_t nfields;            /* used rows */
	int64_t body_len;          /* Content-Length, 0 without */
	const char *why;           /* a sentence, of HTTP_EV_BAD */
	int status;                /* 400 or such, of HTTP_EV_BAD; else 0 */
	uint32_t target;           /* private: where these begin in `text`, */
	uint32_t authority;        /* private: 0 = there is none */
	uint32_t path;             /* private: 0 = there is none */
	uint16_t seen;             /* bytes of the head so far */
	uint8_t state;             /* private */
	uint8_t at;                /* private: place in the version */
	bool has_method;           /* the method is whole */
	bool is_1_0;               /* HTTP/1.0, else HTTP/1.1 or later */
	bool chunked;              /* Transfer-Encoding: chunked */
};

/*
 * Reads up to `len` bytes; *used tells how many belong to the head.  What comes
 * of them does not depend on how they are cut.  After HTTP_EV_HEAD or
 * HTTP_EV_BAD it must not be fed again.
 */
enum http_event http_read(struct http_in *in, const void *bytes, size_t len,
    size_t *used);

/* Frees what the reader holds; it is zeroed. */
void http_in_free(struct http_in *in);

/* The method, or "" while it is not whole.  Borrowed. */
const char *http_method(const struct http_in *in);

/*
 * Path and query of the target, and the host that an absolute-form names
 * instead of Host; "" if there is none or the head is refused.  Borrowed.
 */
const char *http_path(const struct http_in *in);
const char *http_authority(const struct http_in *in);

/* The name of a header line as it came.  Borrowed. */
const char *http_name(const struct http_in *in, size_t i);

/*
 * All values of a header, joined by ", " (RFC 9110, section 5.3).  Returns how
 * many there were; with none *out is "".
 */
size_t http_join(const struct http_in *in, const char *name, struct str *out);

/*
 * Whether the text is what a Host may be (RFC 9110, section 7.2): a name or an
 * address, and a port.  An empty name is none, and neither is one with a comma:
 * that is how two of them look once they are joined.
 */
bool http_host_valid(const char *host);

/* Whether a byte may stand in a token (RFC 9110, section 5.6.2). */
bool http_is_tchar(unsigned char c);

/*
 * Whether the text is a list of tokens, at least one (RFC 9110, section 5.6.1);
 * empty elements count for nothing.
 */
bool http_tokens_valid(const char *list);

#endif
