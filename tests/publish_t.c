/* SPDX-License-Identifier: MIT */
/* Messages on their way in: each member of a message object, each bound. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/publish/publish.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static struct config config;

/* Members as event|content_type|dedup|blob, "-" for none. */
static const struct {
	const char *json;    /* a message object */
	int status;          /* 0 = taken */
	const char *channel; /* it ends up in */
	const char *data;    /* what is stored */
	const char *rest;    /* event|content_type|dedup */
} rows[] = {
	{ "{\"data\":\"x\"}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"\"}", 0, "dflt", "", "-|-|-" },
	{ "{\"channel\":\"a\",\"data\":\"x\"}", 0, "a", "x", "-|-|-" },
	{ "{\"topic\":\"a\",\"data\":\"x\"}", 0, "a", "x", "-|-|-" },
	{ "{\"channel\":null,\"data\":\"x\"}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"event\":\"e\"}", 0, "dflt", "x", "e|-|-" },
	{ "{\"data\":\"x\",\"type\":\"e\"}", 0, "dflt", "x", "e|-|-" },
	{ "{\"data\":\"x\",\"event\":null}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"content_type\":\"text/html\"}", 0, "dflt", "x",
	    "-|text/html|-" },
	{ "{\"data\":\"x\",\"dedup\":\"k\"}", 0, "dflt", "x", "-|-|k" },
	{ "{\"data\":\"x\",\"idempotency_key\":\"k\"}", 0, "dflt", "x",
	    "-|-|k" },
	{ "{\"data\":{\"a\":[1,2]}}", 0, "dflt", "{\"a\":[1,2]}",
	    "-|application/json|-" },
	{ "{\"data\":[]}", 0, "dflt", "[]", "-|application/json|-" },
	{ "{\"data\":12}", 0, "dflt", "12", "-|application/json|-" },
	{ "{\"data\":true}", 0, "dflt", "true", "-|application/json|-" },
	{ "{\"data\":null}", 0, "dflt", "null", "-|application/json|-" },
	{ "{\"data\":[1],\"content_type\":\"a/b\"}", 0, "dflt", "[1]",
	    "-|a/b|-" },
	{ "{\"content_type\":\"a/b\",\"data\":[1]}", 0, "dflt", "[1]",
	    "-|a/b|-" },
	{ "{\"data\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", 0, "dflt",
	    "\xc3\xa9\xf0\x9f\x98\x80", "-|-|-" },
	{ "{\"data\":\"x\",\"ttl\":0}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"ttl\":1.5}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"ttl\":315360000}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"ttl\":null}", 0, "dflt", "x", "-|-|-" },
	{ "{\"data\":\"x\",\"expires_ms\":99}", 0, "dflt", "x", "-|-|-" },
	{ "{}", 400, NULL, NULL, NULL },
	{ "[]", 400, NULL, NULL, NULL },
	{ "\"x\"", 400, NULL, NULL, NULL },
	{ "null", 400, NULL, NULL, NULL },
	{ "{\"channel\":\"a\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":\"\",\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":5,\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":[\"a\"],\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":\"a\\nb\",\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":\"a\\u0000b\",\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"channel\":\"\\u0085\",\"data\":\"x\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"event\":\"\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"event\":\"a\\rb\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"event\":\"tidings.reset\"}", 400, NULL, NULL,
	    NULL },
	{ "{\"data\":\"x\",\"event\":\"tidings\"}", 0, "dflt", "x",
	    "tidings|-|-" },
	{ "{\"data\":\"x\",\"event\":7}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"event\":\"a\\u0000\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"content_type\":\"\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"content_type\":\"a\\r\\nb\"}", 400, NULL, NULL,
	    NULL },
	{ "{\"data\":\"x\",\"content_type\":\"\xc3\xa9\"}", 400, NULL, NULL,
	    NULL },
	{ "{\"data\":\"x\",\"dedup\":\"\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"dedup\":1}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"ttl\":-1}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"ttl\":\"5\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"ttl\":true}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"ttl\":315360001}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"expires_ms\":1e16}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"id\":5}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"x\",\"Data\":\"y\"}", 400, NULL, NULL, NULL },
	{ "{\"data\":\"12345678901234567890\"}", 0, "dflt",
	    "12345678901234567890", "-|-|-" },
	{ "{\"data\":\"123456789012345678901\"}", 413, NULL, NULL, NULL },
	{ "{\"data\":[1234567890,123456789]}", 413, NULL, NULL, NULL },
};

