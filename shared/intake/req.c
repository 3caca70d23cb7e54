/* SPDX-License-Identifier: MIT */
/*
 * A request: variables in, parameters decoded, an answer or a refusal out.
 */
#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "shared/access/access.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/intake/req.h"
#include "shared/out/sink.h"
#include "shared/wire/chunk.h"
#include "shared/wire/fcgi.h"
#include "shared/wire/handover.h"

#define FORM      "application/x-www-form-urlencoded"
#define ARGS_MORE 100 /* parameters besides max_channels names */

void
req_free(struct req *req)
{
	vars_free(&req->vars);
	str_free(&req->body);
	str_free(&req->decoded);
	free(req->args);
	*req = (struct req){ 0 };
}

void
req_drop(struct req **req)
{
	if (*req == NULL)
		return;
	req_free(*req);
	free(*req);
	*req = NULL;
}

void
req_keep(struct req *req, const char *const *names, size_t n)
{
	struct req kept = { .config = req->config,
		.sink = req->sink,
		.own_port = req->own_port };

	vars_keep(&kept.vars, &req->vars, names, n);
	req_free(req);
	*req = kept;
}

const char *
req_var(const struct req *req, const char *name)
{
	return vars_get(&req->vars, name);
}

struct subject
req_subject(const struct req *req)
{
	return (struct subject){ .vars = &req->vars,
		.config = req->config,
		.own_port = req->own_port };
}

bool
req_is(const struct req *req, const char *method)
{
	return strcmp(req_var(req, "REQUEST_METHOD"), method) == 0;
}

bool
req_type_is(const struct req *req, const char *type)
{
	const char *given = req_var(req, "CONTENT_TYPE");
	size_t len = strcspn(given, "; \t");

	return len == strlen(type) && strncasecmp(given, type, len) == 0;
}

/* How reading parameters came out. */
enum parsed { PARSED, PARSED_BAD, PARSED_TOO_MANY };

static void
add_arg(struct req *req, const struct req_arg *arg)
{
	if ((req->nargs & (req->nargs - 1)) == 0)
		req->args = xreallocarray(req->args,
		    req->nargs == 0 ? 1 : req->nargs * 2, sizeof(*req->args));
	req->args[req->nargs++] = *arg;
}

/*
 * Decodes one `name=value&…` text.  Offsets into req->decoded are kept in the
 * pointers until all is decoded, because that string still moves.
 */
static enum parsed
parse_pairs(struct req *req, const char *text, size_t len, size_t max)
{
	const char *end = text + len;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text));
		const char *stop = amp == NULL ? end : amp;
		const char *eq = memchr(text, '=', (size_t)(stop - text));
		const char *name_end = eq == NULL ? stop : eq;
		struct req_arg arg = { 0 };
		size_t at = req->decoded.len;

		if (stop > text) {
			if (req->nargs == max)
				return PARSED_TOO_MANY;
			if (!str_add_urldecoded(&req->decoded, text,
				(size_t)(name_end - text)))
				return PARSED_BAD;
			arg.name_len = req->decoded.len - at;
			str_add(&req->decoded, "", 1);
			at = req->decoded.len;
			if (eq != NULL && !str_add_urldecoded(&req->decoded,
					      eq + 1, (size_t)(stop - eq - 1)))
				return PARSED_BAD;
			arg.value_len = req->decoded.len - at;
			str_add(&req->decoded, "", 1);
			add_arg(req, &arg);
		}
		text = stop + 1;
	}
	return PARSED;
}

bool
req_has_form(const struct req *req)
{
	return req_is(req, "POST") && req_type_is(req, FORM) &&
	       req->body.len > 0 &&
	       memchr(req->body.p, '=', req->body.len) != NULL;
}

int
req_parse_args(struct req *req)
{
	const char *query = req_var(req, "QUERY_STRING"), *p;
	size_t max = (size_t)req->config->max_channels + ARGS_MORE;
	enum parsed parsed = parse_pairs(req, query, strlen(query), max);

	req->nquery = req->nargs;
	if (parsed == PARSED && req_has_form(req))
		parsed = parse_pairs(req, req->body.p, req->body.len, max);
	if (parsed == PARSED_TOO_MANY) {
		req_fail(req, 400, 1003, "more than %zu parameters", max);
		return -1;
	}
	if (parsed == PARSED_BAD) {
		req_fail(req, 400, 1001,
		    "a %% in the parameters is not followed by two "
		    "hexadecimal digits");
		return -1;
	}
	p = req->decoded.p;
	for (size_t i = 0; i < req->nargs; i++) {
		struct req_arg *arg = &req->args[i];

		arg->name = p;
		p += arg->name_len + 1;
		arg->value = p;
		p += arg->value_len + 1;
	}
	return 0;
}

const struct req_arg *
req_arg(const struct req *req, const char *name)
{
	for (size_t i = 0; i < req->nargs; i++)
		if (strcmp(req->args[i].name, name) == 0)
			return &req->args[i];
	return NULL;
}

