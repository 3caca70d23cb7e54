/* SPDX-License-Identifier: MIT */
/*
 * Heads of HTTP/1.1 requests as a parser that is fed (RFC 9112).  It is our own
 * because nobody keeps http_parser any more, llhttp has no package for C in
 * Debian 12, and what other libraries have comes with a server around it.  A
 * head is some ten states; the strictness is the point: whatever another reader
 * of the same bytes might take for something else is refused.
 *
 * Stricter than it would have to be: a line ends by CR LF and not by LF alone,
 * folded lines and empty elements of Content-Length are refused.  Laxer: bytes
 * above 0x7f may stand in a target, as httpd lets them pass too.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/wire/http.h"

enum state {
	HTTP_START,    /* nothing yet, or empty lines (section 2.2) */
	HTTP_START_LF, /* the end of such a line */
	HTTP_METHOD,   /* letters of the method */
	HTTP_TARGET,   /* bytes of the target */
	HTTP_VERSION,  /* "HTTP/1.1" */
	HTTP_LINE_CR,  /* the end of the request line */
	HTTP_LINE_LF,  /* ... */
	HTTP_FIELD,    /* a name or the end */
	HTTP_NAME,     /* letters of a name */
	HTTP_BLANK,    /* whitespace before a value */
	HTTP_VALUE,    /* bytes of a value */
	HTTP_FIELD_LF, /* the end of a line */
	HTTP_END_LF,   /* the end of the head */
	HTTP_DONE,     /* it is whole */
	HTTP_REFUSED   /* it is refused */
};

#define BODY_MAX_DIGITS 15 /* of Content-Length */

bool
http_is_tchar(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static void
refuse(struct http_in *in, int status, const char *why)
{
	in->state = HTTP_REFUSED;
	in->status = status;
	in->why = why;
	/* Of such a head nothing is believed, half lines least of all. */
	in->nfields = 0;
	in->path = 0;
	in->authority = 0;
}

static const char *
text_at(const struct http_in *in, size_t at)
{
	return in->text.p + at;
}

static void
end_text(struct http_in *in)
{
	str_add(&in->text, "", 1);
}

const char *
http_method(const struct http_in *in)
{
	return in->has_method ? in->text.p : "";
}

const char *
http_path(const struct http_in *in)
{
	return in->path == 0 ? "" : text_at(in, in->path);
}

const char *
http_authority(const struct http_in *in)
{
	return in->authority == 0 ? "" : text_at(in, in->authority);
}

const char *
http_name(const struct http_in *in, size_t i)
{
	return text_at(in, in->fields[i].name);
}

size_t
http_join(const struct http_in *in, const char *name, struct str *out)
{
	size_t n = 0;

	str_clear(out);
	for (size_t i = 0; i < in->nfields; i++) {
		if (strcasecmp(text_at(in, in->fields[i].name), name) != 0)
			continue;
		if (n++ > 0)
			str_addz(out, ", ");
		str_addz(out, text_at(in, in->fields[i].value));
	}
	str_add(out, "", 0);
	return n;
}

/* The end of an address of IPv6 in brackets, or NULL. */
static const char *
skip_literal(const char *host)
{
	size_t len = strspn(host + 1, "0123456789abcdefABCDEF:.");

	return len < 2 || host[1 + len] != ']' ? NULL : host + len + 2;
}

/* The end of a reg-name (RFC 3986, section 3.2.2), or NULL. */
static const char *
skip_name(const char *host)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *p = host;

	while (*p != '\0' && *p != ':') {
		if (*p == '%') {
			if (strspn(p + 1, hex) < 2)
				return NULL;
			p += 3;
			continue;
		}
		if (*p == '#' || *p == '^' || *p == '`' || *p == '|')
			return NULL;
		if (!http_is_tchar((unsigned char)*p) &&
		    strchr("();=", *p) == NULL)
			return NULL;
		p++;
	}
	return p == host ? NULL : p;
}

bool
http_host_valid(const char *host)
{
	const char *end = host[0] == '[' ? skip_literal(host) : skip_name(host);
	size_t digits;

	if (end == NULL)
		return false;
	if (*end == '\0')
		return true;
	if (*end != ':')
		return false;
	digits = strspn(end + 1, "0123456789");
	return end[1 + digits] == '\0' && digits <= 5 && atoi(end + 1) <= 65535;
}

bool
http_tokens_valid(const char *list)
{
	size_t n = 0;

	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (*list == '\0')
			break;
		if (!http_is_tchar((unsigned char)*list))
			return false;
		while (http_is_tchar((unsigned char)*list))
			list++;
		n++;
		list += strspn(list, " \t");
		if (*list != '\0' && *list != ',')
			return false;
	}
	return n > 0;
}

