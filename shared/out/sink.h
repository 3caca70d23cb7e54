/* SPDX-License-Identifier: MIT */
#ifndef SHARED_OUT_SINK_H
#define SHARED_OUT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>
#include <sys/types.h>

#include <ev.h>

struct chunk;
struct park;
struct sink;
struct str;

/* How the bytes of an answer leave. */
enum sink_kind {
	SINK_FCGI, /* FCGI_STDOUT records on the program's own connection */
	SINK_CGI,  /* plain bytes on standard output */
	SINK_RAW,  /* plain bytes on a socket that is ours */
	SINK_LINK, /* the same, to a client that a child of httpd keeps */
};

/* What a sink tells its owner.  Each may close the sink. */
struct sink_ops {
	void (*readable)(struct sink *sink); /* bytes or end of file wait */
	void (*drained)(struct sink *sink);  /* the queue has emptied */
	void (*failed)(struct sink *sink);   /* the peer is gone */
	/* SINK_LINK: it should be ended in an orderly way, now; or NULL. */
	void (*leave)(struct sink *sink);
};

/* What a sink of kind SINK_LINK has in the place of a watcher; see park.h. */
struct parked {
	struct park *park;       /* whose it is, NULL = that is gone */
	TAILQ_ENTRY(sink) later; /* in park->later */
	uint64_t serial;         /* of the last packet it was put into */
	struct str *input;       /* came, and was not read; NULL = none */
	uint32_t number;         /* its own at the child */
	uint32_t on_way;         /* bytes sent, of which TAKEN is to come */
	uint32_t used;           /* bytes read, of which READ is to come */
	bool is_later;           /* in park->later */
	bool tell;               /* is to be flushed then, and told */
	bool wants_input;        /* is to be told of what comes */
};

/* A client's way out.  Zeroed, then sink_open. */
struct sink {
	union {
		ev_io io;             /* on `fd` */
		struct parked parked; /* SINK_LINK */
	};
	const struct sink_ops *ops; /* what the owner wants to hear */
	struct chunk **queue;       /* references, a ring: `few` or its own */
	struct chunk *few[2];       /* the ring of those who keep up */
	uint32_t head;              /* first used slot of the ring */
	uint32_t count;             /* used slots */
	uint32_t size;              /* slots, a power of two */
	uint32_t offset;            /* bytes of the first chunk that are out */
	uint32_t record_left;       /* content bytes of a begun record to go */
	uint32_t record_len;        /* content bytes of the begun record */
	uint16_t request_id;        /* FastCGI's */
	uint8_t header_left;        /* header bytes of a begun record to go */
	uint8_t kind;               /* enum sink_kind */
	bool blocked;               /* waits for room in the socket */
	bool ended;                 /* nothing may follow in the queue */
	bool tell_drained;          /* also when somebody's flush empties it */
	bool is_open;               /* until it is closed */
	int fd;                     /* -1 = closed, or there is none */
	size_t queued;              /* bytes that the queue takes */
	int64_t progress_ms;        /* monotonic, of the last byte out */
	uint64_t sent;              /* bytes out so far */
};

/*
 * Takes the descriptor over (non-blocking already) and starts to watch it.
 * `now_ms` is monotonic, as everywhere here.
 */
void sink_open(struct sink *sink, enum sink_kind kind, int fd,
    const struct sink_ops *ops, int64_t now_ms);

/*
 * What a sink of kind SINK_LINK does where others have a socket.  There is one
 * such way in a process, shared/out/park's.
 */
struct sink_way {
	int (*flush)(struct sink *sink, int64_t now_ms);
	ssize_t (*read)(struct sink *sink, void *buf, size_t size);
	void (*want_input)(struct sink *sink, bool want);
	void (*remove)(struct sink *sink);
};

/* The same without a descriptor; sink->parked is the caller's to fill. */
void sink_open_on(struct sink *sink, const struct sink_way *way,
    const struct sink_ops *ops, int64_t now_ms);

/*
 * Queues a reference, which it takes from the caller.  Nothing is written
 * before sink_flush.  In an ended or closed sink the chunk is dropped.
 */
void sink_push(struct sink *sink, struct chunk *chunk);

/* Ends the answer behind what is queued: FCGI_END_REQUEST for FastCGI. */
void sink_end(struct sink *sink);

/*
 * Writes what the socket takes, all of it in as few calls as possible.
 * Returns 0, or -1 if the peer is gone; the sink is then still open and
 * `failed` was not called.
 */
int sink_flush(struct sink *sink, int64_t now_ms);

/*
 * The same by another's hand: where one send() of `iov` on sink->fd would do
 * all that sink_flush has to, sink_lone returns true; then tell sink_sent how
 * many bytes (above 0) the socket took.  For the rest, and for errors, there is
 * sink_flush.
 */
struct iovec;
bool sink_lone(const struct sink *sink, struct iovec *iov);
void sink_sent(struct sink *sink, size_t n, int64_t now_ms);

/* Whether what is pushed is HTTP as the client gets it. */
static inline bool
sink_is_http(const struct sink *sink)
{
	return sink->kind == SINK_RAW || sink->kind == SINK_LINK;
}

/* Asks for the memory that a flush will touch. */
static inline void
sink_prefetch(const struct sink *sink)
{
	__builtin_prefetch(&sink->queue);
	__builtin_prefetch(&sink->sent);
}

/* As recv: bytes from the peer, 0 at the end, or -1 with errno. */
ssize_t sink_read(struct sink *sink, void *buf, size_t size);

/*
 * Tells the peer that nothing follows, while we still read.  Returns false if
 * there is no such thing, and closing it is all that is to be done.
 */
bool sink_shut(struct sink *sink);

/*
 * Frees the queue, stops watching and closes the descriptor.  To a parked
 * client goes what was flushed before, and then its end.
 */
void sink_close(struct sink *sink);

/* Ready for another answer on the same connection (FastCGI keep-alive). */
void sink_reuse(struct sink *sink);

/* Stops and starts to look for bytes from the peer. */
void sink_want_input(struct sink *sink, bool want);

/* For those who write what is queued: a place, and bytes that are out. */
static inline struct chunk *
sink_queue_at(const struct sink *sink, uint32_t i)
{
	return sink->queue[(sink->head + i) & (sink->size - 1)];
}
void sink_take_off(struct sink *sink, size_t n);

#endif
