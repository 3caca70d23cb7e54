/* SPDX-License-Identifier: MIT */
/*
 * The publisher of the benchmark: at fixed times, one message at a time.
 *
 * The time in a message is taken just before it is handed in, so latency
 * counts the commit or the POST as well. When one takes longer than the
 * interval, the next ones follow at once until the plan is caught up.
 *
 * Or in batches, as a feeder with thousands of messages a second does: so many
 * milliseconds apart, all that is due in one transaction.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/fcgi.h"
#include "bench/message.h"
#include "bench/publisher.h"
#include "bench/ws.h"

static const char insert_sql[] =
#include "bench/insert.inc"
    ;

#define BUSY_MS     5000  /* how long a busy database is waited for */
#define BATCH_BYTES 32768 /* bytes at which the bare loop gets a batch */

static struct sqlite3_stmt *
prepare_next(struct publisher *p, const char *path, const char **sql)
{
	struct sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(p->db, *sql, -1, &stmt, sql) != SQLITE_OK)
		errx(1, "%s: %s", path, sqlite3_errmsg(p->db));
	return stmt;
}

/* Open the database; statements before the INSERT are for the connection. */
static void
open_db(struct publisher *p, const char *path)
{
	const char *sql = insert_sql;

	if (sqlite3_open_v2(path, &p->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		errx(1, "%s: %s", path, sqlite3_errmsg(p->db));
	sqlite3_busy_timeout(p->db, BUSY_MS);
	for (;;) {
		p->stmt = prepare_next(p, path, &sql);
		if (sqlite3_bind_parameter_count(p->stmt) > 0)
			break;
		sqlite3_step(p->stmt);
		sqlite3_finalize(p->stmt);
	}
	p->begin = prepare_next(p, path, &sql);
	p->commit = prepare_next(p, path, &sql);
	sqlite3_bind_text(p->stmt, 1, p->channel, -1, SQLITE_STATIC);
}

static void
open_http(struct publisher *p, const char *spec)
{
	const char *slash = strchr(spec, '/');
	char address[64];

	if (slash == NULL || (size_t)(slash - spec) >= sizeof(address) ||
	    strlen(slash) >= sizeof(p->path))
		errx(1, "not http:HOST:PORT/PATH: http:%s", spec);
	memcpy(address, spec, (size_t)(slash - spec));
	address[slash - spec] = '\0';
	memcpy(p->path, slash, strlen(slash) + 1);
	target_parse(&p->target, address);
	p->fd = target_xconnect(&p->target);
}

static void
open_bare(struct publisher *p, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		errx(1, "path too long: %s", path);
	memcpy(un.sun_path, path, strlen(path));
	p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->fd == -1 ||
	    connect(p->fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		err(1, "%s", path);
}

void
publisher_open(struct publisher *p, const char *spec)
{
	p->fd = -1;
	if (spec == NULL) {
		p->way = PUBLISH_NONE;
	} else if (strncmp(spec, "db:", 3) == 0) {
		p->way = PUBLISH_DB;
		open_db(p, spec + 3);
	} else if (strncmp(spec, "http:", 5) == 0) {
		p->way = PUBLISH_HTTP;
		open_http(p, spec + 5);
	} else if (strncmp(spec, "bare:", 5) == 0) {
		p->way = PUBLISH_BARE;
		open_bare(p, spec + 5);
	} else {
		errx(1, "not db:, http: or bare: %s", spec);
	}
	if (p->batch_ms > 0 && p->way == PUBLISH_HTTP)
		errx(1, "batches are for db: and bare:");
}

static int
run_statement(struct publisher *p, struct sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	if (rc == SQLITE_DONE)
		return 0;
	warnx("publish: %s", sqlite3_errmsg(p->db));
	return -1;
}

static int
publish_db(struct publisher *p, const char *text)
{
	sqlite3_bind_text(p->stmt, 2, text, (int)p->shape.size, SQLITE_STATIC);
	return run_statement(p, p->stmt);
}

static int
send_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Read one answer; its status, or -1 when the connection is lost. */
static int
read_answer(int fd)
{
	struct http http = { 0 };
	const char *p, *body;
	char in[4096];
	size_t left, len;
	ssize_t n;
	int status = -1;
	enum http_event event;

	http_begin(&http, 0);
	while ((n = recv(fd, in, sizeof(in), 0)) > 0) {
		p = in;
		left = (size_t)n;
		do {
			event = http_next(&http, &p, &left, &body, &len);
			if (event == HTTP_HEAD)
				status = http.status;
			if (event == HTTP_END)
				return status;
		} while (event == HTTP_HEAD || event == HTTP_BODY);
		if (event == HTTP_BAD)
			break;
	}
	return -1;
}

static int
publish_http(struct publisher *p, const char *text)
{
	int status;

	p->out.len = 0;
	buf_printf(&p->out,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    p->path, p->target.host, p->shape.size);
	buf_add(&p->out, text, p->shape.size);
	if (p->fd == -1)
		p->fd = target_xconnect(&p->target);
	if (send_all(p->fd, p->out.p, p->out.len) == 0) {
		status = read_answer(p->fd);
		if (status >= 200 && status <= 299)
			return 0;
		if (status != -1)
			warnx("publish: status %d", status);
	}
	close(p->fd);
	p->fd = -1;
	return -1;
}

/* Wrap the message as its readers expect it; the bare loop only copies. */
static void
wrap_bare(struct publisher *p, const char *text)
{
	struct buf event = { 0 };

	if (p->wrap == WRAP_WS) {
		ws_add_plain(&p->out, WS_TEXT, text, p->shape.size);
		return;
	}
	buf_printf(&event, "id: 0123456789abcdef-1000\ndata: ");
	buf_add(&event, text, p->shape.size);
	buf_printf(&event, "\n\n");
	if (p->wrap == WRAP_FCGI)
		fcgi_add_stdout(&p->out, event.p, event.len);
	else
		buf_add(&p->out, event.p, event.len);
	buf_free(&event);
}

/* Hand over what is wrapped. */
static int
send_bare(struct publisher *p)
{
	int rc = send_all(p->fd, p->out.p, p->out.len);

	p->out.len = 0;
	if (rc == -1)
		warn("publish");
	return rc;
}

static int
publish_bare(struct publisher *p, const char *text)
{
	wrap_bare(p, text);
	return send_bare(p);
}

static int
publish(struct publisher *p, char *text, uint32_t seq)
{
	struct message m = { .run = p->run, .seq = seq };

	m.sent_ns = clock_ns();
	message_make(text, &p->shape, &m);
	switch (p->way) {
	case PUBLISH_DB:
		return publish_db(p, text);
	case PUBLISH_HTTP:
		return publish_http(p, text);
	case PUBLISH_BARE:
		return publish_bare(p, text);
	case PUBLISH_NONE:
		break;
	}
	return 0;
}

static void
sleep_until(uint64_t when_ns)
{
	struct timespec ts;

	ts.tv_sec = (time_t)(when_ns / 1000000000u);
	ts.tv_nsec = (long)(when_ns % 1000000000u);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* When message number seq is due. */
static uint64_t
due_ns(const struct publisher *p, uint64_t begin_ns, uint32_t seq)
{
	return begin_ns + (uint64_t)((seq - 1) * 1e9 / p->per_second);
}

static void
publish_singly(struct publisher *p, char *text, uint64_t begin_ns)
{
	uint32_t seq;

	for (seq = 1; seq <= p->messages && !p->stop; seq++) {
		sleep_until(due_ns(p, begin_ns, seq));
		if (publish(p, text, seq) == -1)
			p->failed++;
		else
			p->published++;
	}
}

/* Put a message into the batch; -1 if it could not be. */
static int
add_to_batch(struct publisher *p, const char *text)
{
	if (p->way == PUBLISH_DB)
		return publish_db(p, text);
	wrap_bare(p, text);
	return p->out.len < BATCH_BYTES ? 0 : send_bare(p);
}

/*
 * Publish all that is due, from message seq on, as one; the number behind it.
 * The time in a message is the one at which it was due, so that a publisher
 * who can't keep up is seen as delay.
 */
static uint32_t
publish_batch(struct publisher *p, char *text, uint64_t begin_ns, uint32_t seq)
{
	uint64_t now_ns = clock_ns();
	struct message m = { .run = p->run, .seq = seq };
	uint32_t first = seq;
	int rc = 0;

	if (p->way == PUBLISH_DB)
		rc = run_statement(p, p->begin);
	for (; rc == 0 && seq <= p->messages; seq++) {
		m.seq = seq;
		m.sent_ns = due_ns(p, begin_ns, seq);
		if (m.sent_ns > now_ns)
			break;
		message_make(text, &p->shape, &m);
		rc = add_to_batch(p, text);
	}
	if (rc == 0 && p->way == PUBLISH_DB)
		rc = run_statement(p, p->commit);
	else if (rc == 0 && p->out.len > 0)
		rc = send_bare(p);
	if (rc == -1)
		errx(1, "a batch could not be published");
	p->published += seq - first;
	return seq;
}

static void
publish_batches(struct publisher *p, char *text, uint64_t begin_ns)
{
	uint64_t at_ns = begin_ns, step_ns = (uint64_t)p->batch_ms * 1000000u;
	uint32_t seq = 1;

	while (seq <= p->messages && !p->stop) {
		if (at_ns < due_ns(p, begin_ns, seq))
			at_ns = due_ns(p, begin_ns, seq);
		sleep_until(at_ns);
		seq = publish_batch(p, text, begin_ns, seq);
		at_ns += step_ns;
	}
}

static void *
publish_all(void *arg)
{
	struct publisher *p = arg;
	uint64_t begin_ns = clock_ns();
	char *text = malloc(p->shape.size);

	if (text == NULL)
		err(1, "message");
	if (p->batch_ms > 0)
		publish_batches(p, text, begin_ns);
	else
		publish_singly(p, text, begin_ns);
	free(text);
	p->took_ns = clock_ns() - begin_ns;
	p->done = 1;
	return NULL;
}

void
publisher_start(struct publisher *p)
{
	sigset_t all, old;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	errno = pthread_create(&p->thread, NULL, publish_all, p);
	if (errno != 0)
		err(1, "thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	p->started = 1;
}

void
publisher_join(struct publisher *p)
{
	if (p->started)
		pthread_join(p->thread, NULL);
	p->started = 0;
}

void
publisher_close(struct publisher *p)
{
	publisher_join(p);
	sqlite3_finalize(p->stmt);
	sqlite3_finalize(p->begin);
	sqlite3_finalize(p->commit);
	sqlite3_close(p->db);
	if (p->fd != -1)
		close(p->fd);
	buf_free(&p->out);
	p->stmt = p->begin = p->commit = NULL;
	p->db = NULL;
	p->fd = -1;
}
