/* SPDX-License-Identifier: MIT */
/*
 * Publishing over HTTP, for those who can't reach the database: a raw body,
 * form fields, or a JSON array.  Also what is known of a channel, and removing
 * its messages.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "shared/access/access.h"
#include "shared/base/board.h"
#include "shared/base/chore.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/req.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/publish/publish.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"
#include "shared/table/want.h"

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"

/* A publish or removal that the writer has. */
struct task {
	struct publish publish; /* the job and its texts */
	struct server *server;  /* whose */
	struct conn *conn;      /* who waits */
	unsigned named;         /* places where channels are named */
	bool list;              /* the answer is a list */
};

static void
task_free(struct task *task)
{
	publish_free(&task->publish);
	free(task);
}

static void
answer_job(struct task *task, struct req *req)
{
	const struct job *job = &task->publish.job;
	struct str out = { 0 };
	int status = publish_status(job);
	bool again = false;

	if (status != 201) {
		if (status == 503)
			server_db_refusal(task->server, req, job->status,
			    job->error);
		else if (job->n > 1)
			req_fail(req, status, 1501, "message %zu: %s",
			    job->failed + 1, job->error);
		else
			req_fail(req, status, 1502, "%s", job->error);
		return;
	}
	str_addz(&out, task->list ? "[" : "");
	for (size_t i = 0; i < job->n; i++) {
		str_addz(&out, i > 0 ? "," : "");
		publish_add_result(&out, job, i);
		again = again || job->outcomes[i].again;
	}
	str_addz(&out, task->list ? "]\n" : "\n");
	req_answer(req, 201, JSON,
	    again ? "Cache-Control: no-store\r\nIdempotent-Replayed: true\r\n"
		  : "Cache-Control: no-store\r\n",
	    out.p, out.len);
	str_free(&out);
}

/* The writer is done with it. */
static void
on_done(struct job *job)
{
	struct task *task = job->arg;
	struct conn *conn = task->conn;
	struct req *req = conn->req;
	bool is_cgi = task->server->is_cgi;

	if (job->n > 0)
		answer_job(task, req);
	else if (job->status != DB_OK)
		server_db_refusal(task->server, req, job->status, job->error);
	else
		req_answer(req, 204, NULL, "", "", 0);
	task_free(task);
	/* By CGI we are still inside handle, and the caller goes on. */
	if (!is_cgi)
		conn_answered(conn);
}

/* Hands the task over, or refuses; it is gone then in either case. */
static void
submit(struct task *task, struct req *req)
{
	struct job *job = &task->publish.job;

	job->done = on_done;
	job->arg = task;
	job->outcomes = xcalloc(job->n, sizeof(*job->outcomes));
	if (writer_submit(task->server->writer, job))
		return;
	board_add(task->server->board, BOARD_REFUSED, 1);
	req_fail(req, 429, 1503, "too many publishes wait already");
	task_free(task);
}

static bool
is_channel_arg(const struct req_arg *arg)
{
	return strcmp(arg->name, "channel") == 0 ||
	       strcmp(arg->name, "topic") == 0;
}

static bool
is_list_arg(const struct req_arg *arg)
{
	return strcmp(arg->name, "channels") == 0;
}

static const char *
first_of(const struct req *req, const char *a, const char *b)
{
	const struct req_arg *arg = req_arg(req, a);

	if (arg == NULL)
		arg = req_arg(req, b);
	return arg == NULL ? NULL : arg->value;
}

/* A name that was cut at a NUL would be another name. */
static int
check_nuls(struct req *req)
{
	for (size_t i = 0; i < req->nargs; i++) {
		const struct req_arg *arg = &req->args[i];

		if (strcmp(arg->name, "data") != 0 &&
		    strlen(arg->value) != arg->value_len) {
			req_fail(req, 400, 1504, "%.60s holds a NUL",
			    arg->name);
			return -1;
		}
	}
	return 0;
}

/* One message to one channel, unless it is to go there already. */
static int
add_to_channel(struct task *task, struct wants *names, struct message *m,
    const char *channel)
{
	struct publish *p = &task->publish;

	m->channel = channel;
	if (publish_add(p, &task->server->config, m) == -1)
		return -1;
	if (!wants_add(names, channel, strlen(channel), false))
		p->job.n--;
	return 0;
}

/* The same to each of a comma list; empty parts are skipped. */
static int
add_to_list(struct task *task, struct wants *names, struct message *m,
    const char *list)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ",");

		if (len > 0 &&
		    add_to_channel(task, names, m,
			publish_keep(&task->publish, list, len)) == -1)
			return -1;
		list += len + (list[len] == ',');
	}
	return 0;
}

