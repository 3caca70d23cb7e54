/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

struct ssl_st;

/*
 * One end of a connection, with TLS or, where tls is NULL, without: so who
 * sends and reads need not know.  A socket that blocks is waited for, also in
 * the midst of a handshake.
 */

/* Begin TLS on a connected socket, which stays the caller's; exits when out of
 * memory. */
struct ssl_st *tls_new(int fd);

/* Release it without a word to the peer; NULL is fine. */
void tls_free(struct ssl_st *tls);

/*
 * Go on with the handshake: 1 = done, 0 = when one of *events (EPOLLIN or
 * EPOLLOUT) comes, -1 = failed.
 */
int tls_shake(struct ssl_st *tls, uint32_t *events);

/* As recv and send of the socket fd: bytes, 0 at the end, -1 with errno. */
ssize_t tls_recv(struct ssl_st *tls, int fd, void *p, size_t len);
ssize_t tls_send(struct ssl_st *tls, int fd, const void *p, size_t len);

/* Whether bytes were taken from the socket that tls_recv has yet to return:
 * epoll knows nothing of them. */
int tls_pending(const struct ssl_st *tls);

#endif
