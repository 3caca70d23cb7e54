/* SPDX-License-Identifier: MIT */
/*
 * Parked connections: those with TLS, whose keys this child has.  The handler
 * returns SUSPENDED, so that no thread stays with them, and one thread of the
 * child, the pump, moves the bytes between them and the programs' links.
 *
 * It does so through the connection's filters, in which mod_ssl works, but at
 * the end of the way out stands a filter of ours in place of httpd's own: it
 * writes what the socket takes and keeps the rest, at most one piece of the
 * window, and has no way to wait.  So a client that does not read costs its own
 * buffer and nobody's time.
 *
 * Refused: callbacks of the MPM, one for each delivery.  A wake of the
 * listener, a queue and a wake of a worker cost more than the delivery; and
 * they block.
 *
 * httpd 2.4 has no way to give a suspended connection back to the MPM.  The
 * pump ends it by itself: the request as its handler would, then the connection
 * as the MPM would (lingering close, pool destroyed).
 *
 * Who touches what: before the hook suspend_connection a connection is its
 * worker's, from then on the pump's.  After the hook the worker stores to it
 * once or twice more, so the pump destroys none before SETTLE_MS.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"
#include "util_filter.h"

#include "apache/mod_tidings.h"

APLOG_USE_MODULE(tidings);

#define EVENTS    256   /* of one epoll_wait */
#define PACKETS   64    /* of one link in one turn */
#define TICK_MS   1000  /* between looks at who is stuck */
#define SETTLE_MS 1000  /* until a worker has surely left a connection */
#define LINGER_MS 2000  /* for the client to close */
#define LEAVE_MS  10000 /* for the program to end its clients at our end */
#define INPUT_MAX 8192  /* bytes of one packet of input */
#define ITEMS_MAX 1024  /* pairs or numbers of one packet */
#define PIECES    16    /* of one write to a socket */

/* Bytes that waited for more than one client, once. */
struct chunk {
	unsigned refs; /* of queues */
	uint32_t len;  /* bytes */
	char bytes[];  /* plain, not yet encrypted */
};

struct piece {
	struct chunk *chunk;       /* one reference */
	STAILQ_ENTRY(piece) entry; /* in a queue */
};

enum park_state {
	PARK_NEW,    /* the worker has it */
	PARK_OPEN,   /* the pump has it */
	PARK_LINGER, /* the request has ended, the connection has yet to */
	PARK_DONE,   /* no connection any more */
};

/* What epoll tells of; the first member of what it points to. */
enum source {
	SOURCE_CLIENT, /* struct parked */
	SOURCE_LINK,   /* struct watched */
};

/* A parked client.  The pump's, once it is on the pump's list. */
struct parked {
	enum source source;      /* SOURCE_CLIENT */
	struct link *link;       /* a reference while `numbered` */
	struct watched *watched; /* the same to the pump, or NULL */
	uint32_t number;         /* to the program */
	enum park_state state;   /* see above */
	bool numbered;           /* the program has not said END */
	bool ready;              /* suspended: in the inbox, under the lock */
	bool lost;               /* httpd took the connection away */
	bool failed;             /* the socket is of no more use */
	bool told_gone;          /* GONE is said */
	bool owing;              /* on the list of who has to tell */
	bool shut;               /* nothing more leaves */
	bool listed;             /* on the pump's list */
	bool polled;             /* epoll knows of it */
	bool begun;              /* its answer has begun */
	request_rec *r;          /* until it is finished */
	conn_rec *c;             /* until PARK_DONE */
	int fd;                  /* of the connection */
	uint32_t events;         /* that epoll waits for */
	apr_bucket_brigade *bb;  /* for both ways */
	STAILQ_HEAD(, piece) queue; /* plain bytes to be written */
	size_t queued;              /* of them */
	size_t at_filter;           /* plain bytes that are not out */
	uint32_t taken;             /* bytes that are out and not told */
	char *rest;                /* encrypted, the socket did not take them */
	size_t rest_len, rest_at;  /* bytes of it; which are out */
	uint32_t input;            /* bytes told and not READ */
	char *held;                /* input that the link did not take */
	uint32_t held_len;         /* bytes of it */
	int64_t stall_ms;          /* it may take nothing for so long */
	int64_t progress_ms;       /* monotonic, of the last byte out */
	int64_t suspended_ms;      /* monotonic */
	int64_t ends_ms;           /* monotonic, PARK_LINGER: no longer */
	TAILQ_ENTRY(parked) entry; /* all that the pump has */
	STAILQ_ENTRY(parked) inbox_entry; /* in the inbox */
	TAILQ_ENTRY(parked) owe_entry;    /* of those who have to tell */
};