static void
test_members(void)
{
	for (size_t i = 0; i < N(rows); i++) {
		json_t *json = json_loads(rows[i].json,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		struct publish p = { 0 };
		const struct message *m;
		struct str rest = { 0 };
		int rc;

		if (json == NULL)
			bail("row %zu is no JSON", i);
		rc = publish_add_json(&p, &config, json, "dflt");
		if (rows[i].status != 0) {
			is_int(rc, -1, "refused: %s", rows[i].json);
			is_int(p.status, rows[i].status, "with its status");
			ok(p.error[0] != '\0', "and a sentence");
			ok(p.job.n == 0, "nothing is added");
		} else if (is_int(rc, 0, "taken: %s", rows[i].json)) {
			m = &p.job.messages[0];
			is_str(m->channel, rows[i].channel, "its channel");
			is_mem(m->data, m->data_len, rows[i].data,
			    strlen(rows[i].data), "its data");
			str_addf(&rest, "%s|%s|%s",
			    m->event == NULL ? "-" : m->event,
			    m->content_type == NULL ? "-" : m->content_type,
			    m->dedup == NULL ? "-" : m->dedup);
			is_str(rest.p, rows[i].rest, "its other members");
			ok(!m->is_blob, "text");
			str_free(&rest);
		}
		json_decref(json);
		publish_free(&p);
	}
}

static void
test_no_default(void)
{
	json_t *json = json_loads("{\"data\":\"x\"}", 0, NULL);
	struct publish p = { 0 };

	is_int(publish_add_json(&p, &config, json, NULL), -1,
	    "no channel and no default");
	is_int(p.status, 400, "is the client's fault");
	json_decref(json);
	publish_free(&p);
}

static void
test_expiry(void)
{
	json_t *json = json_loads("{\"data\":\"x\",\"ttl\":90}", 0, NULL);
	struct publish p = { 0 };
	int64_t now_ms = clock_wall_ms();

	publish_add_json(&p, &config, json, "a");
	ok(p.job.messages[0].expires_ms >= now_ms + 90000 &&
		p.job.messages[0].expires_ms <= now_ms + 95000,
	    "ttl is in seconds from now");
	json_decref(json);
	publish_free(&p);
}

/* Many in one job, none moves under the others. */
static void
test_many(void)
{
	struct publish p = { 0 };
	unsigned wrong = 0;

	for (int i = 0; i < 1000; i++) {
		char text[16];
		struct message m = { .channel = "a" };

		snprintf(text, sizeof(text), "m%d", i);
		m.data = publish_keep(&p, text, strlen(text));
		m.data_len = strlen(text);
		wrong += publish_add(&p, &config, &m) != 0;
	}
	is_int((long long)p.job.n, 1000, "a thousand messages");
	for (int i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "m%d", i);
		wrong += strcmp(p.job.messages[i].data, text) != 0;
	}
	is_int(wrong, 0, "each as it was given");
	publish_free(&p);
}

static void
test_bytes(void)
{
	struct publish p = { 0 };
	struct message m = { .channel = "a", .data = "\xff", .data_len = 1 };

	is_int(publish_add(&p, &config, &m), -1, "text that is no UTF-8");
	m.is_blob = true;
	is_int(publish_add(&p, &config, &m), 0, "as bytes it is fine");
	publish_free(&p);
}

static void
test_types(void)
{
	static const struct {
		const char *type;
		bool is_text;
	} types[] = { { "text/plain", true }, { "TEXT/HTML", true },
		{ "text/plain; charset=utf-8", true },
		{ "application/json", true }, { "application/JSON;a=b", true },
		{ "application/ld+json", true }, { "application/xml", true },
		{ "image/svg+xml", true }, { "application/javascript", true },
		{ "application/x-www-form-urlencoded", true },
		{ "application/octet-stream", false }, { "image/png", false },
		{ "", false }, { "textual/plain", false },
		{ "application/jsonish", false },
		{ "application/octet-stream; a=text/json", false } };

	for (size_t i = 0; i < N(types); i++)
		ok(publish_type_is_text(types[i].type) == types[i].is_text,
		    "type '%s'", types[i].type);
}

static void
test_status(void)
{
	static const struct {
		enum db_status status;
		bool again;
		int want;
	} ends[] = { { DB_OK, false, 201 }, { DB_REFUSED, false, 400 },
		{ DB_REFUSED, true, 409 }, { DB_BUSY, false, 503 },
		{ DB_FULL, false, 503 }, { DB_DAMAGED, false, 503 },
		{ DB_MISSING, false, 503 }, { DB_FAILED, false, 503 } };
	struct message m = { .channel = "a\"b" };
	struct outcome outcome = { .id = 7 };
	struct job job = { .messages = &m,
		.outcomes = &outcome,
		.n = 1,
		.epoch = "ep" };
	struct str out = { 0 };

	for (size_t i = 0; i < N(ends); i++) {
		job.status = ends[i].status;
		outcome.again = ends[i].again;
		is_int(publish_status(&job), ends[i].want, "status, row %zu",
		    i);
	}
	publish_add_result(&out, &job, 0);
	is_str(out.p, "{\"id\":\"ep-7\",\"channel\":\"a\\\"b\"}",
	    "the result of one message");
	str_free(&out);
}

int
main(void)
{
	char error[200];

	if (config_load(&config, NULL, error, sizeof(error)) == -1)
		bail("%s", error);
	config.max_data = 20;
	test_members();
	test_no_default();
	test_expiry();
	test_many();
	test_bytes();
	test_types();
	test_status();
	config_free(&config);
	return done();
}
