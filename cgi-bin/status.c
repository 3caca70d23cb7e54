/* SPDX-License-Identifier: MIT */
/*
 * How it goes: a page for people, JSON with format=json, and the Prometheus
 * text format (version 0.0.4) where the path ends in /metrics.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/board.h"
#include "shared/base/chore.h"
#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/intake/req.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/table/change.h"

#define PROGRAMS_MAX 16

/* What the database tells. */
struct totals {
	int64_t messages, channels; /* kept now */
	int64_t oldest, newest;     /* ids, 0 = none */
	int64_t used, unused;       /* bytes of the file */
};

static enum db_status
read_row(struct db *db, enum statement which, int64_t *values, int n)
{
	sqlite3_stmt *stmt = db->stmt[which];
	enum db_status status;
	int rc = sqlite3_step(stmt);

	for (int i = 0; i < n && rc == SQLITE_ROW; i++)
		values[i] = sqlite3_column_int64(stmt, i);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* The next channel in order of name; an empty one is behind the last. */
static enum db_status
next_channel(struct db *db, struct str *channel)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_NEXT_CHANNEL];
	enum db_status status;
	const char *name = NULL;
	int rc;

	sqlite3_bind_text(stmt, 1, channel->len == 0 ? "" : channel->p,
	    (int)channel->len, SQLITE_TRANSIENT);
	rc = sqlite3_step(stmt);
	str_clear(channel);
	if (rc == SQLITE_ROW)
		name = (const char *)sqlite3_column_text(stmt, 0);
	if (name != NULL)
		str_add(channel, name, (size_t)sqlite3_column_bytes(stmt, 0));
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

static void
add_json(struct str *out, const struct hub *hub, const struct totals *t,
    const struct board_sum *rows, size_t n)
{
	str_addf(out,
	    "{\"version\":\"" PACKAGE_VERSION "\",\"time\":%lld,"
	    "\"epoch\":\"%s\",\"cursor\":\"%s-%lld\",\"messages\":%lld,"
	    "\"channels\":%lld,\"oldest\":%lld,\"database_bytes\":%lld,"
	    "\"free_bytes\":%lld,\"programs\":{",
	    (long long)clock_wall_ms(), hub->epoch, hub->epoch,
	    (long long)t->newest, (long long)t->messages,
	    (long long)t->channels, (long long)t->oldest, (long long)t->used,
	    (long long)t->unused);
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "%s\"%s\":{\"processes\":%u", i > 0 ? "," : "",
		    rows[i].program, rows[i].processes);
		for (int c = 0; c < BOARD__MAX; c++)
			str_addf(out, ",\"%s\":%lld", board_name(c),
			    (long long)rows[i].counter[c]);
		str_addz(out, "}");
	}
	str_addz(out, "}}\n");
}

static void
add_gauge(struct str *out, const char *name, const char *help, int64_t value)
{
	str_addf(out,
	    "# HELP tidings_%s %s\n# TYPE tidings_%s gauge\n"
	    "tidings_%s %lld\n",
	    name, help, name, name, (long long)value);
}

static void
add_metrics(struct str *out, const struct totals *t,
    const struct board_sum *rows, size_t n)
{
	add_gauge(out, "messages", "Messages kept.", t->messages);
	add_gauge(out, "channels", "Channels with messages.", t->channels);
	add_gauge(out, "database_bytes", "Bytes in use.", t->used);
	add_gauge(out, "newest_id", "Newest id.", t->newest);
	for (int c = 0; c < BOARD__MAX; c++) {
		const char *name = board_name(c);
		bool is_gauge = c == BOARD_CLIENTS || board_is_max(c);
		const char *total = is_gauge ? "" : "_total";

		str_addf(out, "# HELP tidings_%s%s %s\n", name, total,
		    board_help(c));
		str_addf(out, "# TYPE tidings_%s%s %s\n", name, total,
		    is_gauge ? "gauge" : "counter");
		for (size_t i = 0; i < n; i++)
			str_addf(out, "tidings_%s%s{program=\"%s\"} %lld\n",
			    name, total, rows[i].program,
			    (long long)rows[i].counter[c]);
	}
}

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta http-equiv=\"refresh\" content=\"5\">\n"
    "<title>Tidings: status</title>\n<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;"
    "margin:2em auto;padding:0 1em}\n"
    "div{overflow-x:auto}table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:right;padding:.3em .6em;"
    "border-bottom:1px solid #8884;font-variant-numeric:tabular-nums}\n"
    "th:first-child,td:first-child{text-align:left}\n"
    "</style></head><body>\n<h1>Tidings</h1>\n";