/* What the pump knows of a link. */
struct watched {
	enum source source;         /* SOURCE_LINK */
	struct link *link;          /* a reference */
	TAILQ_HEAD(, parked) owing; /* clients with something to tell */
	bool clogged;               /* it takes nothing now */
	bool mute;                  /* nothing can be told any more */
	bool left;                  /* LEAVE is said */
	bool over;                  /* the program is gone */
	TAILQ_ENTRY(watched) entry; /* of all */
};

STAILQ_HEAD(inbox, parked);

static struct {
	pthread_mutex_t lock;        /* guards these: */
	struct inbox inbox;          /* suspended, or lost */
	bool started;                /* there is a thread */
	pthread_t thread;            /* it */
	bool stop;                   /* it is to end; atomic */
	int epoll;                   /* what it waits in */
	int bell;                    /* an eventfd: look into the inbox */
	TAILQ_HEAD(, parked) all;    /* its clients */
	TAILQ_HEAD(, watched) links; /* what it reads */
	struct inbox dead;           /* to be freed at the turn's end */
	int64_t now_ms;              /* monotonic, of this turn */
	int64_t tick_ms;             /* when the stuck are looked for */
	int64_t leave_ms;            /* when all must have left, 0 = stay */
} pump = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.inbox = STAILQ_HEAD_INITIALIZER(pump.inbox),
	.all = TAILQ_HEAD_INITIALIZER(pump.all),
	.links = TAILQ_HEAD_INITIALIZER(pump.links),
	.dead = STAILQ_HEAD_INITIALIZER(pump.dead) };

static ap_filter_rec_t *out_filter;
static APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) * log_bytes_out;

static int64_t
mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
chunk_drop(struct chunk *chunk)
{
	if (chunk != NULL && --chunk->refs == 0)
		free(chunk);
}

static struct piece *
queue_pop(struct parked *p)
{
	struct piece *piece = STAILQ_FIRST(&p->queue);

	STAILQ_REMOVE_HEAD(&p->queue, entry);
	p->queued -= piece->chunk->len;
	return piece;
}

static void
piece_free(struct piece *piece)
{
	chunk_drop(piece->chunk);
	free(piece);
}

static void
drop_output(struct parked *p)
{
	while (!STAILQ_EMPTY(&p->queue))
		piece_free(queue_pop(p));
	free(p->rest);
	p->rest = NULL;
	p->rest_len = p->rest_at = 0;
}

/* --- the end of the filters: the socket ----------------------------------- */

