/* SPDX-License-Identifier: MIT */
/*
 * Links: the connections from the children of httpd by which they hand clients
 * over (shared/wire/handover.h).  Only httpd's user is taken, because who hands
 * a client over says who it is.  Still nothing that comes by a link is believed
 * to be well-formed: a packet that is not ends that link and nothing else.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/descriptors.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/intake/link.h"
#include "shared/intake/listener.h"
#include "shared/intake/req.h"
#include "shared/intake/server.h"
#include "shared/out/park.h"
#include "shared/out/sink.h"
#include "shared/wire/handover.h"
#include "shared/wire/packet.h"

#define PACKETS     64    /* read in one turn of the loop from one link */
#define FDS         4     /* descriptors that one packet may bring to be seen */
#define FINISH_MS   1000  /* for what is left at the end of the process */
#define COMPLAIN_MS 10000 /* between two lines about bad peers */

/* A connection from one child of httpd. */
struct link {
	ev_io io;               /* on `fd` */
	struct server *server;  /* whose it is */
	int fd;                 /* the connection */
	pid_t pid;              /* of the child */
	bool greeted;           /* HELLO has come */
	bool is_dead;           /* can't be sent to */
	bool stopped;           /* is not read from any more */
	struct park park;       /* the clients that the child keeps */
	LIST_ENTRY(link) links; /* all of the process */
};

/* One packet as it comes from the socket. */
struct mail {
	size_t len;    /* bytes in `packet_buf` */
	int fd[FDS];   /* descriptors that came along */
	unsigned nfds; /* how many */
	bool cut;      /* there was more than we have room for */
	bool short_of; /* ... or descriptors for */
};

static LIST_HEAD(, link) links = LIST_HEAD_INITIALIZER(links);

static union {
	struct handover_head head; /* aligns */
	unsigned char bytes[HANDOVER_PACKET_MAX];
} packet_buf;

/* Whether a line may be logged now: peers must not fill the log. */
static bool
may_complain(void)
{
	static int64_t last_ms;
	int64_t now_ms = clock_mono_ms();

	if (last_ms != 0 && now_ms - last_ms < COMPLAIN_MS)
		return false;
	last_ms = now_ms;
	return true;
}

static void
link_close(struct link *link)
{
	ev_io_stop(EV_DEFAULT_UC_ & link->io);
	LIST_REMOVE(link, links);
	park_free(&link->park);
	close(link->fd);
	descriptors_count(-1);
	free(link);
}

/* Closes a link whose peer does what it must not. */
static void
give_up(struct link *link, const char *why)
{
	if (may_complain())
		log_warnx("httpd's process %ld hands over %s; its link is "
			  "closed",
		    (long)link->pid, why);
	link_close(link);
}

void
link_open_sink(struct sink *sink, const struct handed *from,
    const struct sink_ops *ops, int64_t now_ms)
{
	if (from->park != NULL)
		park_open(from->park, from->number, sink, ops, now_ms);
	else
		sink_open(sink, SINK_RAW, from->fd, ops, now_ms);
}