/* One message to every channel that the request names, once to each. */
static int
add_to_channels(struct task *task, struct req *req, struct message *m)
{
	struct publish *p = &task->publish;
	struct wants names = { 0 };
	int rc = 0;

	for (size_t i = 0; i < req->nargs && rc == 0; i++) {
		if (is_channel_arg(&req->args[i])) {
			rc =
			    add_to_channel(task, &names, m, req->args[i].value);
			task->named++;
		} else if (is_list_arg(&req->args[i])) {
			rc = add_to_list(task, &names, m, req->args[i].value);
			task->named += 2; /* a list, whatever is in it */
		}
		if ((int64_t)p->job.n > task->server->config.max_channels) {
			req_fail(req, 400, 1516, "more than %lld channels",
			    (long long)task->server->config.max_channels);
			wants_free(&names);
			return -1;
		}
	}
	if (p->job.n == 0 && rc == 0)
		rc = publish_add(p, &task->server->config, m);
	task->list = task->named > 1;
	if (rc == -1)
		req_fail(req, p->status, 1505, "%s", p->error);
	wants_free(&names);
	return rc;
}

/* What stands in headers or in the query as well as in a form. */
static void
read_common(const struct req *req, struct message *m)
{
	const char *event = req_var(req, "HTTP_EVENT_TYPE");
	const char *key = req_var(req, "HTTP_IDEMPOTENCY_KEY");

	m->event = event[0] != '\0' ? event : first_of(req, "event", "type");
	m->dedup = key[0] != '\0' ? key : NULL;
	if (m->event != NULL && m->event[0] == '\0')
		m->event = NULL;
}

static int
add_form(struct task *task, struct req *req)
{
	const struct req_arg *data = req_arg(req, "data");
	struct message m = { 0 };

	if (data == NULL) {
		req_fail(req, 400, 1506,
		    "the form has no field data; plain text wants "
		    "Content-Type: text/plain");
		return -1;
	}
	read_common(req, &m);
	m.data = data->value;
	m.data_len = data->value_len;
	return add_to_channels(task, req, &m);
}

static int
check_charset(struct req *req, const char *type)
{
	const char *charset = strstr(type, "charset=");

	if (charset == NULL)
		return 0;
	charset += 8 + (charset[8] == '"');
	if (strncasecmp(charset, "utf-8", 5) == 0 ||
	    strncasecmp(charset, "utf8", 4) == 0 ||
	    strncasecmp(charset, "us-ascii", 8) == 0)
		return 0;
	req_fail(req, 415, 1507, "text is taken as UTF-8 alone");
	return -1;
}

static int
add_raw(struct task *task, struct req *req)
{
	const char *type = req_var(req, "CONTENT_TYPE");
	struct message m = { .data = req->body.len == 0 ? "" : req->body.p,
		.data_len = req->body.len };

	read_common(req, &m);
	if (req_type_is(req, "multipart/form-data")) {
		req_fail(req, 415, 1508,
		    "multipart/form-data is not taken: send "
		    "application/x-www-form-urlencoded or a raw body");
		return -1;
	}
	if (type[0] != '\0' && !req_type_is(req, FORM)) {
		m.content_type = type;
		m.is_blob = !publish_type_is_text(type);
		if (!m.is_blob && check_charset(req, type) == -1)
			return -1;
	} else {
		m.is_blob = !utf8_valid(m.data, m.data_len);
	}
	return add_to_channels(task, req, &m);
}

static int
add_batch(struct task *task, struct req *req)
{
	struct publish *p = &task->publish;
	const char *channel = first_of(req, "channel", "topic");
	char error[200];
	json_t *item;
	size_t i;

	p->root = publish_parse(req->body.len == 0 ? "" : req->body.p,
	    req->body.len, error, sizeof(error));
	if (p->root == NULL || !json_is_array(p->root)) {
		req_fail(req, 400, 1509, "a batch must be a JSON array: %s",
		    p->root == NULL ? error : "it is something else");
		return -1;
	}
	json_array_foreach(p->root, i, item)
	{
		if (publish_add_json(p, &task->server->config, item, channel) ==
		    0)
			continue;
		req_fail(req, p->status, 1510, "message %zu: %s", i + 1,
		    p->error);
		return -1;
	}
	if (p->job.n == 0) {
		req_fail(req, 400, 1511, "the batch is empty");
		return -1;
	}
	task->list = true;
	return 0;
}

static int
read_messages(struct task *task, struct req *req)
{
	const struct req_arg *batch = req_arg(req, "batch");

	if (batch != NULL && strcmp(batch->value, "1") == 0 &&
	    req_type_is(req, JSON))
		return add_batch(task, req);
	if (check_nuls(req) == -1)
		return -1;
	return req_has_form(req) ? add_form(task, req) : add_raw(task, req);
}

static struct task *
task_new(struct server *server, struct conn *conn)
{
	struct task *task = xcalloc(1, sizeof(*task));

	task->server = server;
	task->conn = conn;
	return task;
}

static void
publish(struct server *server, struct conn *conn, struct req *req)
{
	struct task *task;

	task = task_new(server, conn);
	if (read_messages(task, req) == -1)
		task_free(task);
	else
		submit(task, req);
}