static ssize_t
socket_write(struct parked *p, struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t out;

	do
		out = sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (out == -1 && errno == EINTR);
	if (out == -1 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	if (out == -1)
		p->failed = true;
	if (out > 0) {
		p->progress_ms = pump.now_ms;
		if (log_bytes_out != NULL)
			log_bytes_out(p->c, out);
	}
	return out;
}

/* Keeps what the socket has not taken. */
static void
keep(struct parked *p, const char *bytes, size_t len)
{
	if (p->rest_len == 0)
		p->progress_ms = pump.now_ms;
	p->rest = ap_realloc(p->rest, p->rest_len + len);
	memcpy(p->rest + p->rest_len, bytes, len);
	p->rest_len += len;
}

static void
put(struct parked *p, struct iovec *iov, int n)
{
	size_t out = 0;

	if (p->failed)
		return;
	if (p->rest_len == 0) {
		ssize_t got = socket_write(p, iov, n);

		if (got == -1)
			return;
		out = (size_t)got;
	}
	for (int i = 0; i < n; i++) {
		size_t part = out < iov[i].iov_len ? out : iov[i].iov_len;

		out -= part;
		if (part < iov[i].iov_len)
			keep(p, (const char *)iov[i].iov_base + part,
			    iov[i].iov_len - part);
	}
}

/* All that comes down the filters, encrypted; what it can't write it keeps. */
static apr_status_t
write_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
	struct parked *p = f->ctx;
	struct iovec iov[PIECES];
	int n = 0;

	for (apr_bucket *e = APR_BRIGADE_FIRST(bb);
	     e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
		const char *bytes;
		apr_size_t len;

		if (APR_BUCKET_IS_METADATA(e) ||
		    apr_bucket_read(e, &bytes, &len, APR_BLOCK_READ) !=
			APR_SUCCESS ||
		    len == 0)
			continue;
		iov[n++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
		if (n == PIECES) {
			put(p, iov, n);
			n = 0;
		}
	}
	if (n > 0)
		put(p, iov, n);
	/* An EOR among them ends the request here. */
	apr_brigade_cleanup(bb);
	return p->failed ? APR_ECONNABORTED : APR_SUCCESS;
}

/* --- what the program is told --------------------------------------------- */

static void
owe(struct parked *p)
{
	if (p->owing || !p->numbered || p->watched == NULL || p->watched->mute)
		return;
	p->owing = true;
	TAILQ_INSERT_TAIL(&p->watched->owing, p, owe_entry);
}

static void
owe_nothing(struct parked *p)
{
	if (p->owing)
		TAILQ_REMOVE(&p->watched->owing, p, owe_entry);
	p->owing = false;
}

/* Returns whether the link took it; where it does not, it is clogged or mute.
 */
static bool
tell(struct watched *w, enum handover_type type, uint32_t count,
    const void *items, size_t size, const void *bytes, size_t len)
{
	struct handover_head head = { (uint32_t)type, count };
	struct iovec iov[3] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)items, size },
		{ (void *)(uintptr_t)bytes, len } };

	if (w->mute || w->clogged)
		return false;
	if (link_send(w->link, iov, 3, -1, 0) == 0)
		return true;
	if (errno == EAGAIN) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT,
			.data.ptr = w };

		w->clogged = true;
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, link_fd(w->link), &ev);
	} else {
		w->mute = true;
	}
	return false;
}

static bool
tell_held(struct watched *w, struct parked *p)
{
	if (p->held == NULL)
		return true;
	if (!tell(w, HANDOVER_INPUT_OF, 1, &p->number, sizeof(p->number),
		p->held, p->held_len))
		return false;
	free(p->held);
	p->held = NULL;
	return true;
}

static void client_want(struct parked *p);

/* Tells what some of those on the list have to tell. */
static bool
tell_some(struct watched *w)
{
	static struct handover_pair pairs[ITEMS_MAX];
	static uint32_t gone[ITEMS_MAX];
	struct parked *p;
	uint32_t npairs = 0, ngone = 0, n = 0;

	TAILQ_FOREACH(p, &w->owing, owe_entry) {
		if (n == ITEMS_MAX)
			break;
		n++;
		if (!p->failed && !tell_held(w, p))
			return false;
		if (p->taken > 0 && !p->failed)
			pairs[npairs++] =
			    (struct handover_pair){ p->number, p->taken };
		if (p->failed && !p->told_gone)
			gone[ngone++] = p->number;
	}
	if (npairs > 0 && !tell(w, HANDOVER_TAKEN, npairs, pairs,
			      npairs * sizeof(*pairs), NULL, 0))
		return false;
	for (uint32_t i = 0; i < npairs; i++)
		link_parked(w->link, pairs[i].number)->taken = 0;
	if (ngone > 0 && !tell(w, HANDOVER_GONE, ngone, gone,
			     ngone * sizeof(*gone), NULL, 0))
		return false;
	for (; n > 0; n--) {
		p = TAILQ_FIRST(&w->owing);
		p->told_gone = p->failed;
		owe_nothing(p);
		client_want(p);
	}
	return true;
}

static void
settle_link(struct watched *w)
{
	while (!TAILQ_EMPTY(&w->owing) && !w->clogged && !w->mute)
		if (!tell_some(w))
			break;
	if (w->mute)
		while (!TAILQ_EMPTY(&w->owing))
			owe_nothing(TAILQ_FIRST(&w->owing));
}

/* --- clients -------------------------------------------------------------- */

/* Tells epoll what this client waits for. */
static void
client_want(struct parked *p)
{
	struct epoll_event ev = { .data.ptr = p };

	if (!p->polled)
		return;
	if (p->rest_len > 0)
		ev.events |= EPOLLOUT;
	if (p->state == PARK_LINGER ||
	    (p->input < HANDOVER_INPUT && p->held == NULL))
		ev.events |= EPOLLIN;
	if (ev.events != p->events)
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, p->fd, &ev);
	p->events = ev.events;
}

