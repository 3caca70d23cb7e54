/* SPDX-License-Identifier: MIT */
/*
 * What a client of the subprotocol tidings.json may ask: subscribe,
 * unsubscribe, publish, ping.  Each is answered once, with its `ref`.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "daemon/wsconn.h"
#include "daemon/wsop.h"
#include "daemon/wsread.h"
#include "shared/access/access.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/engine/client.h"
#include "shared/engine/hub.h"
#include "shared/intake/interest.h"
#include "shared/intake/req.h"
#include "shared/intake/seek.h"
#include "shared/intake/server.h"
#include "shared/publish/mute.h"
#include "shared/publish/publish.h"
#include "shared/publish/writer.h"
#include "shared/wire/chunk.h"

#define OP_WORK  4096    /* of an operation; see wsread_add_work */
#define SUBS_MAX 2000000 /* subscriptions of all connections together */

/* A publish that the writer has. */
struct task {
	struct publish publish; /* the job and its texts */
	struct wsconn *conn;    /* who waits */
	json_t *ref;            /* of the request, or NULL */
	bool list;              /* the answer is a list */
	bool echo;              /* the publisher gets it as well */
};

static void
add_ref(struct str *out, const json_t *ref)
{
	char *text;

	if (ref == NULL)
		return;
	text = json_dumps(ref, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL)
		str_addf(out, ",\"ref\":%s", text);
	free(text);
}

static void
send_text(struct wsconn *conn, struct str *out)
{
	wsconn_send(conn, ws_frame(WS_TEXT, out->p, out->len));
	str_free(out);
}

