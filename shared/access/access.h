/* SPDX-License-Identifier: MIT */
#ifndef SHARED_ACCESS_ACCESS_H
#define SHARED_ACCESS_ACCESS_H

#include <stdbool.h>

struct config;
struct str;
struct vars;

/* Who asks: everything that a decision looks at.  Borrowed. */
struct subject {
	const struct vars *vars;     /* of the request */
	const struct config *config; /* keys, origins and so on */
	bool own_port;               /* asked directly, not through httpd */
};

/* What decides about a publish. */
enum access {
	ACCESS_YES,
	ACCESS_NO_KEY,    /* none was given: 401 */
	ACCESS_BAD_KEY,   /* a wrong one: 403 */
	ACCESS_BAD_ORIGIN /* a page of another site: 403 */
};

/*
 * Whether somebody may publish: with a key (`Authorization: Bearer`), or from
 * loopback or as a user of httpd where the configuration says so; never from a
 * page of another site that is not in the list of origins.  `key` is one given
 * in another way, or NULL.
 */
enum access access_may_publish(struct subject who, const char *key);

/* What is looked at of a request, for those who keep one to ask again. */
#define ACCESS_VARS 7
extern const char *const access_vars[ACCESS_VARS];

/* The status and a sentence of each refusal. */
int access_status(enum access access);
const char *access_sentence(enum access access);

/*
 * Whether the Origin of the request is absent, of the same host, or in the list
 * (RFC 6454).  "*" in the list allows all.  Of the same host means of the same
 * port as well, except where the program itself is asked on a port of its own;
 * a page that came by http is not of the host that is asked by https.
 */
bool access_origin_allowed(struct subject who);

/* Appends the CORS headers of an answer, or nothing. */
void access_add_cors(struct subject who, struct str *out);

/* Appends those of an answer to a preflight, or nothing. */
void access_add_preflight(struct subject who, struct str *out,
    const char *methods);

/* Whether the text is an address of this machine's loopback. */
bool access_is_loopback(const char *address);

#endif
