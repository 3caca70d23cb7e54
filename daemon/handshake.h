/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_HANDSHAKE_H
#define DAEMON_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct http_in;
struct req;

/*
 * Fills the request's variables as a CGI program would see them.  `peer` is the
 * address of the connection ("unix" for a local socket); where the
 * configuration trusts it, X-Forwarded-For, -Host and -Proto and X-Remote-User
 * count.  Of a head that was refused there is no more than the address: it is
 * filled so that the refusal can be answered like any other.
 */
void handshake_fill(const struct http_in *head, struct req *req,
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
