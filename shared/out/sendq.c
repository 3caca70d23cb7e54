/* SPDX-License-Identifier: MIT */
/*
 * Sends in batches, by io_uring.  One send() is one entry into the kernel, and
 * behind each the scheduler may hand the processor to the client that it woke;
 * a batch of some hundred is one of either, which saves a sixth of all the time
 * that a message to thousands of clients takes, and more with more of them.
 *
 * Nothing here is asynchronous.  Each send has MSG_DONTWAIT, so the kernel does
 * it on the spot or says EAGAIN, and neither waits for the socket nor gives it
 * to a thread; sendq_new makes sure of that.  Refused: registered files (what
 * they save is less than they cost, as each client has to be registered and
 * closed there too), sends of zero copies (it costs more than copying some
 * hundred bytes), a thread that polls the queue (it takes a core).
 */
#include "config.h"

#include "shared/out/sendq.h"

#ifdef HAVE_LIBURING

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "shared/base/log.h"
#include "shared/base/str.h"

/* Since Linux 6.0; ours is the only thread that sends. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

struct sendq {
	struct io_uring ring;      /* both queues */
	bool broken;               /* the kernel has failed us */
	unsigned added;            /* to be sent */
	uint16_t order[SENDQ_MAX]; /* their places */
	int32_t result[SENDQ_MAX]; /* by place */
};

static int
open_ring(struct io_uring *ring)
{
	int rc =
	    io_uring_queue_init(SENDQ_MAX, ring, IORING_SETUP_SINGLE_ISSUER);

	if (rc == -EINVAL)
		rc = io_uring_queue_init(SENDQ_MAX, ring, 0);
	return rc;
}

void
sendq_add(struct sendq *q, unsigned place, int fd, const void *bytes,
    size_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	q->result[place] = SENDQ_NONE;
	if (sqe == NULL) {
		q->broken = true;
		return;
	}
	io_uring_prep_send(sqe, fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	io_uring_sqe_set_data(sqe, &q->result[place]);
	q->order[q->added++] = (uint16_t)place;
	/* Of what is taken and not told the end of nothing is known. */
	q->result[place] = -EIO;
}

/* Reads what the kernel tells.  Returns of how many. */
static unsigned
reap(struct sendq *q)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&q->ring, head, cqe)
	{
		*(int32_t *)io_uring_cqe_get_data(cqe) = cqe->res;
		n++;
	}
	io_uring_cq_advance(&q->ring, n);
	return n;
}

const int32_t *
sendq_send(struct sendq *q)
{
	unsigned taken = 0;

	while (taken < q->added) {
		int n = io_uring_submit(&q->ring);

		if (n <= 0 && n != -EINTR)
			break;
		taken += n > 0 ? (unsigned)n : 0;
	}
	/* They are taken in the order in which they were added. */
	for (unsigned i = taken; i < q->added; i++)
		q->result[q->order[i]] = SENDQ_NONE;
	if (taken < q->added || reap(q) < taken)
		q->broken = true;
	q->added = 0;
	return q->result;
}

bool
sendq_is_broken(const struct sendq *q)
{
	return q->broken;
}

/*
 * Whether it sends, and whether a full socket is told at once: an old kernel
 * might wait for it, or have a thread do so.
 */
static bool
is_prompt(struct sendq *q)
{
	static const char byte[65536];
	int fd[2];
	const int32_t *result;
	bool ok;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		return false;
	sendq_add(q, 0, fd[0], byte, 1);
	result = sendq_send(q);
	ok = !q->broken && result[0] == 1;
	while (ok &&
	       send(fd[0], byte, sizeof(byte), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	sendq_add(q, 0, fd[0], byte, sizeof(byte));
	result = sendq_send(q);
	ok = ok && !q->broken && result[0] == -EAGAIN;
	close(fd[0]);
	close(fd[1]);
	return ok;
}

struct sendq *
sendq_new(void)
{
	struct sendq *q = xcalloc(1, sizeof(*q));
	int rc = open_ring(&q->ring);

	if (rc < 0) {
		log_debug("no io_uring: %s", strerror(-rc));
		free(q);
		return NULL;
	}
	if (!is_prompt(q)) {
		log_debug("no io_uring: it does not send as we need it");
		sendq_free(q);
		return NULL;
	}
	return q;
}

void
sendq_free(struct sendq *q)
{
	if (q == NULL)
		return;
	io_uring_queue_exit(&q->ring);
	free(q);
}

#else /* HAVE_LIBURING */

struct sendq *
sendq_new(void)
{
	return NULL;
}

void
sendq_free(struct sendq *q)
{
	(void)q;
}

void
sendq_add(struct sendq *q, unsigned place, int fd, const void *bytes,
    size_t len)
{
	(void)q;
	(void)place;
	(void)fd;
	(void)bytes;
	(void)len;
}

const int32_t *
sendq_send(struct sendq *q)
{
	(void)q;
	return NULL;
}

bool
sendq_is_broken(const struct sendq *q)
{
	(void)q;
	return true;
}

#endif /* HAVE_LIBURING */
