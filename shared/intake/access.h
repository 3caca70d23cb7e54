/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_ACCESS_H
#define SHARED_INTAKE_ACCESS_H

#include <stdbool.h>

struct config;
struct req;
struct str;

/* What decides about a publish. */
enum access {
	ACCESS_YES,
	ACCESS_NO_KEY,    /* none was given: 401 */
	ACCESS_BAD_KEY,   /* a wrong one: 403 */
	ACCESS_BAD_ORIGIN /* a page of another site: 403 */
};

/*
 * Whether this request may publish: with a key (`Authorization: Bearer`), or
 * from loopback or as a user of httpd where the configuration says so; never
 * from a page of another site that is not in the list of origins.  `key` is one
 * given in another way, or NULL.
 */
enum access access_may_publish(const struct req *req, const char *key);

/*
 * Frees what none of the questions here needs: of a request that is kept to ask
 * them again.
 */
void access_keep(struct req *req);

/* The status and a sentence of each refusal. */
int access_status(enum access access);
const char *access_sentence(enum access access);

/*
 * Whether the Origin of the request is absent, of the same host, or in the list
 * (RFC 6454).  "*" in the list allows all.  Of the same host means of the same
 * port as well, except where the program itself is asked on a port of its own;
 * a page that came by http is not of the host that is asked by https.
 */
bool access_origin_allowed(const struct req *req);

/* Appends the CORS headers of an answer, or nothing. */
void access_add_cors(const struct req *req, struct str *out);

/* Appends those of an answer to a preflight, or nothing. */
void access_add_preflight(const struct req *req, struct str *out,
    const char *methods);

/* Whether the text is an address of this machine's loopback. */
bool access_is_loopback(const char *address);

#endif