/*
 * An absolute-form (RFC 9112, section 3.2.2): whom it names counts, not Host.
 * Only http and https have one here (RFC 6455, section 4.1), and nobody's name
 * and password (RFC 9110, section 4.2.4).
 */
static bool
take_absolute(struct http_in *in)
{
	const char *target = text_at(in, in->target);
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
			: strncasecmp(target, "https://", 8) == 0 ? 8
								  : 0;
	size_t len = strcspn(target + scheme, "/?");
	char *host;
	bool ok;

	if (scheme == 0)
		return false;
	host = xstrndup(target + scheme, len);
	ok = http_host_valid(host);
	if (ok) {
		const char *rest = target + scheme + len;
		char *path = xstrndup(rest, strlen(rest));

		in->authority = (uint32_t)in->text.len;
		str_addz(&in->text, host);
		end_text(in);
		in->path = (uint32_t)in->text.len;
		str_addz(&in->text, path[0] == '/' ? "" : "/");
		str_addz(&in->text, path);
		end_text(in);
		free(path);
	}
	free(host);
	return ok;
}

/* The four forms of RFC 9112, section 3.2. */
static void
end_target(struct http_in *in)
{
	const char *target;
	bool ok;

	end_text(in);
	target = text_at(in, in->target);
	in->path = in->target;
	if (target[0] == '/')
		ok = true;
	else if (strcmp(http_method(in), "CONNECT") == 0)
		ok = http_host_valid(target);
	else if (strcmp(target, "*") == 0)
		ok = strcmp(http_method(in), "OPTIONS") == 0;
	else
		ok = take_absolute(in);
	if (!ok)
		refuse(in, 400, "the target of the request is malformed");
	else
		in->state = HTTP_VERSION;
}

static void
start_field(struct http_in *in, unsigned char c)
{
	if (c == '\r') {
		in->state = HTTP_END_LF;
		return;
	}
	if (is_blank(c)) {
		refuse(in, 400, "a header line begins with whitespace");
		return;
	}
	if (!http_is_tchar(c)) {
		refuse(in, 400, "the name of a header is malformed");
		return;
	}
	if (in->nfields == HTTP_FIELDS_MAX) {
		refuse(in, 431, "the head has too many lines");
		return;
	}
	if ((in->nfields & (in->nfields - 1)) == 0)
		in->fields = xreallocarray(in->fields,
		    in->nfields == 0 ? 1 : in->nfields * 2,
		    sizeof(*in->fields));
	in->fields[in->nfields++] =
	    (struct http_field){ (uint32_t)in->text.len, 0 };
	str_add(&in->text, &c, 1);
	in->state = HTTP_NAME;
}

static void
end_value(struct http_in *in)
{
	struct http_field *field = &in->fields[in->nfields - 1];

	while (in->text.len > field->value &&
	       is_blank((unsigned char)in->text.p[in->text.len - 1]))
		in->text.len--;
	end_text(in);
	in->state = HTTP_FIELD_LF;
}

/* How the body is framed (RFC 9112, section 6.3). */
static void
check_framing(struct http_in *in)
{
	struct str value = { 0 };

	if (http_join(in, "Transfer-Encoding", &value) > 0) {
		struct str length = { 0 };
		bool both = http_join(in, "Content-Length", &length) > 0;

		str_free(&length);
		in->chunked = strcasecmp(value.p, "chunked") == 0;
		if (both || in->is_1_0)
			refuse(in, 400,
			    "Transfer-Encoding does not go with "
			    "Content-Length or HTTP/1.0");
		else if (!in->chunked)
			refuse(in, 501,
			    "no Transfer-Encoding but chunked is understood");
	} else if (http_join(in, "Content-Length", &value) > 0) {
		if (value.len == 0 || value.len > BODY_MAX_DIGITS ||
		    strspn(value.p, "0123456789") != value.len)
			refuse(in, 400, "Content-Length is not a number");
		else
			in->body_len = strtoll(value.p, NULL, 10);
	}
	str_free(&value);
}

/* RFC 9112, section 3.2: any request with a Host that is not one is a 400. */
static void
check_host(struct http_in *in)
{
	struct str value = { 0 };
	size_t n = http_join(in, "Host", &value);

	if (n == 0 && !in->is_1_0)
		refuse(in, 400, "there is no Host");
	else if (n > 1)
		refuse(in, 400, "there is more than one Host");
	else if (n == 1 && !http_host_valid(value.p))
		refuse(in, 400, "the Host is not a name and a port");
	str_free(&value);
}

static void
end_head(struct http_in *in)
{
	in->state = HTTP_DONE;
	check_host(in);
	if (in->state == HTTP_DONE)
		check_framing(in);
}

