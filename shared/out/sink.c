/* SPDX-License-Identifier: MIT */
/*
 * The way out of one client: a queue of references and as few system calls as
 * the socket allows.  Transports push chunks and never learn what carries them.
 *
 * Everything that is ready for a FastCGI client leaves as one record, because
 * mod_proxy_fcgi handles and flushes each record by itself: ten messages in one
 * record cost httpd one turn instead of ten.  So a record's header is made when
 * it is sent, and a chunk is content alone.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/descriptors.h"
#include "shared/base/str.h"
#include "shared/out/sink.h"
#include "shared/wire/chunk.h"
#include "shared/wire/fcgi.h"

#define IOV_CAP 64 /* pieces in one writev */
#define FEW     2  /* slots of sink->few */

/* What a reference costs besides its bytes, so that empty frames count too. */
#define REF_COST (sizeof(struct chunk) + 2 * sizeof(struct chunk *) + 24)

/* One writev in the making. */
struct batch {
	struct iovec iov[IOV_CAP];
	int n;                                 /* pieces */
	size_t bytes;                          /* in all pieces */
	unsigned char header[FCGI_HEADER_LEN]; /* of the record it begins */
};

static const struct sink_way *link_way; /* of those of kind SINK_LINK */

/* A client that keeps up never has more than fits without an allocation. */
static void
use_few(struct sink *sink)
{
	if (sink->queue != sink->few)
		free(sink->queue);
	sink->queue = sink->few;
	sink->size = FEW;
	sink->head = 0;
}

static void
queue_pop(struct sink *sink)
{
	chunk_unref(sink->queue[sink->head]);
	sink->head = (sink->head + 1) & (sink->size - 1);
	sink->count--;
	sink->queued -= REF_COST;
	sink->offset = 0;
	if (sink->count == 0 && sink->queue != sink->few)
		use_few(sink);
}

static void
queue_grow(struct sink *sink)
{
	uint32_t size = sink->size * 2;
	struct chunk **queue = xreallocarray(NULL, size, sizeof(*queue));

	for (uint32_t i = 0; i < sink->count; i++)
		queue[i] = sink_queue_at(sink, i);
	if (sink->queue != sink->few)
		free(sink->queue);
	sink->queue = queue;
	sink->size = size;
	sink->head = 0;
}

static void
on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct sink *sink = io->data;

	(void)loop;
	if (revents & EV_WRITE) {
		if (sink_flush(sink, clock_mono_ms()) == -1) {
			sink->ops->failed(sink);
			return;
		}
		if (sink->count == 0) {
			/* The owner may close; reading waits a turn. */
			sink->ops->drained(sink);
			return;
		}
	}
	if (revents & EV_READ)
		sink->ops->readable(sink);
}

static void
watch(struct sink *sink, int events)
{
	if ((sink->io.events & (EV_READ | EV_WRITE)) == events &&
	    ev_is_active(&sink->io))
		return;
	ev_io_stop(EV_DEFAULT_UC_ & sink->io);
	ev_io_set(&sink->io, sink->fd, events);
	if (events != 0)
		ev_io_start(EV_DEFAULT_UC_ & sink->io);
}

static void
make_open(struct sink *sink, enum sink_kind kind, const struct sink_ops *ops,
    int64_t now_ms)
{
	*sink = (struct sink){ .fd = -1,
		.is_open = true,
		.kind = (uint8_t)kind,
		.ops = ops,
		.request_id = 1,
		.progress_ms = now_ms };
	use_few(sink);
}

void
sink_open(struct sink *sink, enum sink_kind kind, int fd,
    const struct sink_ops *ops, int64_t now_ms)
{
	make_open(sink, kind, ops, now_ms);
	sink->fd = fd;
	descriptors_count(1);
	ev_io_init(&sink->io, on_io, fd, EV_READ);
	sink->io.data = sink;
	ev_io_start(EV_DEFAULT_UC_ & sink->io);
}

void
sink_open_on(struct sink *sink, const struct sink_way *way,
    const struct sink_ops *ops, int64_t now_ms)
{
	make_open(sink, SINK_LINK, ops, now_ms);
	link_way = way;
}

void
sink_want_input(struct sink *sink, bool want)
{
	if (sink->kind == SINK_LINK)
		link_way->want_input(sink, want);
	else if (sink->is_open)
		watch(sink,
		    (want ? EV_READ : 0) | (sink->blocked ? EV_WRITE : 0));
}

