/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <sys/socket.h>

#include <stdint.h>

/* An address that clients connect to. */
struct target {
	struct sockaddr_storage addr; /* TCP or unix */
	socklen_t len;                /* bytes of addr in use */
	char host[64];                /* for the Host header */
};

/* Read "HOST:PORT" (IPv4 numbers) or "unix:PATH"; exits if it is neither. */
void target_parse(struct target *t, const char *text);

/*
 * Begin a non-blocking connection as client number index; -1 with errno on
 * failure. Above some 25,000 clients it comes from 127.0.0.2, 127.0.0.3 ...
 * since one address has not enough ports.
 */
int target_connect(const struct target *t, size_t index);

/* Connect and wait for it; exits on failure. */
int target_xconnect(const struct target *t);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_ns(void);

#endif
