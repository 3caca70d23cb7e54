/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_CGI_H
#define SHARED_INTAKE_CGI_H

#include <stdbool.h>
#include <stdint.h>

struct req;

/* The request that stands in the environment, without its body; caller frees.
 */
struct req *cgi_read_head(void);

/*
 * Reads the body from standard input, as long as CONTENT_LENGTH says, and keeps
 * it in req->body if `keep` is set.  Returns false if it comes too slowly: each
 * `look_ms` milliseconds are to bring some of it.
 */
bool cgi_read_body(struct req *req, bool keep, int64_t look_ms);

/* Makes standard output one that never blocks. */
void cgi_own_output(void);

#endif
