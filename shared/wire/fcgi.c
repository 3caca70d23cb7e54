/* SPDX-License-Identifier: MIT */
/*
 * FastCGI 1.0, the application's side, as a parser that is fed.  libfcgi was
 * refused here: it reads with blocking calls, so a visitor who posts a byte a
 * minute through httpd would hold up every other client of the process, and it
 * keeps 17 KB of buffers for a request.  Deviations: one request at a time on a
 * connection (a second one is answered FCGI_CANT_MPX_CONN), the responder role
 * alone, FCGI_DATA is skipped.
 */
#include "config.h"

#include <string.h>

#include "shared/base/str.h"
#include "shared/wire/fcgi.h"

#define FCGI_VERSION   1
#define FCGI_RESPONDER 1
#define FCGI_KEEP_CONN 1
#define BEGIN_LEN      8    /* bytes of content of a BEGIN_REQUEST */
#define VALUES_MAX     4096 /* bytes of a GET_VALUES that are looked at */

void
fcgi_put_header(unsigned char *to, enum fcgi_type type, uint16_t id,
    size_t content_len)
{
	to[0] = FCGI_VERSION;
	to[1] = (unsigned char)type;
	to[2] = (unsigned char)(id >> 8);
	to[3] = (unsigned char)id;
	to[4] = (unsigned char)(content_len >> 8);
	to[5] = (unsigned char)content_len;
	to[6] = 0;
	to[7] = 0;
}

void
fcgi_put_end(unsigned char *to, uint16_t id, enum fcgi_protocol_status status)
{
	memset(to, 0, FCGI_END_LEN);
	fcgi_put_header(to, FCGI_END_REQUEST, id, 8);
	to[FCGI_HEADER_LEN + 4] = (unsigned char)status;
}

static int
pair_length(const unsigned char **p, size_t *left, size_t *len)
{
	const unsigned char *b = *p;

	if (*left < 1)
		return -1;
	if (b[0] < 0x80) {
		*len = b[0];
		*p += 1;
		*left -= 1;
		return 0;
	}
	if (*left < 4)
		return -1;
	*len = (size_t)(b[0] & 0x7f) << 24 | (size_t)b[1] << 16 |
	       (size_t)b[2] << 8 | b[3];
	*p += 4;
	*left -= 4;
	return 0;
}

int
fcgi_pair(const unsigned char **p, size_t *left, const char **name,
    size_t *name_len, const char **value, size_t *value_len)
{
	if (*left == 0)
		return 0;
	if (pair_length(p, left, name_len) == -1 ||
	    pair_length(p, left, value_len) == -1 || *name_len > *left ||
	    *value_len > *left - *name_len)
		return -1;
	*name = (const char *)*p;
	*value = (const char *)*p + *name_len;
	*p += *name_len + *value_len;
	*left -= *name_len + *value_len;
	return 1;
}

void
fcgi_next(struct fcgi_in *in)
{
	str_free(&in->params);
	str_free(&in->body);
	str_free(&in->content);
	in->id = 0;
	in->keep = false;
	in->params_done = false;
	in->body_too_big = false;
	in->drop_body = false;
	in->body_got = 0;
}

static void
reply_end(struct fcgi_in *in, enum fcgi_protocol_status status)
{
	unsigned char end[FCGI_END_LEN];

	fcgi_put_end(end, in->record_id, status);
	str_add(&in->reply, end, sizeof(end));
}

/* The three variables of section 4.1, for those that were asked for. */
static void
reply_values(struct fcgi_in *in)
{
	static const char *const known[][2] = { { "FCGI_MAX_CONNS", "65535" },
		{ "FCGI_MAX_REQS", "65535" }, { "FCGI_MPXS_CONNS", "0" } };
	const unsigned char *p = (const unsigned char *)in->content.p;
	size_t left = in->content.len, name_len, value_len;
	const char *name, *value;
	unsigned char header[FCGI_HEADER_LEN];
	struct str out = { 0 };

	while (out.len < VALUES_MAX && fcgi_pair(&p, &left, &name, &name_len,
					   &value, &value_len) == 1) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			const char *n = known[i][0], *v = known[i][1];

			if (strlen(n) != name_len ||
			    memcmp(n, name, name_len) != 0)
				continue;
			str_addf(&out, "%c%c%s%s", (int)strlen(n),
			    (int)strlen(v), n, v);
		}
	}
	fcgi_put_header(header, FCGI_GET_VALUES_RESULT, 0, out.len);
	str_add(&in->reply, header, sizeof(header));
	str_add(&in->reply, out.p, out.len);
	str_free(&out);
}

static void
reply_unknown_type(struct fcgi_in *in)
{
	unsigned char record[FCGI_HEADER_LEN + 8] = { 0 };

	fcgi_put_header(record, FCGI_UNKNOWN_TYPE, 0, 8);
	record[FCGI_HEADER_LEN] = in->type;
	str_add(&in->reply, record, sizeof(record));
}