/* The one channel that GET and DELETE are about. */
static const char *
read_channel(struct req *req)
{
	const char *channel = first_of(req, "channel", "topic");

	if (channel == NULL) {
		req_fail(req, 400, 1513, "name a channel by channel=");
		return NULL;
	}
	if (check_nuls(req) == -1)
		return NULL;
	for (size_t i = 0; i < req->nargs; i++) {
		const struct req_arg *arg = &req->args[i];

		if (is_list_arg(arg) ||
		    (is_channel_arg(arg) && strcmp(arg->value, channel) != 0)) {
			req_fail(req, 400, 1517,
			    "%s is about one channel: name only one, by "
			    "channel=",
			    req_var(req, "REQUEST_METHOD"));
			return NULL;
		}
	}
	if (!name_valid(channel, strlen(channel))) {
		req_fail(req, 400, 1514,
		    "a channel name must be 1 to 255 bytes of UTF-8 without "
		    "control characters");
		return NULL;
	}
	return channel;
}

static void
add_cursor(struct str *out, const char *name, const char *epoch, int64_t id)
{
	if (id == 0)
		str_addf(out, "\"%s\":null,", name);
	else
		str_addf(out, "\"%s\":\"%s-%lld\",", name, epoch,
		    (long long)id);
}

/* A channel whose messages are being counted. */
struct counting {
	struct chore chore;      /* first: it is found so */
	struct server *server;   /* whose database */
	struct conn *conn;       /* who asks */
	const char *channel;     /* the request's */
	struct change_info info; /* so far */
	bool late;               /* handle has returned */
};

static void
describe(struct counting *c)
{
	const struct hub *hub = &c->server->hub;
	struct str out = { 0 };

	str_addz(&out, "{\"channel\":");
	str_add_json(&out, c->channel, strlen(c->channel));
	str_addf(&out, ",\"count\":%lld,", (long long)c->info.count);
	add_cursor(&out, "first", hub->epoch, c->info.first_id);
	add_cursor(&out, "last", hub->epoch, c->info.last_id);
	str_addf(&out, "\"subscribers\":%lld}\n",
	    (long long)board_subscribers(c->server->config.run_dir,
		c->channel));
	req_answer(c->conn->req, 200, JSON, "Cache-Control: no-cache\r\n",
	    out.p, out.len);
	str_free(&out);
}

static bool
count_piece(struct chore *chore, int64_t until_us)
{
	struct counting *c = (struct counting *)(void *)chore;
	struct hub *hub = &c->server->hub;
	struct conn *conn = c->conn;
	enum db_status status = hub_refresh(hub);
	bool done = false, late = c->late;

	if (status == DB_OK)
		status = change_count(&hub->db, &c->info, c->channel, until_us,
		    &done);
	if (status == DB_OK && !done && conn->sink.is_open)
		return false;
	if (!conn->sink.is_open)
		; /* it did not wait for us */
	else if (status != DB_OK)
		server_db_refusal(c->server, conn->req, status, hub->db.error);
	else
		describe(c);
	free(c);
	if (late)
		conn_go_on(conn);
	return true;
}

static void
drop_counting(struct chore *chore)
{
	free(chore);
}

static void
count_channel(struct server *server, struct conn *conn, struct req *req)
{
	const char *channel = read_channel(req);
	struct counting *c;

	if (channel == NULL)
		return;
	c = xcalloc(1, sizeof(*c));
	*c = (struct counting){ .chore = { .piece = count_piece,
				    .drop = drop_counting },
		.server = server,
		.conn = conn,
		.channel = channel };
	if (!chore_begin(&c->chore))
		c->late = true;
}

static void
remove_messages(struct server *server, struct conn *conn, struct req *req)
{
	const char *channel = read_channel(req);
	struct task *task;

	if (channel == NULL)
		return;
	task = task_new(server, conn);
	task->publish.job.channel = channel;
	submit(task, req);
}

static bool
is_reading(const struct req *req)
{
	return req_is(req, "GET") || req_is(req, "HEAD");
}

static int
admit(struct server *server, struct req *req)
{
	enum access access = ACCESS_YES;

	(void)server;
	if (!is_reading(req))
		access = access_may_publish(req_subject(req), NULL);
	if (access == ACCESS_YES)
		return 0;
	req_fail(req, access_status(access), 1515, "%s",
	    access_sentence(access));
	return -1;
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	if (is_reading(req))
		count_channel(server, conn, req);
	else if (req_is(req, "DELETE"))
		remove_messages(server, conn, req);
	else
		publish(server, conn, req);
}

static const struct program program = {
	.name = "publish",
	.methods = "GET, HEAD, POST, DELETE",
	.takes_bodies = true,
	.writes = true,
	.admit = admit,
	.handle = handle,
};

int
main(int argc, char **argv)
{
	return serve_main(&program, argc, argv);
}
