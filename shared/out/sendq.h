/* SPDX-License-Identifier: MIT */
#ifndef SHARED_OUT_SENDQ_H
#define SHARED_OUT_SENDQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDQ_MAX 256 /* sends at once */

struct sendq;

/*
 * Many send()s by one system call, where the kernel has io_uring and we were
 * built with it.  Returns NULL where there is no such thing, or where it does
 * not keep what we rely on: that a send that must not wait is done, or refused,
 * when the call returns.
 */
struct sendq *sendq_new(void);
void sendq_free(struct sendq *q);

/*
 * Adds what is send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT).  `place` is
 * where its result is to be, below SENDQ_MAX, each of them once before the next
 * sendq_send; the bytes are borrowed until then.
 */
void sendq_add(struct sendq *q, unsigned place, int fd, const void *bytes,
    size_t len);

/*
 * Does all that was added.  Returns the results by their places: bytes that the
 * socket took, SENDQ_NONE = was not tried, or -errno; valid until the next
 * sendq_add.
 */
#define SENDQ_NONE 0
const int32_t *sendq_send(struct sendq *q);

/*
 * Whether the kernel has failed us.  It is to be freed then; all results are
 * as they should be.
 */
bool sendq_is_broken(const struct sendq *q);

#endif
