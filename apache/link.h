/* SPDX-License-Identifier: MIT */
#ifndef APACHE_LINK_H
#define APACHE_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <sys/uio.h>

#include "shared/wire/handover.h"

struct link;
struct parked;

/* Milliseconds of CLOCK_MONOTONIC. */
static inline int64_t
mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Memory that was asked for.  Where there is none the process ends, as httpd's
 * own do: the clients come back. */
static inline void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/*
 * apache/link.c: the connections of this child to the programs.  All of these
 * may be called by every thread.
 */

/*
 * The link to the program whose hand-over socket lies at `path`; it is made
 * where there is none, for which the program has `wait_ms`.  Returns it with a
 * reference, or NULL with errno: the program is away (ENOENT, ECONNREFUSED) or
 * busy (EAGAIN).
 */
struct link *link_get(const char *path, int wait_ms);

/* Another reference, and giving one back. */
struct link *link_ref(struct link *link);
void link_unref(struct link *link);

/*
 * Sends one packet, with the descriptor `fd` or with none (-1).  Where the
 * program does not keep up, or the kernel is short of something, it tries again
 * for at most `wait_ms`.  Returns 0, or -1 with errno: EAGAIN if the program is
 * busy, ENOBUFS if the kernel is short of memory or of descriptors on their
 * way, EMSGSIZE if the packet is too large; with all others the link is of no
 * more use, and link_get makes another one.
 */
int link_send(struct link *link, const struct iovec *iov, int n, int fd,
    int wait_ms);

/* No use for new clients any more. */
void link_retire(struct link *link);

/* The descriptor of its socket, for those who wait for it. */
int link_fd(const struct link *link);

/*
 * Numbers of parked clients.  link_number gives a free one to `parked`, or
 * returns false where there is none; link_parked tells whose a number is, or
 * NULL; link_number_end frees it.
 */
bool link_number(struct link *link, struct parked *parked, uint32_t *number);
struct parked *link_parked(const struct link *link, uint32_t number);
void link_number_end(struct link *link, uint32_t number);

/* Above all numbers that were given so far. */
uint32_t link_numbers(const struct link *link);

#endif
