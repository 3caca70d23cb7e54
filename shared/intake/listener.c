/* SPDX-License-Identifier: MIT */
/* Listening sockets: binding them, and accepting without ever spinning. */
#include "config.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/descriptors.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/intake/listener.h"
#include "shared/wire/handover.h"

#define BACKLOG     4096 /* the kernel takes the lesser of this and its own */
#define ACCEPTS     64   /* in one turn of the loop */
#define PAUSE_S     0.2  /* out of descriptors: until the next try */
#define SOCKET_MODE 0660

struct listener {
	ev_io io;                            /* on `fd` */
	ev_timer pause;                      /* until it is tried again */
	int fd;                              /* listens */
	void (*accepted)(void *arg, int fd); /* who gets them */
	void *arg;                           /* the receiver's */
};

static int
bind_unix(const char *path, int type, char *error, size_t size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, rc;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		snprintf(error, size, "%s: longer than %zu bytes", path,
		    sizeof(sun.sun_path) - 1);
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (void *)&sun, sizeof(sun)) == 0) {
		snprintf(error, size, "%s: another process listens there",
		    path);
		close(fd);
		return -1;
	}
	if (fd != -1 && errno == ECONNREFUSED)
		unlink(path);
	mask = umask(0777 & ~SOCKET_MODE);
	rc = fd == -1 ? -1 : bind(fd, (void *)&sun, sizeof(sun));
	umask(mask);
	if (rc == -1 || listen(fd, BACKLOG) == -1) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	return fd;
}

static int
bind_address(const struct addrinfo *ai)
{
	int fd, on = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
bind_tcp(const char *where, char *error, size_t size)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST };
	const char *colon = strrchr(where, ':');
	struct addrinfo *list = NULL;
	char host[128];
	size_t len;
	int fd, rc;

	len = colon == NULL ? 0 : (size_t)(colon - where);
	if (len > 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (colon == NULL || len == 0 || len >= sizeof(host)) {
		snprintf(error, size, "%s: neither unix:PATH nor ADDRESS:PORT",
		    where);
		return -1;
	}
	memcpy(host, where, len);
	host[len] = '\0';
	rc = getaddrinfo(host, colon + 1, &hints, &list);
	if (rc != 0) {
		snprintf(error, size, "%s: %s", where, gai_strerror(rc));
		return -1;
	}
	fd = bind_address(list);
	if (fd == -1)
		snprintf(error, size, "%s: %s", where,
		    errno == EADDRINUSE ? "another process listens there"
					: strerror(errno));
	freeaddrinfo(list);
	return fd;
}

int
listener_bind(const char *where, char *error, size_t size)
{
	if (strncmp(where, "unix:", 5) == 0)
		return bind_unix(where + 5, SOCK_STREAM, error, size);
	return bind_tcp(where, error, size);
}

int
listener_bind_handover(const char *path, char *error, size_t size)
{
	struct str whole = { 0 };
	int fd;

	str_addf(&whole, "%s" HANDOVER_SUFFIX, path);
	fd = bind_unix(whole.p, SOCK_SEQPACKET, error, size);
	str_free(&whole);
	return fd;
}

int
listener_is_socket(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	       on != 0;
}

int
listener_is_handover(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return listener_is_socket(fd) &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       domain == AF_UNIX && type == SOCK_SEQPACKET;
}

static void
on_pause(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct listener *listener = timer->data;

	(void)revents;
	ev_timer_stop(loop, timer);
	ev_io_start(loop, &listener->io);
}

static void
on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
	struct listener *listener = io->data;

	(void)revents;
	for (int i = 0; i < ACCEPTS; i++) {
		bool room = descriptors_make_room();
		int fd = -1;

		errno = EMFILE;
		if (room)
			fd = accept4(listener->fd, NULL, NULL,
			    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			listener->accepted(listener->arg, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		log_warn("no connection can be accepted; again in %g s",
		    PAUSE_S);
		ev_io_stop(loop, io);
		ev_timer_again(loop, &listener->pause);
		return;
	}
}

struct listener *
listener_start(int fd, void (*accepted)(void *arg, int fd), void *arg)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listener->fd = fd;
	listener->accepted = accepted;
	listener->arg = arg;
	ev_io_init(&listener->io, on_accept, fd, EV_READ);
	listener->io.data = listener;
	ev_init(&listener->pause, on_pause);
	listener->pause.repeat = PAUSE_S;
	listener->pause.data = listener;
	ev_io_start(EV_DEFAULT_UC_ & listener->io);
	return listener;
}

void
listener_stop(struct listener *listener)
{
	if (listener == NULL)
		return;
	ev_io_stop(EV_DEFAULT_UC_ & listener->io);
	ev_timer_stop(EV_DEFAULT_UC_ & listener->pause);
	close(listener->fd);
	free(listener);
}

void
listener_name_peer(int fd, char *name, size_t size)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int on = 1;

	/* Who has gone before we could ask is nobody, and trusted by nobody. */
	name[0] = '\0';
	if (getpeername(fd, (void *)&ss, &len) == -1)
		return;
	if (ss.ss_family == AF_UNIX)
		snprintf(name, size, "unix");
	else if (ss.ss_family == AF_INET)
		inet_ntop(AF_INET,
		    &((struct sockaddr_in *)(void *)&ss)->sin_addr, name,
		    (socklen_t)size);
	else if (ss.ss_family == AF_INET6)
		inet_ntop(AF_INET6,
		    &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr, name,
		    (socklen_t)size);
	if (ss.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}
