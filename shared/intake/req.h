/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_REQ_H
#define SHARED_INTAKE_REQ_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/access/access.h"
#include "shared/base/str.h"
#include "shared/wire/vars.h"

struct config;
struct sink;

/* A parameter of the query or of a form. */
struct req_arg {
	const char *name;  /* decoded, NUL behind it */
	const char *value; /* decoded, NUL behind it */
	size_t name_len;   /* bytes */
	size_t value_len;  /* bytes; may hold NULs */
};

/*
 * One request, whichever way it came.  Everything in it lives until req_free
 * and nothing of it after.
 */
struct req {
	const struct config *config; /* borrowed */
	struct sink *sink;           /* where the answer goes; borrowed */
	const char *epoch;           /* of the database; borrowed, or NULL */
	struct vars vars;            /* method, headers and so on */
	struct str body;             /* as it came */
	bool own_port;               /* asked directly, not through httpd */
	struct str decoded;          /* text of the parameters */
	struct req_arg *args;        /* query first, then the form */
	size_t nargs;                /* used rows */
	size_t nquery;               /* how many of them are of the query */
};

/*
 * Frees all but the variables that are named: for those who keep a request
 * because of some.
 */
void req_keep(struct req *req, const char *const *names, size_t n);

void req_free(struct req *req);

/* Frees one that was allocated, and forgets it; NULL is fine. */
void req_drop(struct req **req);

/* A variable, or "" if it is not set. */
const char *req_var(const struct req *req, const char *name);

/* As whom the request asks. */
struct subject req_subject(const struct req *req);

/*
 * Whether the body is a form: a POST of application/x-www-form-urlencoded that
 * has a field.  Without any "=" it is what `curl -d text` sends.
 */
bool req_has_form(const struct req *req);

/*
 * Splits query and, where there is one, the form into parameters.  Returns 0,
 * or -1 after it answered with 400: of what is malformed, and of more than
 * there is any use for (max_channels and some).
 */
int req_parse_args(struct req *req);

/* The first parameter of that name, or NULL. */
const struct req_arg *req_arg(const struct req *req, const char *name);

/* Whether the media type of the body is `type`, parameters aside. */
bool req_type_is(const struct req *req, const char *type);

/* Whether the method is `method`. */
bool req_is(const struct req *req, const char *method);

/* The standard reason phrase of a status (RFC 9110, section 15). */
const char *req_reason(int status);

/* Appends the status in the form that the sink needs. */
void req_add_status(const struct sink *sink, struct str *out, int status);

/*
 * Appends the header lines that httpd's other modules had set when it handed
 * the client over; nothing where httpd adds them itself.  What frames the
 * answer is ours to say, and such lines are left out, as are those that are not
 * whole.
 */
void req_add_given(const struct req *req, struct str *out);

/*
 * Appends status, Content-Type and the headers that every answer has, CORS
 * among them, in the form that the sink needs: "Status:" for CGI and FastCGI, a
 * status line and Date where we speak HTTP ourselves.  The caller appends its
 * own headers and the empty line.
 */
void req_head(const struct req *req, struct str *out, int status,
    const char *type);

/*
 * Answers with a whole body and ends the sink.  `headers` are more header
 * lines, each with CR LF, or "".  HEAD gets the head alone.
 */
void req_answer(struct req *req, int status, const char *type,
    const char *headers, const char *body, size_t len);

/*
 * Refuses: application/problem+json (RFC 9457) with a sentence.  `site` is a
 * number that stands once in the source and in the answer; HACKING.md lists
 * them.  503 and 429 carry Retry-After.
 */
void req_fail(struct req *req, int status, int site, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The body of that answer alone, for those who frame it themselves. */
void req_problem(struct str *out, int status, int site, const char *detail);

/*
 * Checks the method against a list such as "GET, HEAD, POST", and answers
 * OPTIONS (CORS preflight) and what is not in the list by itself.  Returns 0 if
 * the caller should go on, -1 if the request is answered.
 */
int req_allow(struct req *req, const char *methods);

#endif