static void
unpoll(struct parked *p)
{
	if (p->polled)
		epoll_ctl(pump.epoll, EPOLL_CTL_DEL, p->fd, NULL);
	p->polled = false;
}

static void
unlist(struct parked *p)
{
	if (p->listed)
		TAILQ_REMOVE(&pump.all, p, entry);
	p->listed = false;
}

/* The connection goes, and with it the descriptor. */
static void
destroy(struct parked *p)
{
	conn_rec *c = p->c;

	if (p->state == PARK_DONE)
		return;
	drop_output(p);
	unpoll(p);
	if (pump.now_ms < p->suspended_ms + SETTLE_MS) {
		/* The tick comes back to it. */
		p->failed = true;
		p->ends_ms = p->suspended_ms + SETTLE_MS;
		return;
	}
	unlist(p);
	p->state = PARK_DONE;
	p->c = NULL;
	/* What the MPM counts it as. */
	c->cs->state = CONN_STATE_SUSPENDED;
	apr_pool_destroy(c->pool);
	if (!p->numbered)
		STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
}

/* Ends the request: it is logged.  The connection lingers. */
static void
finish(struct parked *p)
{
	request_rec *r = p->r;
	conn_rec *c = p->c;

	if (p->state != PARK_OPEN)
		return;
	p->state = PARK_LINGER;
	p->ends_ms = pump.now_ms + LINGER_MS;
	p->r = NULL;
	c->aborted = p->failed;
	ap_process_request_after_handler(r);
	c->cs->state = CONN_STATE_SUSPENDED;
	if (p->failed) {
		destroy(p);
		return;
	}
	ap_prep_lingering_close(c);
	ap_flush_conn(c);
	if (p->failed) {
		destroy(p);
		return;
	}
	if (p->rest_len == 0) {
		shutdown(p->fd, SHUT_WR);
		p->shut = true;
	}
	client_want(p);
}

/* Nothing more can be written or read. */
static void
fail(struct parked *p)
{
	p->failed = true;
	drop_output(p);
	if (p->state == PARK_OPEN) {
		finish(p);
		owe(p);
	} else if (p->state == PARK_LINGER) {
		destroy(p);
	}
}

/* Plain bytes into the filters; they are out, or kept, when this returns. */
static void
write_through(struct parked *p, const char *bytes, size_t len)
{
	conn_rec *c = p->c;

	if (!p->begun) {
		/* "HTTP/1.1 200 OK": for the log. */
		if (len > 12 && strncmp(bytes, "HTTP/1.", 7) == 0)
			p->r->status = atoi(bytes + 9);
		p->begun = true;
	}
	p->r->bytes_sent += (apr_off_t)len;
	APR_BRIGADE_INSERT_TAIL(p->bb,
	    apr_bucket_transient_create(bytes, len, c->bucket_alloc));
	/* mod_ssl would wait for more; nobody below it heeds this. */
	APR_BRIGADE_INSERT_TAIL(p->bb,
	    apr_bucket_flush_create(c->bucket_alloc));
	if (ap_pass_brigade(c->output_filters, p->bb) != APR_SUCCESS)
		p->failed = true;
	apr_brigade_cleanup(p->bb);
	if (p->rest_len > 0)
		p->at_filter += len;
	else
		p->taken += (uint32_t)len;
}

/* Writes on while the socket takes it. */
static void
go_on(struct parked *p)
{
	while (p->state == PARK_OPEN && !p->failed && p->rest_len == 0 &&
	       !STAILQ_EMPTY(&p->queue)) {
		struct piece *piece = queue_pop(p);

		write_through(p, piece->chunk->bytes, piece->chunk->len);
		piece_free(piece);
	}
	if (p->failed)
		fail(p);
	else if (p->taken >= HANDOVER_REPORT)
		owe(p);
	if (p->state == PARK_OPEN && !p->numbered && p->rest_len == 0 &&
	    STAILQ_EMPTY(&p->queue))
		finish(p);
	client_want(p);
}

/* The socket has room for what was kept. */
static void
on_writable(struct parked *p)
{
	struct iovec iov = { p->rest + p->rest_at, p->rest_len - p->rest_at };
	ssize_t out = socket_write(p, &iov, 1);

	if (out == -1) {
		fail(p);
		return;
	}
	p->rest_at += (size_t)out;
	if (p->rest_at < p->rest_len)
		return;
	free(p->rest);
	p->rest = NULL;
	p->rest_len = p->rest_at = 0;
	p->taken += (uint32_t)p->at_filter;
	p->at_filter = 0;
	if (p->state == PARK_LINGER && !p->shut) {
		shutdown(p->fd, SHUT_WR);
		p->shut = true;
	}
	go_on(p);
}

