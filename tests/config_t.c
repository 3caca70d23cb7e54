/* SPDX-License-Identifier: MIT */
/* The configuration: units, bounds, what is refused and on which line. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define REFUSED  -1

static const struct {
	const char *text; /* as in the file */
	int64_t ms;       /* or REFUSED */
} times[] = {
	{ "0", 0 },
	{ "15", 15000 },
	{ "15s", 15000 },
	{ "250ms", 250 },
	{ "5m", 300000 },
	{ "1h", 3600000 },
	{ "7d", 604800000 },
	{ "0ms", 0 },
	{ "9999999999999ms", 9999999999999 },
	{ "9999999999999d", REFUSED },
	{ "10000000000000", REFUSED },
	{ "", REFUSED },
	{ "s", REFUSED },
	{ "-1s", REFUSED },
	{ "+1s", REFUSED },
	{ "1 s", REFUSED },
	{ " 1s", REFUSED },
	{ "1s ", REFUSED },
	{ "1S", REFUSED },
	{ "1M", REFUSED },
	{ "1.5s", REFUSED },
	{ "1h30m", REFUSED },
	{ "0x10", REFUSED },
};

static const struct {
	const char *text; /* as in the file */
	int64_t bytes;    /* or REFUSED */
} sizes[] = {
	{ "0", 0 },
	{ "64", 64 },
	{ "64K", 65536 },
	{ "1M", 1048576 },
	{ "2G", INT64_C(2147483648) },
	{ "9999999999999", 9999999999999 },
	{ "8589934591G", INT64_C(8589934591) << 30 },
	{ "8589934592G", REFUSED },
	{ "9999999999999G", REFUSED },
	{ "", REFUSED },
	{ "K", REFUSED },
	{ "64k", REFUSED },
	{ "64KB", REFUSED },
	{ "-1", REFUSED },
	{ "1.5M", REFUSED },
};

static void
test_units(void)
{
	int64_t value;

	for (size_t i = 0; i < N(times); i++) {
		bool good = config_parse_time(times[i].text, &value);

		ok(good == (times[i].ms != REFUSED) &&
			(!good || value == times[i].ms),
		    "time '%s'", times[i].text);
	}
	for (size_t i = 0; i < N(sizes); i++) {
		bool good = config_parse_size(sizes[i].text, &value);

		ok(good == (sizes[i].bytes != REFUSED) &&
			(!good || value == sizes[i].bytes),
		    "size '%s'", sizes[i].text);
	}
}

/* Writes the text into a file and loads it. */
static int
load(struct config *config, const char *text, char *error, size_t size)
{
	const char *path = scratch("tidings.conf");
	FILE *file = fopen(path, "w");

	if (file == NULL || fputs(text, file) == EOF || fclose(file) == EOF)
		bail("%s: %s", path, strerror(errno));
	error[0] = '\0';
	return config_load(config, path, error, size);
}

/* What is refused, with all of these in the sentence. */
static const struct {
	const char *text;     /* the file */
	const char *words[3]; /* in the sentence, NULL = no more */
} refused[] = {
	{ "[tidings]\nheartbeet = 1s\n",
	    { "line 2", "heartbeet", "[tidings]" } },
	{ "[tidings]\n\n# a comment\nwait = 1s\n", { "line 4", "wait" } },
	{ "[longpoll]\nheartbeat = 1s\n", { "line 2", "[longpoll]" } },
	{ "heartbeat = 1s\n", { "line 1", "heartbeat" } },
	{ "[nosuch]\na = 1\n", { "line 2", "[nosuch]" } },
	{ "[tidings]\nheartbeat\n", { "line 2" } },
	{ "[tidings\nheartbeat = 1s\n", { "line 1" } },
	{ "[tidings]\nheartbeat = soon\n", { "line 2", "soon", "time" } },
	{ "[tidings]\nheartbeat = 10ms\n", { "line 2", "bounds", "50" } },
	{ "[tidings]\nheartbeat = 2d\n", { "line 2", "bounds" } },
	{ "[tidings]\nmax_data = 0\n", { "line 2", "bounds" } },
	{ "[tidings]\nmax_data = 17M\n", { "line 2", "bounds" } },
	{ "[tidings]\nmax_data = 1MB\n", { "line 2", "1MB", "number" } },
	{ "[tidings]\nmax_data =\n", { "line 2" } },
	{ "[tidings]\ndatabase =\n", { "line 2", "empty" } },
	{ "[tidings]\ndurability = maybe\n", { "line 2", "power", "process" } },
	{ "[wsd]\necho = 1\n", { "line 2", "yes", "no" } },
	{ "[wsd]\ndeflate = maybe\n", { "line 2", "yes", "no" } },
	{ "[wsd]\ndeflate_level = 0\n", { "line 2", "bounds", "1 to 9" } },
	{ "[wsd]\ndeflate_level = 10\n", { "line 2", "bounds", "1 to 9" } },
	{ "[wsd]\ndeflate_min = 17M\n", { "line 2", "bounds" } },
	{ "[wsd]\nmax_channels = 0\n", { "line 2", "bounds" } },
	{ "[wsd]\nmax_incoming = 1000\n", { "line 2", "bounds", "1024" } },
	{ "[wsd]\ndrain = 2h\n", { "line 2", "bounds" } },
	{ "[wsd]\nmessage_timeout = 99ms\n", { "line 2", "bounds", "100" } },
	{ "[wsd]\nhandshake_timeout = 0\n", { "line 2", "bounds" } },
	{ "[wsd]\nclose_timeout = 2d\n", { "line 2", "bounds" } },
	{ "[tidings]\ndeflate = yes\n", { "line 2", "deflate", "[tidings]" } },
	{ "[access]\npublish_from_users = 1\n", { "line 2", "yes", "no" } },
	{ "[tidings]\nlife_min = 10m\nlife_max = 5m\n", { "life_min" } },
	{ "[tidings]\nmax_data = 2M\nmax_body = 1M\n", { "max_body" } },
	{ "[retention]\ncuont = 1\n", { "line 2", "cuont" } },
	{ "[retention a.*]\ntotal = 1M\n", { "line 2", "total" } },
	{ "[retention a.*]\nage = x\n", { "line 2", "age" } },
	{ "[retention]\nage = 4000d\n", { "line 2", "bounds" } },
	{ "[tidings]\n[retention a[bc]]\nage = 1h\n", { "line 2", "]" } },
	{ "[retention a[bc]\nage = 1h\ncount = x\n", { "line 3", "count" } },
	{ "[tidings]\nheartbeat = 1s\nretry = x\nstall = y\n",
	    { "line 3", "retry" } },
};