const char *
req_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = { { 101, "Switching Protocols" }, { 200, "OK" },
		{ 201, "Created" }, { 204, "No Content" },
		{ 304, "Not Modified" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 409, "Conflict" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" } };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* The Date of an answer (RFC 9110, section 6.6.1), made once a second. */
static const char *
date_now(void)
{
	static char text[40];
	static time_t made;
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		made = now;
	}
	return text;
}

void
req_add_status(const struct sink *sink, struct str *out, int status)
{
	if (sink_is_http(sink))
		str_addf(out,
		    "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n",
		    status, req_reason(status), date_now());
	else
		str_addf(out, "Status: %d %s\r\n", status, req_reason(status));
}

/* Whether a line without its end is NAME: VALUE (RFC 9112, section 5). */
static bool
is_field(const char *line, size_t len)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	size_t i = 0;

	while (i < len && line[i] != ':') {
		if (!isalnum((unsigned char)line[i]) &&
		    memchr(marks, line[i], sizeof(marks) - 1) == NULL)
			return false;
		i++;
	}
	if (i == 0 || i == len)
		return false;
	for (; i < len; i++)
		if ((unsigned char)line[i] < ' ' ? line[i] != '\t'
						 : line[i] == 0x7f)
			return false;
	return true;
}

/* Whether a field is one that says how the answer is framed, or is ours. */
static bool
is_ours(const char *line)
{
	static const char *const names[] = { "Connection:", "Content-Length:",
		"Content-Type:", "Date:", "Keep-Alive:", "Sec-WebSocket-",
		"Status:", "Trailer:", "Transfer-Encoding:", "Upgrade:" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

void
req_add_given(const struct req *req, struct str *out)
{
	const char *line, *end;

	if (!sink_is_http(req->sink))
		return;
	line = req_var(req, HANDOVER_HEADERS);
	for (; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
		size_t len = (size_t)(end - line);

		if (is_field(line, len) && !is_ours(line))
			str_add(out, line, len + 2);
	}
}

void
req_head(const struct req *req, struct str *out, int status, const char *type)
{
	req_add_status(req->sink, out, status);
	if (type != NULL)
		str_addf(out, "Content-Type: %s\r\n", type);
	req_add_given(req, out);
	access_add_cors(req_subject(req), out);
}

void
req_answer(struct req *req, int status, const char *type, const char *headers,
    const char *body, size_t len)
{
	struct str out = { 0 };

	req_head(req, &out, status, type);
	str_addz(&out, headers);
	if (len > 0)
		str_addf(&out, "Content-Length: %zu\r\n", len);
	str_addz(&out, "\r\n");
	if (!req_is(req, "HEAD"))
		str_add(&out, body, len);
	sink_push(req->sink, chunk_take(&out));
	sink_end(req->sink);
}

void
req_problem(struct str *out, int status, int site, const char *detail)
{
	str_addf(out,
	    "{\"type\":\"about:blank\",\"title\":\"%s\","
	    "\"status\":%d,\"detail\":",
	    req_reason(status), status);
	str_add_json(out, detail, strlen(detail));
	str_addf(out, ",\"site\":%d}\n", site);
}

void
req_fail(struct req *req, int status, int site, const char *fmt, ...)
{
	struct str body = { 0 }, headers = { 0 };
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	log_debug("%d at site %d: %s", status, site, detail);
	req_problem(&body, status, site, detail);
	str_addz(&headers, "Cache-Control: no-store\r\n");
	if (status == 503 || status == 429)
		str_addf(&headers, "Retry-After: %u\r\n", 1 + clock_jitter(3));
	if (status == 401)
		str_addz(&headers, "WWW-Authenticate: Bearer\r\n");
	req_answer(req, status, "application/problem+json", headers.p, body.p,
	    body.len);
	str_free(&headers);
	str_free(&body);
}

/* Whether `method` stands in a list such as "GET, HEAD". */
static bool
in_list(const char *list, const char *method)
{
	size_t n = strlen(method);

	while (*list != '\0' && n > 0) {
		size_t len = strcspn(list, ",");

		if (len == n && memcmp(list, method, n) == 0)
			return true;
		list += len;
		list += strspn(list, ", ");
	}
	return false;
}

int
req_allow(struct req *req, const char *methods)
{
	struct str headers = { 0 };

	if (in_list(methods, req_var(req, "REQUEST_METHOD")))
		return 0;
	if (!req_is(req, "OPTIONS")) {
		struct str body = { 0 };

		req_problem(&body, 405, 1002, "the method is not allowed here");
		str_addf(&headers, "Allow: %s, OPTIONS\r\n", methods);
		req_answer(req, 405, "application/problem+json", headers.p,
		    body.p, body.len);
		str_free(&body);
	} else {
		str_addf(&headers, "Allow: %s, OPTIONS\r\n", methods);
		access_add_preflight(req_subject(req), &headers, methods);
		req_answer(req, 204, NULL, headers.p, "", 0);
	}
	str_free(&headers);
	return -1;
}
