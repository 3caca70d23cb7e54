/* SPDX-License-Identifier: MIT */
/* The loop, the engine, the writer and both kinds of connections. */
#include "config.h"

#include <sys/socket.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "daemon/wsconn.h"
#include "daemon/wsform.h"
#include "daemon/wsread.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/link.h"
#include "shared/intake/server.h"
#include "shared/publish/writer.h"
#include "shared/table/db.h"
#include "shared/wire/fcgi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define TURNS_MAX  2000   /* of the loop, for one answer */
#define END_MS     120000 /* for all to be over */
#define PIECE      60000  /* bytes of content of one record */
#define FOREVER_MS 86400000

const struct program program_wsd = { .name = "wsd",
	.writes = true,
	.handed = wsconn_new_handed };

static struct server server;
static char folder[64];

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
clean(void)
{
	writer_stop(server.writer);
	hub_stop(&server.hub);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
start(void)
{
	struct db db = { 0 };
	char error[200];
	bool made;

	snprintf(folder, sizeof(folder), "/tmp/tidings-fuzz-XXXXXX");
	MUST(mkdtemp(folder) != NULL);
	MUST(config_load(&server.config, NULL, error, sizeof(error)) == 0);
	free(server.config.database);
	free(server.config.run_dir);
	server.config.run_dir = xstrndup(folder, strlen(folder));
	snprintf(error, sizeof(error), "%s/db", folder);
	server.config.database = xstrndup(error, strlen(error));
	server.config.ws_echo = true;
	server.config.publish_from_loopback = true;
	server.config.max_data = 2000;
	server.config.max_body = 20000;
	server.config.max_channels = 10;
	server.config.ws_max_channels = 20;
	/* A fuzzer on a busy machine is slower than any client. */
	server.config.ws_handshake_ms = FOREVER_MS;
	server.config.ws_message_ms = FOREVER_MS;
	server.config.ws_closing_ms = FOREVER_MS;
	server.config.heartbeat_ms = FOREVER_MS;
	server.config.stall_ms = FOREVER_MS;
	server.handover_uid = geteuid();
	signal(SIGPIPE, SIG_IGN);
	MUST(ev_default_loop(0) != NULL);
	MUST(db_create(&db, server.config.database, 0600, &made) == DB_OK);
	db_close(&db);
	MUST(hub_start(&server.hub, &server.config, NULL) == DB_OK);
	server.writer = writer_start(&server.config, NULL, true);
	wsform_configure(&server.config);
	wsread_init();
	atexit(clean);
}

struct server *
host(const struct program *program)
{
	if (server.config.database == NULL)
		start();
	server.program = program;
	return &server;
}

void
host_pair(int fd[2], int type)
{
	MUST(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) ==
	     0);
}

/* One turn of the loop.  Returns whether something was said. */
static bool
turn(int fd, struct str *said)
{
	size_t before = said->len;
	char buf[4096];
	ssize_t n;

	ev_run(EV_DEFAULT_UC_ EVRUN_NOWAIT);
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		str_add(said, buf, (size_t)n);
	return said->len > before;
}

void
host_run(int fd, struct str *said)
{
	int silent = 0;

	for (int i = 0; i < TURNS_MAX && silent < 2; i++)
		silent = turn(fd, said) ? 0 : silent + 1;
}

void
host_speak(int fd, const void *bytes, size_t len, size_t step, struct str *said)
{
	const char *b = bytes;
	int64_t until_ms = clock_mono_ms() + END_MS;
	size_t at = 0;

	while (at < len) {
		size_t left = len - at;
		ssize_t n = send(fd, b + at, left < step ? left : step,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno != EAGAIN)
			break;
		at += n == -1 ? 0 : (size_t)n;
		turn(fd, said);
		MUST(clock_mono_ms() < until_ms);
	}
	host_run(fd, said);
	str_add(said, "", 0);
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

void
host_close(int fd)
{
	int64_t until_ms = clock_mono_ms() + END_MS;
	ev_timer tick;

	close(fd);
	ev_timer_init(&tick, on_tick, 0.001, 0.001);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	/* The writer may have work of theirs. */
	while (wsconn_count() + conn_count() > 0) {
		ev_run(EV_DEFAULT_UC_ 0);
		MUST(clock_mono_ms() < until_ms);
	}
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
	MUST(wsconn_count_taken() == 0);
	MUST(server.hub.nclients == 0 && server.hub.nsubs == 0);
}

static void
add_record(struct str *out, enum fcgi_type type, const char *bytes, size_t len)
{
	unsigned char header[FCGI_HEADER_LEN];

	fcgi_put_header(header, type, 1, len);
	str_add(out, header, sizeof(header));
	str_add(out, bytes, len);
}

/* A stream: records with all of it, and an empty one. */
static void
add_stream(struct str *out, enum fcgi_type type, const char *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += PIECE)
		add_record(out, type, bytes + at,
		    len - at < PIECE ? len - at : PIECE);
	add_record(out, type, "", 0);
}

void
host_add_request(struct str *out, const char *variables, size_t len,
    const void *body, size_t body_len, bool keep)
{
	const char begin[8] = { 0, 1, keep };
	struct str pairs = { 0 };

	for (const char *p = variables; p < variables + len;) {
		size_t n[2] = { strlen(p), strlen(p + strlen(p) + 1) };

		for (int i = 0; i < 2; i++)
			str_addf(&pairs, "%c%c%c%c", 0x80,
			    (int)(n[i] >> 16 & 0xff), (int)(n[i] >> 8 & 0xff),
			    (int)(n[i] & 0xff));
		str_add(&pairs, p, n[0]);
		str_add(&pairs, p + n[0] + 1, n[1]);
		p += n[0] + n[1] + 2;
	}
	add_record(out, FCGI_BEGIN_REQUEST, begin, sizeof(begin));
	add_stream(out, FCGI_PARAMS, pairs.p, pairs.len);
	add_stream(out, FCGI_STDIN, body, body_len);
	str_free(&pairs);
}

void
host_add_frame(struct str *out, int opcode, const void *bytes, size_t len)
{
	/* A mask of zeros changes nothing. */
	static const char mask[4];

	str_addf(out, "%c", 0x80 | opcode);
	if (len < 126)
		str_addf(out, "%c", 0x80 | (int)len);
	else if (len < 65536)
		str_addf(out, "%c%c%c", 0x80 | 126, (int)(len >> 8),
		    (int)(len & 0xff));
	else
		str_addf(out, "%c%c%c%c%c%c%c%c%c", 0x80 | 127, 0, 0, 0, 0, 0,
		    (int)(len >> 16 & 0xff), (int)(len >> 8 & 0xff),
		    (int)(len & 0xff));
	str_add(out, mask, sizeof(mask));
	str_add(out, bytes, len);
}