static void
test_refused(void)
{
	struct config config;
	char error[300];

	for (size_t i = 0; i < N(refused); i++) {
		int rc = load(&config, refused[i].text, error, sizeof(error));

		if (!is_int(rc, -1, "refused, row %zu", i)) {
			config_free(&config);
			continue;
		}
		ok(strstr(error, "tidings.conf") != NULL,
		    "the file is named, row %zu", i);
		for (int w = 0; w < 3 && refused[i].words[w] != NULL; w++)
			if (!ok(strstr(error, refused[i].words[w]) != NULL,
				"the sentence says '%s', row %zu",
				refused[i].words[w], i))
				diag("%s", error);
	}
	is_int(config_load(&config, scratch("nosuch.conf"), error,
		   sizeof(error)),
	    -1, "a file that is not there");
	ok(strstr(error, "No such file") != NULL, "and why");
}

/* A line is complained about for what is wrong in it, not in a later one. */
static void
test_first_line(void)
{
	struct config config;
	char error[300];

	is_int(load(&config, "[tidings]\nnonsense\nbogus = 1\n", error,
		   sizeof(error)),
	    -1, "two wrong lines");
	if (!ok(strstr(error, "line 2") != NULL &&
		    strstr(error, "bogus") == NULL,
		"the first is told, with its own reason"))
		diag("%s", error);
}