/* What comes while we wait for the end is nobody's. */
static void
on_lingering(struct parked *p)
{
	char buf[4096];
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		destroy(p);
}

/* Passes input on to the program, or keeps it while the link is clogged. */
static void
pass_input(struct parked *p, const char *bytes, uint32_t len)
{
	p->input += len;
	if (p->watched != NULL && p->held == NULL &&
	    tell(p->watched, HANDOVER_INPUT_OF, 1, &p->number,
		sizeof(p->number), bytes, len))
		return;
	p->held = ap_realloc(p->held, p->held_len + len);
	memcpy(p->held + p->held_len, bytes, len);
	p->held_len += len;
	owe(p);
}

/* Reads what has come, through the filters. */
static void
on_readable(struct parked *p)
{
	char buf[INPUT_MAX];

	while (p->state == PARK_OPEN && p->numbered && !p->failed &&
	       p->held == NULL && p->input + INPUT_MAX <= HANDOVER_INPUT) {
		apr_size_t len = sizeof(buf);
		apr_status_t rv = ap_get_brigade(p->c->input_filters, p->bb,
		    AP_MODE_READBYTES, APR_NONBLOCK_READ, sizeof(buf));

		if (rv == APR_SUCCESS)
			rv = apr_brigade_flatten(p->bb, buf, &len);
		if (rv == APR_SUCCESS && len == 0 && !APR_BRIGADE_EMPTY(p->bb))
			rv = APR_EOF;
		apr_brigade_cleanup(p->bb);
		if (APR_STATUS_IS_EAGAIN(rv) || (rv == APR_SUCCESS && len == 0))
			break;
		if (rv != APR_SUCCESS) {
			fail(p);
			return;
		}
		pass_input(p, buf, (uint32_t)len);
	}
	client_want(p);
}