void
sink_push(struct sink *sink, struct chunk *chunk)
{
	if (sink->ended || !sink->is_open || chunk->len == 0) {
		chunk_unref(chunk);
		return;
	}
	if (sink->count == sink->size)
		queue_grow(sink);
	sink->queue[(sink->head + sink->count) & (sink->size - 1)] = chunk;
	sink->count++;
	sink->queued += chunk->len + REF_COST;
}

void
sink_end(struct sink *sink)
{
	unsigned char end[FCGI_END_LEN];
	struct chunk *chunk;

	if (sink->ended || !sink->is_open)
		return;
	if (sink->kind == SINK_FCGI) {
		fcgi_put_end(end, sink->request_id, FCGI_REQUEST_COMPLETE);
		chunk = chunk_new(end, sizeof(end));
		chunk->raw = true;
		sink_push(sink, chunk);
	}
	sink->ended = true;
}

static void
batch_add(struct batch *batch, const void *bytes, size_t len)
{
	batch->iov[batch->n].iov_base = (void *)(uintptr_t)bytes;
	batch->iov[batch->n].iov_len = len;
	batch->n++;
	batch->bytes += len;
}

/*
 * Content from the front of the queue: at most `max` bytes, not past a raw
 * chunk, not past the room in the batch.
 */
static size_t
batch_content(struct batch *batch, const struct sink *sink, size_t max)
{
	size_t sum = 0, offset = sink->offset;

	for (uint32_t i = 0; i < sink->count && batch->n < IOV_CAP - 2; i++) {
		const struct chunk *c = sink_queue_at(sink, i);
		size_t len = c->len - offset;

		if (c->raw || sum == max)
			break;
		if (len > max - sum)
			len = max - sum;
		batch_add(batch, c->bytes + offset, len);
		sum += len;
		offset = 0;
	}
	return sum;
}

/* Adds raw chunks that stand at place `i` of the queue. */
static void
batch_raw(struct batch *batch, const struct sink *sink, uint32_t i)
{
	for (; i < sink->count && batch->n < IOV_CAP; i++) {
		const struct chunk *c = sink_queue_at(sink, i);
		size_t offset = i == 0 ? sink->offset : 0;

		if (!c->raw)
			break;
		batch_add(batch, c->bytes + offset, c->len - offset);
	}
}

/* The place in the queue behind `len` bytes of content, if they end a chunk. */
static uint32_t
place_behind(const struct sink *sink, size_t len)
{
	uint32_t i = 0;

	len += sink->offset;
	while (i < sink->count && len >= sink_queue_at(sink, i)->len)
		len -= sink_queue_at(sink, i++)->len;
	return len == 0 ? i : sink->count;
}

/* Begins a record, or goes on with the one that was cut short. */
static void
batch_record(struct batch *batch, struct sink *sink)
{
	size_t sum;

	if (sink->record_left == 0) {
		batch->n = 1;
		sum = batch_content(batch, sink, FCGI_CONTENT_MAX);
		sink->record_left = sink->record_len = (uint32_t)sum;
		sink->header_left = FCGI_HEADER_LEN;
		batch->n = 0;
		batch->bytes = 0;
	}
	fcgi_put_header(batch->header, FCGI_STDOUT, sink->request_id,
	    sink->record_len);
	if (sink->header_left > 0)
		batch_add(batch,
		    batch->header + FCGI_HEADER_LEN - sink->header_left,
		    sink->header_left);
	sum = batch_content(batch, sink, sink->record_left);
	if (sum == sink->record_left)
		batch_raw(batch, sink, place_behind(sink, sum));
}

void
sink_take_off(struct sink *sink, size_t n)
{
	size_t part = n < sink->header_left ? n : sink->header_left;

	sink->header_left = (uint8_t)(sink->header_left - part);
	n -= part;
	while (n > 0) {
		const struct chunk *c = sink_queue_at(sink, 0);
		size_t left = c->len - sink->offset;
		bool raw = c->raw;

		part = n < left ? n : left;
		if (!raw && sink->kind == SINK_FCGI)
			sink->record_left -= (uint32_t)part;
		sink->queued -= part;
		sink->offset += (uint32_t)part;
		n -= part;
		if (part == left)
			queue_pop(sink);
	}
}

static ssize_t
write_batch(struct sink *sink, struct batch *batch)
{
	struct msghdr msg = { .msg_iov = batch->iov,
		.msg_iovlen = (size_t)batch->n };

	if (sink->kind == SINK_CGI)
		return writev(sink->fd, batch->iov, batch->n);
	return sendmsg(sink->fd, &msg, MSG_NOSIGNAL);
}