static enum fcgi_event
end_begin(struct fcgi_in *in)
{
	const unsigned char *b = (const unsigned char *)in->content.p;

	if (in->content.len != BEGIN_LEN || in->record_id == 0)
		return FCGI_EV_BAD;
	if (in->id != 0) {
		reply_end(in, FCGI_CANT_MPX_CONN);
	} else if ((b[0] << 8 | b[1]) != FCGI_RESPONDER) {
		reply_end(in, FCGI_UNKNOWN_ROLE);
	} else {
		in->id = in->record_id;
		in->keep = (b[2] & FCGI_KEEP_CONN) != 0;
	}
	return FCGI_EV_MORE;
}

/* A record is whole.  `empty` tells that it had no content. */
static enum fcgi_event
end_record(struct fcgi_in *in, bool empty)
{
	enum fcgi_event event = FCGI_EV_MORE;

	if (in->record_id == 0) {
		if (in->type == FCGI_GET_VALUES)
			reply_values(in);
		else
			reply_unknown_type(in);
	} else if (in->type == FCGI_BEGIN_REQUEST) {
		event = end_begin(in);
	} else if (in->record_id != in->id) {
		event = FCGI_EV_MORE; /* of a request that was refused */
	} else if (in->type == FCGI_ABORT_REQUEST) {
		event = FCGI_EV_ABORT;
	} else if (in->type == FCGI_PARAMS && empty && !in->params_done) {
		in->params_done = true;
		event = FCGI_EV_HEAD;
	} else if (in->type == FCGI_STDIN && empty && in->params_done) {
		event = FCGI_EV_REQUEST;
	}
	str_free(&in->content);
	return event;
}

/* Takes content of the record in the making. */
static enum fcgi_event
take_content(struct fcgi_in *in, const unsigned char *bytes, size_t len)
{
	if (in->record_id == 0 || in->type == FCGI_BEGIN_REQUEST) {
		if (len > VALUES_MAX - in->content.len)
			len = VALUES_MAX - in->content.len;
		str_add(&in->content, bytes, len);
		return FCGI_EV_MORE;
	}
	if (in->record_id != in->id)
		return FCGI_EV_MORE;
	if (in->type == FCGI_PARAMS) {
		if (in->params_done || in->params.len + len > in->params_max)
			return FCGI_EV_BAD;
		str_add(&in->params, bytes, len);
	} else if (in->type == FCGI_STDIN) {
		in->body_got += len;
		if (in->drop_body)
			return FCGI_EV_MORE;
		if (len > in->body_max || in->body.len > in->body_max - len)
			in->body_too_big = true;
		else
			str_add(&in->body, bytes, len);
	}
	return FCGI_EV_MORE;
}

static void
start_record(struct fcgi_in *in)
{
	in->type = in->header[1];
	in->record_id = (uint16_t)(in->header[2] << 8 | in->header[3]);
	in->need = (uint32_t)(in->header[4] << 8 | in->header[5]);
	in->padding = in->header[6];
}

/* Whether header, content and padding of a record have all come. */
static bool
record_whole(const struct fcgi_in *in)
{
	return in->have == FCGI_HEADER_LEN && in->need == 0 && in->padding == 0;
}

/* Takes up to `len` bytes of the present part of a record. */
static enum fcgi_event
take_part(struct fcgi_in *in, const unsigned char *b, size_t len, size_t *n)
{
	if (in->have < FCGI_HEADER_LEN) {
		in->header[in->have++] = b[0];
		*n = 1;
		if (in->header[0] != FCGI_VERSION)
			return FCGI_EV_BAD;
		if (in->have == FCGI_HEADER_LEN)
			start_record(in);
		return FCGI_EV_MORE;
	}
	if (in->need > 0) {
		*n = len < in->need ? len : in->need;
		in->need -= (uint32_t)*n;
		return take_content(in, b, *n);
	}
	*n = len < in->padding ? len : in->padding;
	in->padding = (uint8_t)(in->padding - *n);
	return FCGI_EV_MORE;
}

enum fcgi_event
fcgi_read(struct fcgi_in *in, const void *bytes, size_t len, size_t *used)
{
	const unsigned char *b = bytes;
	enum fcgi_event event = FCGI_EV_MORE;
	size_t n;

	for (*used = 0; *used < len && event == FCGI_EV_MORE; *used += n) {
		event = take_part(in, b + *used, len - *used, &n);
		if (event == FCGI_EV_MORE && record_whole(in)) {
			in->have = 0;
			event = end_record(in,
			    in->header[4] == 0 && in->header[5] == 0);
		}
	}
	return event;
}
