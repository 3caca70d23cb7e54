/* SPDX-License-Identifier: MIT */
/* Addresses, connecting, and the clock that all parts of the benchmark share.
 */
#include "config.h"

#include <sys/un.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/target.h"

#define PER_ADDRESS 25000 /* connections from one source address */

static void
parse_unix(struct target *t, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->addr;

	if (strlen(path) >= sizeof(un->sun_path))
		errx(1, "path too long: %s", path);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path));
	t->len = sizeof(*un);
	snprintf(t->host, sizeof(t->host), "localhost");
}

void
target_parse(struct target *t, const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&t->addr;
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];

	memset(t, 0, sizeof(*t));
	if (strncmp(text, "unix:", 5) == 0) {
		parse_unix(t, text + 5);
		return;
	}
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		errx(1, "not HOST:PORT or unix:PATH: %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1 || in->sin_port == 0)
		errx(1, "not an IPv4 address and port: %s", text);
	t->len = sizeof(*in);
	snprintf(t->host, sizeof(t->host), "%s", text);
}

/* Choose the source address when one has too few ports. */
static int
bind_source(int fd, size_t index)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int on = 1;

	if (index < PER_ADDRESS)
		return 0;
	in.sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + (uint32_t)(index / PER_ADDRESS));
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) == -1)
		return -1;
	return bind(fd, (struct sockaddr *)&in, sizeof(in));
}

static int
open_socket(const struct target *t, int flags)
{
	int fd, on = 1;

	fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd != -1 && t->addr.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int
target_connect(const struct target *t, size_t index)
{
	int fd, saved;

	fd = open_socket(t, SOCK_NONBLOCK);
	if (fd == -1)
		return -1;
	if ((t->addr.ss_family == AF_INET && bind_source(fd, index) == -1) ||
	    (connect(fd, (const struct sockaddr *)&t->addr, t->len) == -1 &&
		errno != EINPROGRESS)) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
target_xconnect(const struct target *t)
{
	int fd = open_socket(t, 0);

	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&t->addr, t->len) == -1)
		err(1, "connect to %s", t->host);
	return fd;
}

uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
