/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_HANDSHAKE_H
#define DAEMON_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/str.h"

struct config;
struct handshake;
struct req;

enum handshake_event {
	HANDSHAKE_MORE,     /* all bytes are used, the head is not whole */
	HANDSHAKE_DONE,     /* the head is whole */
	HANDSHAKE_BAD,      /* not HTTP */
	HANDSHAKE_TOO_LONG, /* more header than a browser sends */
};

/* A reader of one HTTP request head: bytes in, variables out. */
struct handshake *handshake_new(void);
void handshake_free(struct handshake *hs);

/* *used tells how many of the `len` bytes belong to the head. */
enum handshake_event handshake_read(struct handshake *hs, const void *bytes,
    size_t len, size_t *used);

/*
 * Fills the request's variables as a CGI program would see them.  `peer` is the
 * address of the connection ("unix" for a local socket); where the
 * configuration trusts it, X-Forwarded-For and X-Forwarded-Host count.  Of a
 * head that was refused there is no more than the address: it is filled so that
 * the refusal can be answered like any other.
 */
void handshake_fill(const struct handshake *hs, struct req *req,
    const struct config *config, const char *peer);

/*
 * Checks the opening handshake (RFC 6455, section 4.2.1).  Returns 0 with the
 * value of Sec-WebSocket-Accept in `accept` (29 bytes), or the status of the
 * refusal with its reason in *why.
 */
int handshake_check(const struct req *req, char *accept, const char **why);

/* Whether a comma list, such as that of Connection, has a token; case aside. */
bool handshake_has_token(const char *list, const char *token);

/* Whether Sec-WebSocket-Protocol offers this one, letter by letter. */
bool handshake_offers(const char *list, const char *protocol);

#endif