/* Values and patterns that are longer than the reader's line. */
static void
test_long(void)
{
	struct config config;
	char error[300], text[2000], word[400];

	memset(word, 'p', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	snprintf(text, sizeof(text), "[tidings]\ndatabase = /%s\n", word);
	if (load(&config, text, error, sizeof(error)) == 0) {
		is_int((long long)strlen(config.database),
		    (long long)sizeof(word), "a long path is taken whole");
		config_free(&config);
	} else {
		ok(strstr(error, "line 2") != NULL, "or refused with its line");
	}
	word[90] = '\0';
	snprintf(text, sizeof(text), "[retention %s]\ncount = 5\n", word);
	if (load(&config, text, error, sizeof(error)) == 0) {
		is_int(config_retention(&config, word)->count, 5,
		    "a pattern of 90 bytes is taken whole");
		config_free(&config);
	} else {
		ok(strstr(error, "line") != NULL, "or refused with its line");
	}
}

/* An indented line is a setting as any other. */
static void
test_indented(void)
{
	struct config config;
	char error[300];

	if (load(&config, "[tidings]\n  database = /a\n  heartbeat = 3s\n",
		error, sizeof(error)) == -1) {
		ok(strstr(error, "line 3") != NULL, "refused with its line");
		return;
	}
	is_str(config.database, "/a", "the first of two indented settings");
	is_int(config.heartbeat_ms, 3000, "and the second");
	config_free(&config);
}

static void
test_defaults(void)
{
	struct config config;
	char error[300];

	is_int(config_load(&config, NULL, error, sizeof(error)), 0,
	    "the defaults alone");
	is_str(config.database, "/var/lib/tidings/tidings.db", "database");
	ok(config.user == NULL, "no user");
	is_int(config.heartbeat_ms, 15000, "heartbeat");
	is_int(config.life_min_ms, 300000, "life_min");
	is_int(config.life_max_ms, 600000, "life_max");
	is_int(config.wait_ms, 25000, "wait");
	is_int(config.max_data, 1 << 20, "max_data");
	ok(!config.publish_from_loopback, "publish_from_loopback");
	ok(!config.ws_echo, "echo");
	ok(!config.power, "durability");
	ok(!config.publish_from_users, "publish_from_users");
	is_int(config.max_channels, 100, "max_channels of [tidings]");
	is_int(config.ws_max_channels, 10000, "max_channels of [wsd]");
	ok(config.ws_deflate, "deflate");
	is_int(config.ws_deflate_min, 64, "deflate_min");
	is_int(config.ws_deflate_level, 6, "deflate_level");
	is_int(config.ws_drain_ms, 2000, "drain");
	is_int(config.ws_max_incoming, 64 << 20, "max_incoming");
	is_int(config.ws_message_ms, 120000, "message_timeout");
	is_int(config.ws_handshake_ms, 10000, "handshake_timeout");
	is_int(config.ws_closing_ms, 3000, "close_timeout");
	is_int((long long)config.nretention, 1, "one row of retention");
	is_int(config.retention[0].age_ms, 3600000, "age");
	is_int(config.retention[0].count, 1000, "count");
	is_int((long long)config.trusted_proxies.n, 3, "trusted_proxies");
	config_free(&config);
	config_free(&config);
	ok(true, "freed twice");
}

static const char whole[] =
    "\xef\xbb\xbf# a comment\n"
    "; another\n"
    "[tidings]\r\n"
    "database = /srv/a b/tidings.db\n"
    "durability = power\n"
    "heartbeat=250ms\n"
    "max_data = 64K\n"
    "[access]\n"
    "origins = https://a.example, https://b.example\thttps://c.example\n"
    "origins = *\n"
    "publish_key = shop:s3cret\n"
    "publish_from_loopback = yes\n"
    "trusted_proxies = 10.0.0.1\n"
    "[retention]\n"
    "age = 2h\n"
    "count = 50\n"
    "[retention quotes.*]\n"
    "count = 5\n"
    "[retention q*]\n"
    "age = 1m\n"
    "[retention http://x/?]\n"
    "count = 7\n";

static void
test_whole(void)
{
	static const struct {
		const char *channel;
		int64_t count, age_ms;
	} rows[] = { { "quotes.ACME", 5, 7200000 }, { "quotes.", 5, 7200000 },
		{ "queue", 50, 60000 }, { "q", 50, 60000 },
		{ "quotes/a/b", 50, 60000 }, { "news", 50, 7200000 },
		{ "Quotes.ACME", 50, 7200000 }, { "http://x/a", 7, 7200000 },
		{ "http://x/ab", 50, 7200000 }, { "", 50, 7200000 } };
	struct config config;
	char error[300];

	if (!is_int(load(&config, whole, error, sizeof(error)), 0,
		"a whole file")) {
		diag("%s", error);
		return;
	}
	is_str(config.database, "/srv/a b/tidings.db", "a path with a gap");
	ok(config.power, "a choice");
	is_int(config.heartbeat_ms, 250, "a time");
	is_int(config.max_data, 65536, "a size");
	is_int((long long)config.origins.n, 4, "words of two lines");
	is_str(config.origins.word[1], "https://b.example", "the second");
	is_str(config.origins.word[3], "*", "the last");
	is_str(config.keys.word[0], "shop:s3cret", "a key");
	ok(config.publish_from_loopback, "another choice");
	for (size_t i = 0; i < N(rows); i++) {
		const struct retention *keep =
		    config_retention(&config, rows[i].channel);

		is_int(keep->count, rows[i].count, "count of '%s'",
		    rows[i].channel);
		is_int(keep->age_ms, rows[i].age_ms, "age of '%s'",
		    rows[i].channel);
	}
	config_free(&config);
}

static void
test_wsd(void)
{
	struct config config;
	char error[300];

	if (!is_int(load(&config,
			"[wsd]\ndeflate = no\ndeflate_min = 0\n"
			"deflate_level = 9\ndrain = 0\nmax_channels = 5\n"
			"max_incoming = 1M\nmessage_timeout = 5s\n"
			"handshake_timeout = 250ms\nclose_timeout = 1m\n"
			"[access]\npublish_from_users = yes\n",
			error, sizeof(error)),
		0, "the settings of wsd")) {
		diag("%s", error);
		return;
	}
	ok(!config.ws_deflate, "deflate = no");
	is_int(config.ws_deflate_min, 0, "deflate_min may be 0");
	is_int(config.ws_deflate_level, 9, "deflate_level");
	is_int(config.ws_drain_ms, 0, "drain may be 0");
	is_int(config.ws_max_channels, 5, "max_channels of [wsd]");
	is_int(config.max_channels, 100, "is not that of [tidings]");
	is_int(config.ws_max_incoming, 1 << 20, "max_incoming");
	is_int(config.ws_message_ms, 5000, "message_timeout");
	is_int(config.ws_handshake_ms, 250, "handshake_timeout");
	is_int(config.ws_closing_ms, 60000, "close_timeout");
	ok(config.publish_from_users, "publish_from_users = yes");
	config_free(&config);
}

static struct str logged; /* lines, since the last look */

static void
keep_line(const char *line)
{
	str_addf(&logged, "%s\n", line);
}

/* Each setting that counts at a start alone; what is new, what stays. */
static void
test_keep_fixed(void)
{
	static const char first[] = "[tidings]\ndatabase = /a\nrun_dir = /b\n"
				    "user = c\nheartbeat = 1s\n"
				    "[wsd]\nlisten = unix:/d\n";
	static const struct {
		const char *text;
		const char *told[4]; /* in the log, NULL = no more */
	} rows[] = {
		{ first, { NULL } },
		{ "[tidings]\ndatabase = /x\nrun_dir = /b\nuser = c\n"
		  "[wsd]\nlisten = unix:/d\n",
		    { "database" } },
		{ "[tidings]\ndatabase = /a\nrun_dir = /x\nuser = c\n"
		  "[wsd]\nlisten = unix:/d\n",
		    { "run_dir" } },
		{ "[tidings]\ndatabase = /a\nrun_dir = /b\n"
		  "[wsd]\nlisten = unix:/d\n",
		    { "user" } },
		{ "[tidings]\ndatabase = /a\nrun_dir = /b\nuser = c\n",
		    { "listen" } },
		{ "", { "database", "run_dir", "user", "listen" } },
	};
	struct config before, config;
	char error[300];

	log_set_sink(keep_line);
	for (size_t i = 0; i < N(rows); i++) {
		size_t told = 0, lines = 0;

		load(&before, first, error, sizeof(error));
		load(&config, rows[i].text, error, sizeof(error));
		str_clear(&logged);
		str_addz(&logged, "");
		config_keep_fixed(&config, &before);
		config_free(&before);
		ok(strcmp(config.database, "/a") == 0 &&
			strcmp(config.run_dir, "/b") == 0 &&
			strcmp(config.user, "c") == 0 &&
			strcmp(config.ws_listen, "unix:/d") == 0,
		    "the old ones stay, row %zu", i);
		is_int(config.heartbeat_ms, i == 0 ? 1000 : 15000,
		    "another setting is the new one");
		for (; told < 4 && rows[i].told[told] != NULL; told++)
			ok(strstr(logged.p, rows[i].told[told]) != NULL,
			    "the log tells of %s", rows[i].told[told]);
		for (const char *p = logged.p; *p != '\0'; p++)
			lines += *p == '\n';
		is_int((long long)lines, (long long)told, "in a line for each");
		config_free(&config);
	}
	/* There was no user. */
	load(&before, "", error, sizeof(error));
	load(&config, "[tidings]\nuser = c\n", error, sizeof(error));
	str_clear(&logged);
	config_keep_fixed(&config, &before);
	ok(config.user == NULL, "nobody becomes a user by it");
	ok(strstr(logged.p, "user") != NULL, "and the log tells");
	config_free(&before);
	config_free(&config);
	str_free(&logged);
	log_set_sink(NULL);
}

/* A list that the file gives stands for itself, not beside the default. */
static void
test_replaced_default(void)
{
	struct config config;
	char error[300];

	is_int(load(&config, "[access]\ntrusted_proxies = 10.0.0.1\n", error,
		   sizeof(error)),
	    0, "a list that has a default");
	is_int((long long)config.trusted_proxies.n, 1,
	    "127.0.0.1 is not trusted any more when it is not named");
	config_free(&config);
}

/* The order of sections: what stands in [retention] counts in all rows. */
static void
test_retention_order(void)
{
	struct config config;
	char error[300];

	is_int(load(&config,
		   "[retention a*]\ncount = 5\n[retention]\nage = 2h\n", error,
		   sizeof(error)),
	    0, "a pattern before [retention]");
	is_int(config_retention(&config, "a")->count, 5, "its own count");
	is_int(config_retention(&config, "a")->age_ms, 7200000,
	    "and the age of [retention], though that came later");
	config_free(&config);
}

int
main(void)
{
	test_units();
	test_refused();
	test_first_line();
	test_long();
	test_indented();
	test_defaults();
	test_whole();
	test_wsd();
	test_keep_fixed();
	test_replaced_default();
	test_retention_order();
	return done();
}
