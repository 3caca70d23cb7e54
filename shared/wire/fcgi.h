/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_FCGI_H
#define SHARED_WIRE_FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/str.h"

/* The names and numbers of the FastCGI specification 1.0, section 8. */
enum fcgi_type {
	FCGI_BEGIN_REQUEST = 1,
	FCGI_ABORT_REQUEST = 2,
	FCGI_END_REQUEST = 3,
	FCGI_PARAMS = 4,
	FCGI_STDIN = 5,
	FCGI_STDOUT = 6,
	FCGI_STDERR = 7,
	FCGI_DATA = 8,
	FCGI_GET_VALUES = 9,
	FCGI_GET_VALUES_RESULT = 10,
	FCGI_UNKNOWN_TYPE = 11
};

enum fcgi_protocol_status {
	FCGI_REQUEST_COMPLETE = 0,
	FCGI_CANT_MPX_CONN = 1,
	FCGI_OVERLOADED = 2,
	FCGI_UNKNOWN_ROLE = 3
};

#define FCGI_HEADER_LEN  8
#define FCGI_CONTENT_MAX 65535 /* bytes of content in one record */
#define FCGI_END_LEN     16    /* bytes of an END_REQUEST record */

/* What reading came to. */
enum fcgi_event {
	FCGI_EV_MORE,    /* all bytes are used, the request is not whole */
	FCGI_EV_HEAD,    /* params are complete, the body is to come */
	FCGI_EV_REQUEST, /* params and body are complete */
	FCGI_EV_ABORT,   /* the web server gave the request up */
	FCGI_EV_BAD,     /* not FastCGI, or past a limit: close */
};

/*
 * A reader of one connection: bytes in, events out; no I/O and no clock.
 * `= {0}` with the two limits set is one that waits for a request.
 */
struct fcgi_in {
	size_t params_max;  /* bytes; more is FCGI_EV_BAD */
	size_t body_max;    /* bytes; more sets body_too_big, is dropped */
	struct str params;  /* name-value pairs as they came */
	struct str body;    /* FCGI_STDIN */
	struct str reply;   /* records to send back, outside any request */
	struct str content; /* of a management record in the making */
	uint32_t need;      /* bytes of content that are still to come */
	uint16_t id;        /* request id, 0 = none is active */
	uint16_t record_id; /* of the record in the making */
	uint8_t header[FCGI_HEADER_LEN];
	uint8_t have;      /* bytes in `header` */
	uint8_t type;      /* of the record in the making */
	uint8_t padding;   /* bytes that are still to be skipped */
	bool keep;         /* FCGI_KEEP_CONN */
	bool params_done;  /* the empty FCGI_PARAMS came */
	bool body_too_big; /* bytes past body_max were dropped */
	bool drop_body;    /* nobody wants what comes of it */
	uint64_t body_got; /* bytes of it that came, dropped ones too */
};

/*
 * Reads from `bytes`; *used tells how many of the `len` bytes were taken.
 * After FCGI_EV_HEAD the caller may set body_max or drop_body, and reads on.
 * After FCGI_EV_REQUEST the rest belongs to what follows.  The caller sends
 * in->reply where it is not empty, and clears it.
 */
enum fcgi_event fcgi_read(struct fcgi_in *in, const void *bytes, size_t len,
    size_t *used);

/*
 * Forgets the request and frees what it held; the connection goes on.  What
 * still comes of a body that has not ended belongs to no request, and is
 * skipped.
 */
void fcgi_next(struct fcgi_in *in);

/*
 * Walks name-value pairs (section 3.4): takes one off the front of *p.
 * Returns 1 with the four set, borrowed; 0 at the end; -1 if a length lies.
 */
int fcgi_pair(const unsigned char **p, size_t *left, const char **name,
    size_t *name_len, const char **value, size_t *value_len);

/* Writes the 8 bytes of a record's header. */
void fcgi_put_header(unsigned char *to, enum fcgi_type type, uint16_t id,
    size_t content_len);

/* Writes the FCGI_END_LEN bytes of an END_REQUEST. */
void fcgi_put_end(unsigned char *to, uint16_t id,
    enum fcgi_protocol_status status);

#endif