/* Whether what came is the connection of a client; makes it as we need it. */
static bool
prepare_client(int fd)
{
	int domain = 0, type = 0, on = 1;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_STREAM || listener_is_socket(fd) ||
	    (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
		return false;
	if (domain != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

/* The variables of a packet, or NULL if they are malformed. */
static struct req *
read_req(const struct packet *packet)
{
	struct req *req = xcalloc(1, sizeof(*req));

	if (vars_set_text(&req->vars, packet->bytes, packet->len) == 0)
		return req;
	req_free(req);
	free(req);
	return NULL;
}

/*
 * They are what visitors and rules of httpd make of them, so they cost that
 * client its answer, and not all others of the link theirs.
 */
static void
complain_of_variables(void)
{
	if (may_complain())
		log_warnx("a client that httpd hands over has malformed "
			  "variables; it is closed");
}

/* Gives a client to its owner.  Returns what is wrong with it, or NULL. */
static const char *
take_client(struct link *link, const struct packet *packet, struct mail *mail)
{
	struct handed from = { .fd = mail->fd[0] };
	struct req *req;

	if (!prepare_client(from.fd))
		return "a descriptor that is no connection of a client";
	req = read_req(packet);
	if (req == NULL) {
		complain_of_variables();
		return NULL;
	}
	mail->nfds = 0; /* the owner closes it */
	link->server->program->handed(link->server, &from, req);
	return NULL;
}

/* Says the greeting too: before that httpd gives nobody away. */
static const char *
greet(struct link *link)
{
	struct handover_head head = { .type = HANDOVER_HELLO };
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ (void *)HANDOVER_HELLO_TEXT, strlen(HANDOVER_HELLO_TEXT) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	link->greeted = true;
	return sendmsg(link->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == -1
		   ? "a greeting, but nobody to greet"
		   : NULL;
}

static const char *
take_parked(struct link *link, const struct packet *packet)
{
	struct handed from = { .fd = -1,
		.park = &link->park,
		.number = packet_number(packet, 0) };
	struct req *req;

	if (!park_is_free(from.park, from.number))
		return "a number that another client has";
	req = read_req(packet);
	if (req == NULL) {
		complain_of_variables();
		outbox_put(&link->park.outbox, HANDOVER_END, NULL, from.number,
		    0, link->park.outbox.serial);
		return NULL;
	}
	link->server->program->handed(link->server, &from, req);
	if (link->park.leaving)
		park_leave(from.park, from.number);
	return NULL;
}

/* Does what a packet says.  Returns what is wrong with it, or NULL. */
static const char *
take_packet(struct link *link, struct mail *mail)
{
	struct packet packet;
	const char *why =
	    packet_read(&packet, packet_buf.bytes, mail->len, mail->nfds);

	if (why != NULL)
		return why;
	if ((packet.type == HANDOVER_HELLO) == link->greeted)
		return "a greeting that does not come first, or none";
	switch (packet.type) {
	case HANDOVER_HELLO:
		return greet(link);
	case HANDOVER_CLIENT:
		return take_client(link, &packet, mail);
	case HANDOVER_PARK:
		return take_parked(link, &packet);
	default:
		return park_take(&link->park, &packet);
	}
}

static void
take_descriptors(struct msghdr *msg, struct mail *mail)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		if (n > FDS - mail->nfds)
			n = FDS - mail->nfds;
		memcpy(mail->fd + mail->nfds, CMSG_DATA(c), n * sizeof(int));
		mail->nfds += (unsigned)n;
	}
}

/* Returns 1, 0 if nothing waits, or -1 at the end of the link. */
static int
receive(struct link *link, struct mail *mail)
{
	union {
		struct cmsghdr head; /* aligns */
		char bytes[CMSG_SPACE(FDS * sizeof(int))];
	} control;
	struct iovec iov = { packet_buf.bytes, sizeof(packet_buf.bytes) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	descriptors_make_room();
	n = recvmsg(link->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
			   ? 0
			   : -1;
	*mail = (struct mail){ .len = (size_t)n };
	take_descriptors(&msg, mail);
	if (n == 0 && mail->nfds == 0)
		return -1;
	/* With room left for more it is we who have no descriptor free. */
	mail->short_of = (msg.msg_flags & MSG_CTRUNC) != 0 && mail->nfds < FDS;
	mail->cut = (msg.msg_flags & MSG_TRUNC) != 0 ||
		    ((msg.msg_flags & MSG_CTRUNC) != 0 && !mail->short_of);
	return 1;
}

/*
 * A client whose descriptor did not fit is lost: httpd has let it go, it sees
 * its connection close and comes again.
 */
static void
note_lost(struct link *link)
{
	board_add(link->server->board, BOARD_REFUSED, 1);
	if (may_complain())
		log_warnx("clients of httpd are lost: out of descriptors");
}

/* Nothing more comes, by our own wish or by the peer's. */
static void
end_of_input(struct link *link)
{
	ev_io_stop(EV_DEFAULT_UC_ & link->io);
	if (!link->stopped || link->park.nsinks == 0)
		link_close(link);
}

/* Reads at most `max` packets; may close the link. */
static void
read_packets(struct link *link, int max)
{
	struct mail mail;

	for (int i = 0; i < max; i++) {
		const char *why = NULL;
		int got = receive(link, &mail);

		if (got == 0)
			return;
		if (got == -1) {
			end_of_input(link);
			return;
		}
		if (mail.cut)
			why = "more than belongs into a packet";
		else if (!mail.short_of)
			why = take_packet(link, &mail);
		for (unsigned j = 0; j < mail.nfds; j++)
			close(mail.fd[j]);
		if (why != NULL) {
			give_up(link, why);
			return;
		}
		if (mail.short_of)
			note_lost(link);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct link *link = io->data;

	(void)loop;
	(void)revents;
	if (link->is_dead)
		link_close(link);
	else
		read_packets(link, PACKETS);
}

/* It can't be sent to; somebody's turn may be going on, so not at once. */
static void
on_dead(struct park *park)
{
	struct link *link =
	    (void *)((char *)park - offsetof(struct link, park));

	link->is_dead = true;
	ev_feed_event(EV_DEFAULT_UC_ & link->io, EV_READ);
}

/* Whether the peer is httpd's user; its process id in *pid. */
static bool
is_httpd(const struct server *server, int fd, pid_t *pid)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	    cred.uid == server->handover_uid) {
		*pid = cred.pid;
		return true;
	}
	if (may_complain())
		log_warnx("user %ld (process %ld) may not hand clients over; "
			  "see handover_user",
		    (long)cred.uid, (long)cred.pid);
	return false;
}

void
link_new(struct server *server, int fd)
{
	struct link *link;
	pid_t pid;

	if (!is_httpd(server, fd, &pid)) {
		close(fd);
		return;
	}
	descriptors_count(1);
	link = xcalloc(1, sizeof(*link));
	link->server = server;
	link->fd = fd;
	link->pid = pid;
	ev_io_init(&link->io, on_readable, fd, EV_READ);
	link->io.data = link;
	ev_io_start(EV_DEFAULT_UC_ & link->io);
	park_init(&link->park, fd, on_dead);
	LIST_INSERT_HEAD(&links, link, links);
}

static bool
is_open(const struct link *wanted)
{
	const struct link *link;

	LIST_FOREACH(link, &links, links)
		if (link == wanted)
			return true;
	return false;
}

void
link_stop_all(void)
{
	struct link *link, *next;

	for (link = LIST_FIRST(&links); link != NULL; link = next) {
		next = LIST_NEXT(link, links);
		read_packets(link, INT_MAX);
		if (!is_open(link))
			continue;
		/*
		 * What parked clients say is heard to their end.  Their child
		 * reads: it is told.
		 */
		if (link->park.nsinks > 0) {
			outbox_put(&link->park.outbox, HANDOVER_STOP, NULL, 0,
			    0, link->park.outbox.serial);
			continue;
		}
		/* No packet can come in behind those that are there. */
		shutdown(link->fd, SHUT_RD);
		link->stopped = true;
		read_packets(link, INT_MAX);
	}
}

void
link_close_all(void)
{
	int64_t until_ms = clock_mono_ms() + FINISH_MS;
	struct link *link;

	while ((link = LIST_FIRST(&links)) != NULL) {
		int64_t left_ms = until_ms - clock_mono_ms();

		park_finish(&link->park, left_ms > 0 ? (int)left_ms : 0);
		link_close(link);
	}
}