/* One byte of the request line. */
static void
take_of_line(struct http_in *in, unsigned char c)
{
	static const char version[] = "HTTP/1.1";

	if (in->state == HTTP_START && c != '\r')
		in->state = HTTP_METHOD;
	switch (in->state) {
	case HTTP_START:
		in->state = HTTP_START_LF;
		break;
	case HTTP_METHOD:
		if (http_is_tchar(c)) {
			str_add(&in->text, &c, 1);
		} else if (c == ' ' && in->text.len > 0) {
			end_text(in);
			in->has_method = true;
			in->target = (uint32_t)in->text.len;
			in->state = HTTP_TARGET;
		} else {
			refuse(in, 400, "this is not HTTP");
		}
		break;
	case HTTP_TARGET:
		if (c == ' ')
			end_target(in);
		else if (c < ' ' || c == 0x7f || c == '#')
			refuse(in, 400,
			    "the target of the request is malformed");
		else
			str_add(&in->text, &c, 1);
		break;
	default: /* HTTP_VERSION */
		if (in->at == 5 && c >= '0' && c <= '9' && c != '1')
			refuse(in, 505, "HTTP/1.1 is what is spoken here");
		else if (in->at == 7 ? c < '0' || c > '9'
				     : c != (unsigned char)version[in->at])
			refuse(in, 400, "this is not HTTP");
		else if (++in->at == sizeof(version) - 1) {
			in->is_1_0 = c == '0';
			in->state = HTTP_LINE_CR;
		}
		break;
	}
}

static void
take_of_field(struct http_in *in, unsigned char c)
{
	struct http_field *field = &in->fields[in->nfields - 1];

	if (in->state == HTTP_NAME) {
		if (http_is_tchar(c)) {
			str_add(&in->text, &c, 1);
		} else if (c == ':') {
			end_text(in);
			field->value = (uint32_t)in->text.len;
			in->state = HTTP_BLANK;
		} else {
			refuse(in, 400, "the name of a header is malformed");
		}
		return;
	}
	if (in->state == HTTP_BLANK && is_blank(c))
		return;
	if (c == '\r') {
		end_value(in);
	} else if ((c < ' ' && c != '\t') || c == 0x7f) {
		refuse(in, 400, "a header has a control character");
	} else {
		str_add(&in->text, &c, 1);
		in->state = HTTP_VALUE;
	}
}

/* A byte that ends something: nothing else may stand in its place. */
static void
take_end(struct http_in *in, unsigned char c)
{
	if (c != (in->state == HTTP_LINE_CR ? '\r' : '\n')) {
		refuse(in, 400, "a line does not end by CR LF");
		return;
	}
	if (in->state == HTTP_LINE_CR)
		in->state = HTTP_LINE_LF;
	else if (in->state == HTTP_START_LF)
		in->state = HTTP_START;
	else if (in->state == HTTP_END_LF)
		end_head(in);
	else
		in->state = HTTP_FIELD;
}

static void
take(struct http_in *in, unsigned char c)
{
	switch (in->state) {
	case HTTP_FIELD:
		start_field(in, c);
		break;
	case HTTP_NAME:
	case HTTP_BLANK:
	case HTTP_VALUE:
		take_of_field(in, c);
		break;
	case HTTP_START_LF:
	case HTTP_LINE_CR:
	case HTTP_LINE_LF:
	case HTTP_FIELD_LF:
	case HTTP_END_LF:
		take_end(in, c);
		break;
	default:
		take_of_line(in, c);
		break;
	}
}

/* Too long: what it was that did not end decides (RFC 9112, section 3). */
static void
refuse_long(struct http_in *in)
{
	if (in->state == HTTP_METHOD)
		refuse(in, 501, "there is no such method");
	else if (in->state == HTTP_TARGET)
		refuse(in, 414, "the target of the request is too long");
	else
		refuse(in, 431, "the head is too long");
}

enum http_event
http_read(struct http_in *in, const void *bytes, size_t len, size_t *used)
{
	const unsigned char *b = bytes;

	*used = 0;
	while (*used < len && in->state < HTTP_DONE) {
		take(in, b[(*used)++]);
		if (++in->seen == HTTP_HEAD_MAX && in->state < HTTP_DONE)
			refuse_long(in);
	}
	return in->state < HTTP_DONE    ? HTTP_EV_MORE
	       : in->state == HTTP_DONE ? HTTP_EV_HEAD
					: HTTP_EV_BAD;
}

void
http_in_free(struct http_in *in)
{
	str_free(&in->text);
	free(in->fields);
	*in = (struct http_in){ 0 };
}