static void fail(struct wsconn *conn, const json_t *ref, int status,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
fail(struct wsconn *conn, const json_t *ref, int status, const char *fmt, ...)
{
	struct str out = { 0 };
	char detail[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	str_addz(&out, "{\"op\":\"error\"");
	add_ref(&out, ref);
	str_addf(&out, ",\"status\":%d,\"detail\":", status);
	str_add_json(&out, detail, strlen(detail));
	str_addz(&out, "}");
	send_text(conn, &out);
}

static void
succeed(struct wsconn *conn, const json_t *ref, int64_t cursor)
{
	struct str out = { 0 };

	str_addz(&out, "{\"op\":\"ok\"");
	add_ref(&out, ref);
	str_addf(&out, ",\"cursor\":\"%s-%lld\"}", conn->server->hub.epoch,
	    (long long)cursor);
	send_text(conn, &out);
}

/* Adds a name, or each name of an array.  Returns NULL or what is wrong. */
static const char *
add_names(struct interest *in, json_t *value, bool is_prefix, int64_t max)
{
	size_t n = json_is_array(value) ? json_array_size(value) : 1;

	for (size_t i = 0; i < n; i++) {
		json_t *item =
		    json_is_array(value) ? json_array_get(value, i) : value;
		const char *name = json_string_value(item);
		size_t len = json_string_length(item);

		if (name == NULL || !name_valid(name, len))
			return "a channel name or prefix must be a string of 1 "
			       "to 255 bytes without control characters";
		if (wants_add(&in->wants, name, len, is_prefix) &&
		    (int64_t)in->wants.n > max)
			return "too many channels";
	}
	return NULL;
}

/* What subscribe and unsubscribe name.  Returns NULL or what is wrong. */
static const char *
read_wants(json_t *root, struct interest *in, int64_t max)
{
	static const struct {
		const char *name;
		bool is_prefix;
	} members[] = { { "channel", false }, { "topic", false },
		{ "channels", false }, { "prefix", true } };
	const char *wrong = NULL;

	for (size_t i = 0; i < 4 && wrong == NULL; i++) {
		json_t *value = json_object_get(root, members[i].name);

		if (value != NULL && !json_is_null(value))
			wrong = add_names(in, value, members[i].is_prefix, max);
	}
	if (wrong == NULL && in->wants.n == 0)
		wrong = "no channel: name one by channel, channels or prefix";
	return wrong;
}

static bool
read_since(json_t *root, struct cursor *cursor)
{
	json_t *since = json_object_get(root, "since");
	char number[32];

	*cursor = (struct cursor){ .kind = CURSOR_LATEST };
	if (since == NULL || json_is_null(since))
		return true;
	if (json_is_integer(since)) {
		snprintf(number, sizeof(number), "%lld",
		    (long long)json_integer_value(since));
		return cursor_parse(number, cursor);
	}
	return json_is_string(since) &&
	       strlen(json_string_value(since)) == json_string_length(since) &&
	       cursor_parse(json_string_value(since), cursor);
}

/* How many of them it does not have yet. */
static size_t
count_new(const struct client *client, const struct wants *wants)
{
	size_t n = 0;

	for (size_t i = 0; i < wants->n; i++)
		n += client_has(client, &wants->p[i]) ? 0 : 1;
	return n;
}

/* Those that it has already and that name no cursor stay as they are. */
static size_t
drop_known(const struct client *client, struct wants *wants)
{
	size_t kept = 0;

	for (size_t i = 0; i < wants->n; i++)
		if (!client_has(client, &wants->p[i]))
			wants->p[kept++] = wants->p[i];
	return kept;
}

/* A subscribe whose cursor is being looked up. */
struct subscribing {
	struct seek seek;    /* first: it is found so */
	struct wsconn *conn; /* who waits */
	json_t *root;        /* the operation: the names are its */
	json_t *ref;         /* of the request, or NULL */
	bool late;           /* it came in another turn */
};

static void
free_subscribing(struct seek *seek)
{
	struct subscribing *s = (struct subscribing *)(void *)seek;

	seek_free(seek);
	json_decref(s->ref);
	json_decref(s->root);
	free(s);
}

static void
subscribe_at(struct wsconn *conn, struct seek *seek, const json_t *ref)
{
	struct wants *wants = &seek->interest.wants;
	const struct place *place = &seek->place;
	size_t n = seek->interest.cursor.kind == CURSOR_LATEST
		       ? drop_known(&conn->client, wants)
		       : wants->n;

	succeed(conn, ref, place->after);
	if (place->reset)
		client_tell_reset(&conn->client, place->after);
	client_subscribe(&conn->client, wants->p, n, place->after);
}

static void
on_place(struct seek *seek, enum db_status status)
{
	struct subscribing *s = (struct subscribing *)(void *)seek;
	struct wsconn *conn = s->conn;
	bool late = s->late;

	conn->seek = NULL;
	if (late)
		wsconn_hold(conn);
	if (status == DB_OK)
		subscribe_at(conn, seek, s->ref);
	else
		fail(conn, s->ref, 503, "the database does not answer: %s",
		    conn->server->hub.db.error);
	free_subscribing(seek);
	if (late)
		wsconn_release(conn);
}

/* What is wrong with a subscribe, or NULL. */
static const char *
read_subscribe(const struct wsconn *conn, json_t *root, struct interest *in)
{
	int64_t max = conn->server->config.ws_max_channels;
	const char *wrong = read_wants(root, in, max);

	if (wrong == NULL &&
	    (int64_t)(conn->client.subs.n +
		      count_new(&conn->client, &in->wants)) > max)
		wrong = "too many channels";
	if (wrong == NULL && !read_since(root, &in->cursor))
		wrong = "since is not a cursor: EPOCH-ID, an id, earliest, "
			"latest or -N";
	return wrong;
}

/* It is answered once its place is found; nothing is read until then. */
static void
subscribe(struct wsconn *conn, json_t *root, json_t *ref)
{
	struct hub *hub = &conn->server->hub;
	struct interest in = { 0 };
	const char *wrong = read_subscribe(conn, root, &in);
	struct subscribing *s;

	if (wrong != NULL) {
		fail(conn, ref, 400, "%s", wrong);
		interest_free(&in);
		return;
	}
	if (hub->nsubs + in.wants.n > SUBS_MAX) {
		fail(conn, ref, 503, "this server has too many subscriptions");
		interest_free(&in);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->seek.interest = in;
	s->seek.found = on_place;
	s->seek.drop = free_subscribing;
	s->conn = conn;
	s->root = json_incref(root);
	s->ref = json_incref(ref);
	conn->seek = &s->seek;
	seek_begin(&s->seek, hub);
	if (conn->seek != NULL)
		s->late = true;
}

static void
unsubscribe(struct wsconn *conn, json_t *root, const json_t *ref)
{
	struct interest in = { 0 };
	const char *wrong = read_wants(root, &in, INT32_MAX);

	if (wrong != NULL) {
		fail(conn, ref, 400, "%s", wrong);
	} else {
		client_unsubscribe(&conn->client, in.wants.p, in.wants.n);
		succeed(conn, ref, conn->server->hub.last_id);
	}
	interest_free(&in);
}

static void
answer_job(struct task *task)
{
	const struct job *job = &task->publish.job;
	struct str out = { 0 };

	if (publish_status(job) != 201) {
		fail(task->conn, task->ref, publish_status(job), "%s",
		    job->error);
		return;
	}
	str_addz(&out, "{\"op\":\"ok\"");
	add_ref(&out, task->ref);
	str_addf(&out, ",\"id\":\"%s-%lld\",\"cursor\":\"%s-%lld\"", job->epoch,
	    (long long)job->outcomes[job->n - 1].id, job->epoch,
	    (long long)job->outcomes[job->n - 1].id);
	if (task->list) {
		str_addz(&out, ",\"messages\":[");
		for (size_t i = 0; i < job->n; i++) {
			str_addz(&out, i > 0 ? "," : "");
			publish_add_result(&out, job, i);
		}
		str_addz(&out, "]");
	}
	str_addz(&out, "}");
	send_text(task->conn, &out);
}

static void
free_task(struct task *task)
{
	struct job *job = &task->publish.job;

	if (job->mute != NULL)
		mute_settle(job->mute);
	json_decref(task->ref);
	publish_free(&task->publish);
	free(task);
}

static void
on_done(struct job *job)
{
	struct task *task = job->arg;
	struct wsconn *conn = task->conn;

	answer_job(task);
	conn->writing -= job->cost;
	free_task(task);
	wsconn_job_done(conn);
}

/* A key of the operation counts instead of what the handshake brought. */
static enum access
may_publish(const struct wsconn *conn, json_t *root)
{
	json_t *key = json_object_get(root, "key");

	if (key == NULL || json_is_null(key))
		return (enum access)conn->access;
	/* What is not text is no key that anybody could know. */
	return access_may_publish(req_subject(conn->req),
	    json_is_string(key) ? json_string_value(key) : "");
}

/* One message in the operation itself, or an array of them. */
static int
read_messages(struct task *task, json_t *root)
{
	/* htmx adds the headers of a request to each form that it sends. */
	static const char *const ours[] = { "op", "ref", "key", "echo",
		"headers", "HEADERS" };
	struct publish *p = &task->publish;
	json_t *list = json_object_get(root, "messages"), *item;
	const struct config *config = &task->conn->server->config;
	size_t i;

	task->list = json_is_array(list);
	if (!task->list) {
		for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			json_object_del(root, ours[i]);
		return publish_add_json(p, config, root, NULL);
	}
	json_array_foreach(list, i,
	    item) if (publish_add_json(p, config, item, NULL) == -1) return -1;
	if (p->job.n > 0)
		return 0;
	snprintf(p->error, sizeof(p->error), "messages is empty");
	p->status = 400;
	return -1;
}

static bool
submit(struct task *task)
{
	struct wsconn *conn = task->conn;
	struct job *job = &task->publish.job;

	job->outcomes = xcalloc(job->n, sizeof(*job->outcomes));
	job->done = on_done;
	job->arg = task;
	job->publisher = &conn->who;
	if (!task->echo)
		job->mute = client_mute(&conn->client, job->n);
	conn->jobs++;
	if (writer_submit(conn->server->writer, job)) {
		conn->writing += job->cost;
		return true;
	}
	conn->jobs--;
	if (job->mute != NULL)
		mute_cancel(&conn->client.mutes, job->mute);
	job->mute = NULL;
	return false;
}

static bool
read_echo(json_t *root, bool *echo)
{
	json_t *value = json_object_get(root, "echo");

	*echo = value == NULL || !json_is_false(value);
	return value == NULL || json_is_boolean(value);
}

static void
publish(struct wsconn *conn, json_t *root, json_t *ref)
{
	enum access access = may_publish(conn, root);
	struct task *task;
	bool echo;

	if (access == ACCESS_NO_KEY) {
		fail(conn, ref, access_status(access),
		    "publishing needs a key: \"key\" in the operation, or "
		    "Authorization: Bearer in the handshake");
		return;
	}
	if (access != ACCESS_YES) {
		fail(conn, ref, access_status(access), "%s",
		    access_sentence(access));
		return;
	}
	if (!read_echo(root, &echo)) {
		fail(conn, ref, 400, "echo must be true or false");
		return;
	}
	task = xcalloc(1, sizeof(*task));
	task->conn = conn;
	task->echo = echo;
	task->ref = json_incref(ref);
	task->publish.root = json_incref(root);
	if (read_messages(task, root) == -1)
		fail(conn, ref, task->publish.status, "%s",
		    task->publish.error);
	else if (submit(task))
		return;
	else
		fail(conn, ref, 429, "too many publishes wait already");
	free_task(task);
}

void
wsop_handle(struct wsconn *conn, const char *text, size_t len)
{
	json_t *root, *ref;
	const char *op;
	char error[200];

	if ((int64_t)len > conn->server->config.max_body) {
		fail(conn, NULL, 413, "an operation has at most %lld bytes",
		    (long long)conn->server->config.max_body);
		return;
	}
	wsread_add_work(OP_WORK);
	root = publish_parse(text, len, error, sizeof(error));
	if (!json_is_object(root)) {
		fail(conn, NULL, 400, "a message must be a JSON object%s%s",
		    root == NULL ? ": " : "", root == NULL ? error : "");
		json_decref(root);
		return;
	}
	op = json_string_value(json_object_get(root, "op"));
	ref = json_incref(json_object_get(root, "ref"));
	if (op == NULL)
		fail(conn, ref, 400, "there is no op");
	else if (strcmp(op, "subscribe") == 0)
		subscribe(conn, root, ref);
	else if (strcmp(op, "unsubscribe") == 0)
		unsubscribe(conn, root, ref);
	else if (strcmp(op, "publish") == 0)
		publish(conn, root, ref);
	else if (strcmp(op, "ping") == 0)
		succeed(conn, ref, conn->server->hub.last_id);
	else
		fail(conn, ref, 400,
		    "op must be subscribe, unsubscribe, publish or ping");
	json_decref(ref);
	json_decref(root);
}