static void
add_page(struct str *out, const struct hub *hub, const struct totals *t,
    const struct board_sum *rows, size_t n)
{
	str_addz(out, page_head);
	str_addf(out,
	    "<p>%lld messages in %lld channels, %.1f MB in use, newest "
	    "cursor <code>%s-%lld</code>.</p>\n<div><table><tr><th>program"
	    "</th><th>processes</th>",
	    (long long)t->messages, (long long)t->channels,
	    (double)t->used / 1048576, hub->epoch, (long long)t->newest);
	for (int c = 0; c < BOARD__MAX; c++)
		str_addf(out, "<th title=\"%s\">%s</th>", board_help(c),
		    c == BOARD_DB_ERRORS ? "db errors" : board_name(c));
	str_addz(out, "</tr>\n");
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "<tr><td>%s</td><td>%u</td>", rows[i].program,
		    rows[i].processes);
		for (int c = 0; c < BOARD__MAX; c++)
			str_addf(out, "<td>%lld</td>",
			    (long long)rows[i].counter[c]);
		str_addz(out, "</tr>\n");
	}
	str_addz(out, "</table></div>\n<p>The same as "
		      "<a href=\"?format=json\">JSON</a> and for "
		      "<a href=\"metrics\">Prometheus</a>. "
		      "This page loads itself every 5 seconds.</p>\n"
		      "</body></html>\n");
}

static bool
wants_metrics(const struct req *req)
{
	const char *path = req_var(req, "REQUEST_URI");
	size_t len = strcspn(path, "?");

	return len >= 8 && memcmp(path + len - 8, "/metrics", 8) == 0;
}

/* A request for which the table is being counted. */
struct asking {
	struct chore chore;      /* first: it is found so */
	struct server *server;   /* whose database */
	struct conn *conn;       /* who asks */
	struct change_info info; /* all messages, so far */
	bool counted;            /* they are all */
	struct str channel;      /* counted last */
	struct totals totals;    /* what is known */
	bool late;               /* handle has returned */
};

/* Counts on.  *done tells that all is known. */
static enum db_status
count_on(struct asking *a, int64_t until_us, bool *done)
{
	struct hub *hub = &a->server->hub;
	int64_t sizes[2] = { 0 };
	enum db_status status;

	if (!a->counted)
		return change_count(&hub->db, &a->info, NULL, until_us,
		    &a->counted);
	do {
		status = next_channel(&hub->db, &a->channel);
		a->totals.channels += a->channel.len > 0;
	} while (status == DB_OK && a->channel.len > 0 &&
		 clock_mono_us() < until_us);
	if (status != DB_OK || a->channel.len > 0)
		return status;
	status = read_row(&hub->db, STATEMENT_SIZE, sizes, 2);
	a->totals.messages = a->info.count;
	a->totals.oldest = a->info.first_id;
	a->totals.newest = hub->last_id;
	a->totals.used = sizes[0];
	a->totals.unused = sizes[1];
	*done = true;
	return status;
}

static void
answer(const struct asking *a)
{
	const struct server *server = a->server;
	struct req *req = a->conn->req;
	const struct req_arg *format = req_arg(req, "format");
	struct board_sum rows[PROGRAMS_MAX];
	const char *type = "text/html; charset=utf-8";
	struct str out = { 0 };
	size_t n = board_read(server->config.run_dir, rows, PROGRAMS_MAX);

	if (wants_metrics(req)) {
		type = "text/plain; version=0.0.4; charset=utf-8";
		add_metrics(&out, &a->totals, rows, n);
	} else if (format != NULL && strcmp(format->value, "json") == 0) {
		type = "application/json";
		add_json(&out, &server->hub, &a->totals, rows, n);
	} else {
		add_page(&out, &server->hub, &a->totals, rows, n);
	}
	req_answer(req, 200, type, "Cache-Control: no-cache\r\n", out.p,
	    out.len);
	str_free(&out);
}

static void
drop(struct chore *chore)
{
	struct asking *a = (struct asking *)(void *)chore;

	str_free(&a->channel);
	free(a);
}

static bool
piece(struct chore *chore, int64_t until_us)
{
	struct asking *a = (struct asking *)(void *)chore;
	struct hub *hub = &a->server->hub;
	struct conn *conn = a->conn;
	enum db_status status = hub_refresh(hub);
	bool done = false, late = a->late;

	if (status == DB_OK)
		status = count_on(a, until_us, &done);
	if (status == DB_OK && !done && conn->sink.is_open)
		return false;
	if (!conn->sink.is_open)
		; /* it did not wait for us */
	else if (status != DB_OK)
		server_db_refusal(a->server, conn->req, status, hub->db.error);
	else
		answer(a);
	drop(chore);
	if (late)
		conn_go_on(conn);
	return true;
}

static void
handle(struct server *server, struct conn *conn, struct req *req)
{
	struct asking *a = xcalloc(1, sizeof(*a));

	(void)req;
	a->chore.piece = piece;
	a->chore.drop = drop;
	a->server = server;
	a->conn = conn;
	if (!chore_begin(&a->chore))
		a->late = true;
}

static const struct program program = {
	.name = "status",
	.methods = "GET, HEAD",
	.handle = handle,
};

int
main(int argc, char **argv)
{
	return serve_main(&program, argc, argv);
}