static void
client_event(struct parked *p, uint32_t events)
{
	if (p->state == PARK_DONE || p->failed)
		return;
	if (events & EPOLLOUT && p->rest_len > 0)
		on_writable(p);
	if (p->state == PARK_DONE || p->failed)
		return;
	if (p->state == PARK_LINGER && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_lingering(p);
	else if (events & EPOLLIN)
		on_readable(p);
	else if (events & (EPOLLHUP | EPOLLERR))
		fail(p);
}

/* --- links ---------------------------------------------------------------- */

static struct chunk *
chunk_new(const char *bytes, size_t len)
{
	struct chunk *chunk = ap_malloc(sizeof(*chunk) + len);

	chunk->refs = 1;
	chunk->len = (uint32_t)len;
	memcpy(chunk->bytes, bytes, len);
	return chunk;
}

/* One client gets these bytes; *chunk is made if somebody has to wait. */
static void
client_data(struct parked *p, const char *bytes, size_t len,
    struct chunk **chunk)
{
	struct piece *piece;

	if (p->failed || (p->state != PARK_NEW && p->state != PARK_OPEN))
		return;
	if (p->state == PARK_OPEN && STAILQ_EMPTY(&p->queue) &&
	    p->rest_len == 0) {
		write_through(p, bytes, len);
		go_on(p);
		return;
	}
	if (p->queued + len > 2 * HANDOVER_WINDOW) {
		fail(p); /* the program does not heed the window */
		return;
	}
	if (*chunk == NULL)
		*chunk = chunk_new(bytes, len);
	(*chunk)->refs++;
	piece = ap_malloc(sizeof(*piece));
	piece->chunk = *chunk;
	STAILQ_INSERT_TAIL(&p->queue, piece, entry);
	p->queued += len;
}

/* The program has done with this client. */
static void
client_end(struct parked *p)
{
	if (!p->numbered)
		return;
	owe_nothing(p);
	p->numbered = false;
	free(p->held);
	p->held = NULL;
	link_number_end(p->link, p->number);
	p->link = NULL;
	if (p->state == PARK_OPEN)
		go_on(p);
	else if (p->state == PARK_DONE)
		STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
}

static void
client_read(struct parked *p, uint32_t bytes)
{
	p->input -= bytes < p->input ? bytes : p->input;
	if (p->state == PARK_OPEN)
		on_readable(p);
}

/* Returns false if the packet is none of the protocol. */
static bool
link_packet(struct watched *w, const uint32_t *packet, size_t len)
{
	uint32_t type = packet[0], count = packet[1];
	size_t size = type == HANDOVER_READ ? sizeof(struct handover_pair)
					    : sizeof(uint32_t);
	const uint32_t *items = packet + 2;
	struct chunk *chunk = NULL;
	const char *bytes;

	if (count > (len - sizeof(struct handover_head)) / size)
		return false;
	bytes = (const char *)items + count * size;
	len -= (size_t)(bytes - (const char *)packet);
	for (uint32_t i = 0; i < count; i++) {
		size_t step = size / sizeof(uint32_t);
		struct parked *p = link_parked(w->link, items[i * step]);

		if (p == NULL)
			continue;
		if (type == HANDOVER_DATA && len > 0)
			client_data(p, bytes, len, &chunk);
		else if (type == HANDOVER_END)
			client_end(p);
		else if (type == HANDOVER_READ)
			client_read(p, items[i * step + 1]);
	}
	chunk_drop(chunk);
	return type == HANDOVER_DATA || type == HANDOVER_END ||
	       type == HANDOVER_READ;
}

/* The program is gone: its clients come back, to the next one. */
static void
link_over(struct watched *w)
{
	uint32_t n = link_numbers(w->link);

	link_retire(w->link);
	/* Who has it still is to hear of it. */
	shutdown(link_fd(w->link), SHUT_RDWR);
	w->mute = w->over = true;
	epoll_ctl(pump.epoll, EPOLL_CTL_DEL, link_fd(w->link), NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct parked *p = link_parked(w->link, i);

		if (p != NULL)
			client_end(p);
	}
}

static void
link_event(struct watched *w, uint32_t events)
{
	static uint32_t packet[HANDOVER_PACKET_MAX / sizeof(uint32_t)];
	ssize_t n = 0;

	if (w->over)
		return;
	if (events & EPOLLOUT) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

		w->clogged = false;
		epoll_ctl(pump.epoll, EPOLL_CTL_MOD, link_fd(w->link), &ev);
	}
	for (int i = 0; i < PACKETS; i++) {
		n = recv(link_fd(w->link), packet, sizeof(packet),
		    MSG_DONTWAIT | MSG_TRUNC);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n < (ssize_t)sizeof(struct handover_head) ||
		    (size_t)n > sizeof(packet) ||
		    !link_packet(w, packet, (size_t)n)) {
			link_over(w);
			return;
		}
	}
}

/* --- the thread ----------------------------------------------------------- */

static struct watched *
find_watched(const struct link *link)
{
	struct watched *w;

	TAILQ_FOREACH(w, &pump.links, entry)
		if (w->link == link)
			return w;
	return NULL;
}

/* A link of which the first client comes. */
static struct watched *
watch_link(struct link *link)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct watched *w = ap_calloc(1, sizeof(*w));

	w->source = SOURCE_LINK;
	w->link = link_ref(link);
	TAILQ_INIT(&w->owing);
	TAILQ_INSERT_TAIL(&pump.links, w, entry);
	ev.data.ptr = w;
	epoll_ctl(pump.epoll, EPOLL_CTL_ADD, link_fd(link), &ev);
	return w;
}

/* The worker has let go of it: from here on it is the pump's. */
static void
take_over(struct parked *p)
{
	struct epoll_event ev = { .data.ptr = p };

	if (p->link != NULL) {
		p->watched = find_watched(p->link);
		if (p->watched == NULL)
			p->watched = watch_link(p->link);
		if (p->watched->over)
			client_end(p);
	}
	if (p->lost) {
		/* httpd has ended the connection instead of suspending it. */
		p->state = PARK_DONE;
		p->failed = true;
		drop_output(p);
		if (p->numbered)
			owe(p);
		else
			STAILQ_INSERT_TAIL(&pump.dead, p, inbox_entry);
		return;
	}
	p->state = PARK_OPEN;
	p->suspended_ms = p->progress_ms = pump.now_ms;
	TAILQ_INSERT_TAIL(&pump.all, p, entry);
	p->listed = true;
	p->polled = epoll_ctl(pump.epoll, EPOLL_CTL_ADD, p->fd, &ev) == 0;
	if (!p->polled) {
		fail(p);
		return;
	}
	go_on(p);
	/* What came with the request may lie in a filter. */
	on_readable(p);
}