/* One whole chunk: what is shared goes out as it lies there. */
static struct iovec
alone(const struct sink *sink)
{
	struct chunk *c = sink_queue_at(sink, 0);

	if (sink->kind == SINK_RAW)
		return (struct iovec){ c->bytes + sink->offset,
			c->len - sink->offset };
	return (struct iovec){ c->record, FCGI_HEADER_LEN + c->len };
}

/* Of the one chunk something has left. */
static void
begin_alone(struct sink *sink)
{
	if (sink->kind != SINK_FCGI)
		return;
	sink->header_left = FCGI_HEADER_LEN;
	sink->record_left = sink->record_len = sink_queue_at(sink, 0)->len;
}

static ssize_t
send_alone(struct sink *sink)
{
	struct iovec iov = alone(sink);
	ssize_t n = send(sink->fd, iov.iov_base, iov.iov_len, MSG_NOSIGNAL);

	if (n > 0)
		begin_alone(sink);
	return n;
}

/* Whether that is the queue: one chunk, for FastCGI in a record of its own. */
static bool
is_alone(const struct sink *sink)
{
	const struct chunk *c = sink_queue_at(sink, 0);

	if (sink->count != 1 || sink->kind == SINK_CGI)
		return false;
	return sink->kind == SINK_RAW ||
	       (sink->offset == 0 && sink->record_left == 0 && !c->raw &&
		   c->len <= FCGI_CONTENT_MAX && sink->request_id == 1);
}

static ssize_t
write_some(struct sink *sink)
{
	struct batch batch; /* large: not cleared */

	if (is_alone(sink))
		return send_alone(sink);
	batch.n = 0;
	batch.bytes = 0;
	if (sink->kind == SINK_FCGI &&
	    (sink->record_left > 0 || !sink_queue_at(sink, 0)->raw)) {
		batch_record(&batch, sink);
	} else {
		batch_content(&batch, sink, SIZE_MAX);
		if (batch.n == 0)
			batch_raw(&batch, sink, 0);
	}
	return write_batch(sink, &batch);
}

bool
sink_lone(const struct sink *sink, struct iovec *iov)
{
	if (!sink->is_open || sink->blocked || sink->kind == SINK_LINK ||
	    sink->count != 1 || !is_alone(sink))
		return false;
	*iov = alone(sink);
	return true;
}

void
sink_sent(struct sink *sink, size_t n, int64_t now_ms)
{
	begin_alone(sink);
	sink->progress_ms = now_ms;
	sink->sent += n;
	sink_take_off(sink, n);
}

int
sink_flush(struct sink *sink, int64_t now_ms)
{
	bool blocked = false;

	if (!sink->is_open)
		return 0;
	if (sink->kind == SINK_LINK)
		return link_way->flush(sink, now_ms);
	while (sink->count > 0) {
		ssize_t n = write_some(sink);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK ||
				   errno == ENOBUFS)) {
			blocked = true;
			break;
		}
		if (n == -1)
			return -1;
		sink->progress_ms = now_ms;
		sink->sent += (uint64_t)n;
		sink_take_off(sink, (size_t)n);
	}
	if (blocked != sink->blocked) {
		if (blocked)
			sink->progress_ms = now_ms;
		sink->blocked = blocked;
		watch(sink,
		    (sink->io.events & EV_READ) | (blocked ? EV_WRITE : 0));
		if (!blocked && sink->tell_drained)
			ev_feed_event(EV_DEFAULT_UC_ & sink->io, EV_WRITE);
	}
	return 0;
}

void
sink_reuse(struct sink *sink)
{
	assert(sink->count == 0 && sink->record_left == 0);
	sink->ended = false;
	sink->sent = 0;
}

ssize_t
sink_read(struct sink *sink, void *buf, size_t size)
{
	if (sink->kind == SINK_LINK)
		return link_way->read(sink, buf, size);
	return read(sink->fd, buf, size);
}

bool
sink_shut(struct sink *sink)
{
	return sink->kind != SINK_LINK && shutdown(sink->fd, SHUT_WR) == 0;
}

void
sink_close(struct sink *sink)
{
	if (!sink->is_open)
		return;
	sink->is_open = false;
	while (sink->count > 0)
		queue_pop(sink);
	if (sink->kind == SINK_LINK) {
		link_way->remove(sink);
	} else {
		ev_io_stop(EV_DEFAULT_UC_ & sink->io);
		close(sink->fd);
		descriptors_count(-1);
	}
	sink->fd = -1;
	sink->queued = 0;
	sink->blocked = false;
}
