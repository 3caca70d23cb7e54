/* SPDX-License-Identifier: MIT */
/*
 * TLS for thousands of clients in one loop.
 *
 * No certificate is checked and no session resumed: every client is a new
 * visitor, which is what costs a server most.  Buffers are given back when they
 * are empty, as most clients are silent most of the time, and the socket is
 * read as far as a buffer reaches: one system call for a short message instead
 * of one for the record's head and one for the rest.
 */
#include "config.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <signal.h>

#include <openssl/ssl.h>

#include "bench/tls.h"

static SSL_CTX *
context(void)
{
	static SSL_CTX *ctx;

	if (ctx != NULL)
		return ctx;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		errx(1, "TLS");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* OpenSSL writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	return ctx;
}

struct ssl_st *
tls_new(int fd)
{
	SSL *tls = SSL_new(context());

	if (tls == NULL || SSL_set_fd(tls, fd) != 1)
		errx(1, "TLS of a connection");
	SSL_set_connect_state(tls);
	return tls;
}

void
tls_free(struct ssl_st *tls)
{
	SSL_free(tls);
}

int
tls_shake(struct ssl_st *tls, uint32_t *events)
{
	int rc = SSL_do_handshake(tls);

	if (rc == 1)
		return 1;
	switch (SSL_get_error(tls, rc)) {
	case SSL_ERROR_WANT_READ:
		*events = EPOLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*events = EPOLLOUT;
		return 0;
	default:
		return -1;
	}
}

/* What a failed call comes to for who knows sockets only. */
static ssize_t
failed(struct ssl_st *tls, int rc)
{
	switch (SSL_get_error(tls, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (errno == 0)
			errno = EPROTO;
		return -1;
	default:
		errno = EPROTO;
		return -1;
	}
}

ssize_t
tls_recv(struct ssl_st *tls, int fd, void *p, size_t len)
{
	int rc;

	if (tls == NULL)
		return recv(fd, p, len, 0);
	errno = 0;
	rc = SSL_read(tls, p, (int)len);
	return rc > 0 ? rc : failed(tls, rc);
}

ssize_t
tls_send(struct ssl_st *tls, int fd, const void *p, size_t len)
{
	int rc;

	if (tls == NULL)
		return send(fd, p, len, MSG_NOSIGNAL);
	errno = 0;
	rc = SSL_write(tls, p, (int)len);
	return rc > 0 ? rc : failed(tls, rc);
}

int
tls_pending(const struct ssl_st *tls)
{
	return tls != NULL && SSL_has_pending(tls);
}