static void
empty_inbox(void)
{
	struct inbox inbox = STAILQ_HEAD_INITIALIZER(inbox);
	struct parked *p;

	pthread_mutex_lock(&pump.lock);
	STAILQ_CONCAT(&inbox, &pump.inbox);
	pthread_mutex_unlock(&pump.lock);
	while ((p = STAILQ_FIRST(&inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(&inbox, inbox_entry);
		take_over(p);
	}
}

static void
bury_the_dead(void)
{
	struct watched *w, *next;
	struct parked *p;

	while ((p = STAILQ_FIRST(&pump.dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&pump.dead, inbox_entry);
		drop_output(p);
		free(p->held);
		free(p);
	}
	for (w = TAILQ_FIRST(&pump.links); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (!w->over)
			continue;
		TAILQ_REMOVE(&pump.links, w, entry);
		link_unref(w->link);
		free(w);
	}
}

/* Whether this child is on its way out. */
static bool
is_leaving(void)
{
	int state = AP_MPMQ_RUNNING;

	return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS &&
	       state == AP_MPMQ_STOPPING;
}

/* Asks the programs to end their clients; those who stay are cut. */
static void
leave(void)
{
	struct watched *w;
	struct parked *p, *next;

	if (pump.leave_ms == 0)
		pump.leave_ms = pump.now_ms + LEAVE_MS;
	TAILQ_FOREACH(w, &pump.links, entry)
		if (!w->left)
			w->left = tell(w, HANDOVER_LEAVE, 0, NULL, 0, NULL, 0);
	if (pump.now_ms < pump.leave_ms)
		return;
	for (p = TAILQ_FIRST(&pump.all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->state == PARK_OPEN)
			fail(p);
	}
}

/* Once a second: who takes nothing, whose time is over. */
static void
tick(void)
{
	struct parked *p, *next;

	pump.tick_ms = pump.now_ms + TICK_MS;
	for (p = TAILQ_FIRST(&pump.all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->state == PARK_LINGER && pump.now_ms >= p->ends_ms) {
			destroy(p);
		} else if (p->state == PARK_OPEN && p->rest_len > 0 &&
			   pump.now_ms - p->progress_ms >= p->stall_ms) {
			ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, p->c,
			    "a parked client is cut: it took nothing for "
			    "%d ms",
			    (int)(pump.now_ms - p->progress_ms));
			fail(p);
		}
	}
	if (is_leaving())
		leave();
}

static void *
run_pump(void *arg)
{
	struct epoll_event events[EVENTS];
	struct watched *w;

	(void)arg;
	while (!__atomic_load_n(&pump.stop, __ATOMIC_ACQUIRE)) {
		int n = epoll_wait(pump.epoll, events, EVENTS,
		    TAILQ_EMPTY(&pump.all) ? -1 : TICK_MS);

		pump.now_ms = mono_ms();
		for (int i = 0; i < n; i++) {
			enum source *source = events[i].data.ptr;

			if (source == NULL) {
				uint64_t rung;

				if (read(pump.bell, &rung, sizeof(rung)) == -1)
					continue;
				empty_inbox();
			} else if (*source == SOURCE_LINK) {
				link_event((struct watched *)source,
				    events[i].events);
			} else {
				client_event((struct parked *)source,
				    events[i].events);
			}
		}
		if (pump.now_ms >= pump.tick_ms)
			tick();
		TAILQ_FOREACH(w, &pump.links, entry)
			settle_link(w);
		bury_the_dead();
	}
	return NULL;
}

static void
ring(void)
{
	uint64_t one = 1;

	if (write(pump.bell, &one, sizeof(one)) == -1)
		return; /* it rings already */
}

/* Returns false, with errno, if there can be no pump. */
static bool
start_pump(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t all, before;
	int error = 0;

	pthread_mutex_lock(&pump.lock);
	if (!pump.started) {
		pump.epoll = epoll_create1(EPOLL_CLOEXEC);
		pump.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (pump.epoll == -1 || pump.bell == -1 ||
		    epoll_ctl(pump.epoll, EPOLL_CTL_ADD, pump.bell, &ev) == -1)
			error = errno;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		if (error == 0)
			error =
			    pthread_create(&pump.thread, NULL, run_pump, NULL);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		pump.started = error == 0;
		if (error != 0) {
			close(pump.epoll);
			close(pump.bell);
		}
	}
	pthread_mutex_unlock(&pump.lock);
	errno = error;
	return error == 0;
}

/* Before the pools of the child go. */
static apr_status_t
stop_pump(void *arg)
{
	(void)arg;
	if (!pump.started)
		return APR_SUCCESS;
	__atomic_store_n(&pump.stop, true, __ATOMIC_RELEASE);
	ring();
	pthread_join(pump.thread, NULL);
	pump.started = false;
	return APR_SUCCESS;
}

/* --- httpd's side --------------------------------------------------------- */

static void
post(struct parked *p)
{
	pthread_mutex_lock(&pump.lock);
	STAILQ_INSERT_TAIL(&pump.inbox, p, inbox_entry);
	pthread_mutex_unlock(&pump.lock);
	ring();
}

static void
on_suspend(conn_rec *c, request_rec *r)
{
	struct parked *p =
	    ap_get_module_config(c->conn_config, &tidings_module);

	(void)r;
	if (p == NULL || p->ready)
		return;
	p->ready = true;
	post(p);
}

/* The pool of the connection goes: by the pump, or before it had it. */
static apr_status_t
on_pool_gone(void *arg)
{
	struct parked *p = arg;

	if (!p->ready) {
		p->ready = p->lost = true;
		p->c = NULL;
		p->r = NULL;
		post(p);
	}
	return APR_SUCCESS;
}

bool
park_possible(const request_rec *r)
{
	int can = 0;

	return r->connection->cs != NULL &&
	       ap_mpm_query(AP_MPMQ_IS_ASYNC, &can) == APR_SUCCESS && can &&
	       !is_leaving();
}

/* The connection as it is to be while it is parked. */
static void
settle_connection(request_rec *r, struct parked *p)
{
	conn_rec *c = r->connection;

	/* It would end the input after the time for a body. */
	ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
	ap_add_output_filter_handle(out_filter, p, NULL, c);
	r->output_filters = r->proto_output_filters = c->output_filters;
	r->input_filters = r->proto_input_filters = c->input_filters;
	p->bb = apr_brigade_create(c->pool, c->bucket_alloc);
	apr_socket_timeout_set(ap_get_conn_socket(c), 0);
	c->keepalive = AP_CONN_CLOSE;
	ap_set_module_config(c->conn_config, &tidings_module, p);
	apr_pool_cleanup_register(c->pool, p, on_pool_gone,
	    apr_pool_cleanup_null);
}

bool
park(request_rec *r, struct link *link, const struct iovec *iov, int n,
    int wait_ms, apr_interval_time_t stall)
{
	struct {
		struct handover_head head;
		uint32_t number;
	} first = { { .type = HANDOVER_PARK, .count = 1 }, 0 };
	struct iovec all[4] = { { &first, sizeof(first) } };
	struct parked *p;

	if (!start_pump())
		return false;
	p = ap_calloc(1, sizeof(*p));
	p->source = SOURCE_CLIENT;
	p->link = link;
	p->r = r;
	p->c = r->connection;
	p->stall_ms = apr_time_as_msec(stall);
	STAILQ_INIT(&p->queue);
	if (apr_os_sock_get(&p->fd, ap_get_conn_socket(p->c)) != APR_SUCCESS ||
	    !link_number(link, p, &p->number)) {
		free(p);
		errno = EAGAIN;
		return false;
	}
	p->numbered = true;
	first.number = p->number;
	memcpy(all + 1, iov, (size_t)n * sizeof(*iov));
	if (link_send(link, all, n + 1, -1, wait_ms) == -1) {
		int saved = errno;

		link_number_end(link, p->number);
		free(p);
		errno = saved;
		return false;
	}
	settle_connection(r, p);
	return true;
}

void
park_child_init(apr_pool_t *pchild, server_rec *server)
{
	(void)server;
	log_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
	apr_pool_pre_cleanup_register(pchild, NULL, stop_pump);
}

void
park_register(void)
{
	out_filter = ap_register_output_filter("TIDINGS_PARKED", write_out,
	    NULL, AP_FTYPE_NETWORK - 1);
	ap_hook_suspend_connection(on_suspend, NULL, NULL, APR_HOOK_MIDDLE);
}
