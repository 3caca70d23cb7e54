/* SPDX-License-Identifier: MIT */
/*
 * The physical limit: a loop that send()s the same bytes to many sockets.
 *
 *	bare ADDRESS CONTROL HEAD
 *
 * It accepts connections on ADDRESS (HOST:PORT or unix:PATH), answers each at
 * once, without reading it, with the head for HEAD (sse, fcgi or ws), and
 * sends every datagram that comes on the unix socket CONTROL, as it is, to all
 * connections. Nothing else: no queue, no time-out. A connection whose socket
 * is full or gone is closed.
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/fcgi.h"
#include "bench/target.h"
#include "bench/ws.h"

#define SSE_HEADERS                                                            \
	"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"

static int *fds;    /* connections */
static size_t nfds; /* how many */
static size_t room; /* how many fds has room for */

static void
build_head(struct buf *b, const char *name)
{
	struct buf text = { 0 };

	if (strcmp(name, "sse") == 0) {
		buf_printf(b,
		    "HTTP/1.1 200 OK\r\nConnection: close\r\n" SSE_HEADERS
		    "\r\n: hello\n\n");
	} else if (strcmp(name, "fcgi") == 0) {
		buf_printf(&text, SSE_HEADERS "\r\n: hello\n\n");
		fcgi_add_stdout(b, text.p, text.len);
	} else if (strcmp(name, "ws") == 0) {
		buf_printf(b, "HTTP/1.1 101 Switching Protocols\r\n"
			      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			      "Sec-WebSocket-Accept: " WS_ACCEPT "\r\n\r\n");
	} else {
		errx(2, "not sse, fcgi or ws: %s", name);
	}
	buf_free(&text);
}

static int
open_listener(const char *address)
{
	struct target t;
	int fd, on = 1;

	target_parse(&t, address);
	fd = socket(t.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd == -1)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&t.addr, t.len) == -1 ||
	    listen(fd, 4096) == -1)
		err(1, "%s", address);
	return fd;
}

static int
open_control(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(un.sun_path))
		errx(1, "path too long: %s", path);
	memcpy(un.sun_path, path, strlen(path));
	if (fd == -1 || bind(fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		err(1, "%s", path);
	return fd;
}

static void
accept_all(int listener, const struct buf *head)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		if (nfds == room) {
			room = room * 2 + 64;
			fds = realloc(fds, room * sizeof(*fds));
			if (fds == NULL)
				err(1, "%zu connections", room);
		}
		/* As every server does; on a unix socket it fails. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (send(fd, head->p, head->len, MSG_NOSIGNAL) == -1)
			close(fd);
		else
			fds[nfds++] = fd;
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		warn("accept");
}

static void
send_all(const char *p, size_t len)
{
	size_t i = 0;

	while (i < nfds) {
		if (send(fds[i], p, len, MSG_NOSIGNAL) == (ssize_t)len) {
			i++;
			continue;
		}
		close(fds[i]);
		fds[i] = fds[--nfds];
	}
}

static void
serve(int listener, int control, const struct buf *head)
{
	static char in[65536 + 64];
	struct pollfd wait[2] = { { .fd = listener, .events = POLLIN },
		{ .fd = control, .events = POLLIN } };
	ssize_t n;

	for (;;) {
		if (poll(wait, 2, -1) == -1 && errno != EINTR)
			err(1, "poll");
		if (wait[0].revents != 0)
			accept_all(listener, head);
		while ((n = recv(control, in, sizeof(in), 0)) > 0)
			send_all(in, (size_t)n);
	}
}

int
main(int argc, char **argv)
{
	struct buf head = { 0 };
	struct rlimit rl;

	if (argc != 4) {
		fprintf(stderr, "usage: bare ADDRESS CONTROL sse|fcgi|ws\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	build_head(&head, argv[3]);
	serve(open_listener(argv[1]), open_control(argv[2]), &head);
	return 0;
}
