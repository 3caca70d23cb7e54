/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stddef.h>
#include <stdint.h>

/* What http_next found. */
enum http_event {
	HTTP_MORE, /* all bytes are used up */
	HTTP_HEAD, /* the head is complete, its members are set */
	HTTP_BODY, /* some bytes of the body */
	HTTP_END,  /* the response is complete */
	HTTP_BAD,  /* not HTTP */
};

enum http_state {
	HTTP_IN_STATUS,
	HTTP_IN_HEADER,
	HTTP_IN_BODY,
	HTTP_IN_CHUNK_SIZE,
	HTTP_IN_CHUNK,
	HTTP_IN_CHUNK_END,
	HTTP_IN_TRAILER,
	HTTP_COMPLETE,
	HTTP_BROKEN,
};

/* A response while it is read. */
struct http {
	enum http_state state;
	int cgi;              /* 1 = CGI head: no status line, "Status:" */
	int status;           /* 200, or 0 before the status line */
	int close;            /* 1 = the peer closes after this response */
	int chunked;          /* 1 = Transfer-Encoding: chunked */
	int64_t need;         /* bytes left of body or chunk, -1 = until EOF */
	size_t len;           /* bytes in line */
	char etag[128];       /* value of ETag, or empty */
	char modified[64];    /* value of Last-Modified, or empty */
	char accept[32];      /* value of Sec-WebSocket-Accept, or empty */
	char extensions[128]; /* value of Sec-WebSocket-Extensions, or empty */
	char line[256];       /* the unfinished line, cut to what fits */
};

/* Get ready for the next response; cgi as in the struct. */
void http_begin(struct http *h, int cgi);

/*
 * Read from the *n bytes at *p, moving both on, until something is found.
 * HTTP_BODY sets *body and *len, borrowed from *p. Call until HTTP_MORE (or
 * HTTP_BAD); after HTTP_END further bytes belong to the next response.
 */
enum http_event http_next(struct http *h, const char **p, size_t *n,
    const char **body, size_t *len);

#endif
