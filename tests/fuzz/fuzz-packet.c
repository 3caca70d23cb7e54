/* SPDX-License-Identifier: MIT */
/*
 * Packets of a hand-over link, and the variables and header lines in them: to
 * the reader alone, and by a link to a program.  The first byte says how many
 * descriptors came along, and to which program.
 */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/handshake.h"
#include "shared/access/access.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/link.h"
#include "shared/intake/req.h"
#include "shared/out/sink.h"
#include "shared/wire/handover.h"
#include "shared/wire/packet.h"
#include "shared/wire/wsdeflate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

/* Every line is whole, whatever came as RESPONSE_HEADERS. */
static void
check_given(struct req *req)
{
	struct sink sink = { .fd = -1, .kind = SINK_RAW };
	struct str out = { 0 };
	const char *p, *end;

	req->sink = &sink;
	req_add_given(req, &out);
	str_addz(&out, "");
	for (p = out.p; *p != '\0'; p = end + 2) {
		size_t len = strcspn(p, "\r\n");

		end = p + len;
		MUST(strncmp(end, "\r\n", 2) == 0);
		MUST(len > 1 && *p != ':' && memchr(p, ':', len) != NULL);
		MUST(strncasecmp(p, "Transfer-Encoding:", 18) != 0);
		MUST(strncasecmp(p, "Content-Length:", 15) != 0);
	}
	MUST(strlen(out.p) == out.len);
	str_free(&out);
}

static void
check_variables(const char *text, size_t len)
{
	struct req req = { 0 };

	if (vars_set_text(&req.vars, text, len) == 0) {
		MUST(req.vars.n > 0);
		for (size_t i = 0; i < req.vars.n; i++) {
			MUST(req.vars.var[i].name[0] != '\0');
			MUST(req.vars.var[i].value > req.vars.var[i].name);
		}
		check_given(&req);
	}
	req_free(&req);
}

/* What the programs read out of the variables of whoever is handed over. */
static void
check_request(const char *text, size_t len)
{
	static struct config config;
	struct sink sink = { .fd = -1, .kind = SINK_RAW };
	struct req req = { .config = &config, .sink = &sink };
	struct ws_deflate agreed;
	const char *why = NULL;
	char accept[32], error[100];
	int status;

	if (config.database == NULL)
		MUST(config_load(&config, NULL, error, sizeof(error)) == 0);
	if (vars_set_text(&req.vars, text, len) == 0) {
		status = handshake_check(&req, accept, &why);
		MUST((status == 0) == (why == NULL));
		ws_deflate_choose(req_var(&req,
				      "HTTP_SEC_WEBSOCKET_EXTENSIONS"),
		    &agreed);
		MUST(access_may_publish(req_subject(&req), NULL) != ACCESS_YES);
	}
	req_free(&req);
}

static void
send_packet(int fd, uint32_t type, uint32_t count, const void *bytes,
    size_t len)
{
	struct handover_head head = { type, count };
	struct str packet = { 0 };

	str_add(&packet, &head, sizeof(head));
	str_add(&packet, bytes, len);
	MUST(send(fd, packet.p, packet.len, MSG_NOSIGNAL) != -1);
	str_free(&packet);
}

/* The packet as it came, with sockets of clients beside it. */
static void
send_fuzzed(int fd, const void *bytes, size_t len, unsigned nfds, int peer[3])
{
	union {
		struct cmsghdr head; /* aligns */
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int given[3];

	for (unsigned i = 0; i < nfds; i++) {
		int pair[2];

		host_pair(pair, SOCK_STREAM);
		given[i] = pair[0];
		peer[i] = pair[1];
	}
	if (nfds > 0) {
		struct cmsghdr *c = &control.head;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), given, nfds * sizeof(int));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	/* A packet may be empty, and too long for the socket. */
	MUST(sendmsg(fd, &msg, MSG_NOSIGNAL) != -1 || errno == EMSGSIZE);
	for (unsigned i = 0; i < nfds; i++)
		close(given[i]);
}

/* By a link: behind a greeting, and with a client that is parked already. */
static void
hand_over(const void *bytes, size_t len, unsigned nfds, bool websocket)
{
	static const char client[] =
	    "\0\0\0\0REQUEST_METHOD\0GET\0SERVER_PROTOCOL\0HTTP/1.1\0"
	    "SCRIPT_NAME\0/ws/echo\0QUERY_STRING\0channel=a\0"
	    "HTTP_HOST\0a\0HTTP_UPGRADE\0websocket\0"
	    "HTTP_CONNECTION\0upgrade\0HTTP_SEC_WEBSOCKET_VERSION\00013\0"
	    "HTTP_SEC_WEBSOCKET_KEY\0dGhlIHNhbXBsZSBub25jZQ==";
	struct server *server = host(websocket ? &program_wsd : program_sse);
	struct str said = { 0 };
	int fd[2], peer[3];

	host_pair(fd, SOCK_SEQPACKET);
	link_new(server, fd[0]);
	send_packet(fd[1], HANDOVER_HELLO, 0, HANDOVER_HELLO_TEXT,
	    strlen(HANDOVER_HELLO_TEXT));
	send_packet(fd[1], HANDOVER_PARK, 1, client, sizeof(client));
	host_run(fd[1], &said);
	MUST(said.len > sizeof(struct handover_head));
	send_fuzzed(fd[1], bytes, len, nfds, peer);
	host_run(fd[1], &said);
	for (unsigned i = 0; i < nfds; i++)
		close(peer[i]);
	host_close(fd[1]);
	link_close_all();
	str_free(&said);
}

int
fuzz_packet(const uint8_t *data, size_t len)
{
	struct packet packet;
	unsigned char *copy;
	unsigned nfds;

	if (len < 1)
		return 0;
	nfds = data[0] % 4;
	len--;
	copy = xmalloc(len + 1);
	memcpy(copy, data + 1, len);
	copy = xreallocarray(copy, len > 0 ? len : 1, 1);
	if (packet_read(&packet, copy, len, nfds) == NULL) {
		const unsigned char *bytes = (const void *)packet.bytes;

		MUST(packet.items == copy + sizeof(struct handover_head));
		MUST(bytes >= packet.items && bytes + packet.len == copy + len);
		MUST((packet.type == HANDOVER_CLIENT) == (nfds == 1));
		for (uint32_t i = 0; i < packet.count; i++)
			if (packet.type == HANDOVER_TAKEN)
				MUST(packet_pair(&packet, i).number <
				     HANDOVER_NUMBERS);
			else
				MUST(packet_number(&packet, i) <
				     HANDOVER_NUMBERS);
		check_variables(packet.bytes, packet.len);
	}
	check_variables((const char *)copy, len);
	check_request((const char *)copy, len);
	hand_over(copy, len, nfds, (data[0] & 4) != 0);
	free(copy);
	return 0;
}
