/* SPDX-License-Identifier: MIT */
/*
 * Who may publish and whose pages may use the server, as a matrix: Host,
 * Origin, scheme and the list of origins decide what a page is; that, the key,
 * the user and the address decide the rest, every value with every other.  A
 * foreign Host that is equal to its Origin (DNS rebinding), and a list of
 * exactly one origin, were in no test.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "shared/access/access.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/req.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define APP      "https://app.example"
#define TWO      "http://two.example:8080"

/* What a page is to the server. */
enum page {
	NONE,   /* no page: there is no Origin */
	SAME,   /* of the same host */
	PORT,   /* of another port of it, where wsd itself is asked */
	LISTED, /* of a site in the list */
	ANY,    /* of any site, and "*" is in the list */
	FOREIGN /* of another */
};

static char app[] = APP, two[] = TWO, star[] = "*";
static char *lists[][3] = { { NULL }, { app }, { app, two }, { star },
	{ star, app } };

enum list { EMPTY, ONE, BOTH, STAR, STAR_ONE };

#define S NULL /* REQUEST_SCHEME is not told */

static const struct {
	const char *host, *origin, *scheme;
	enum list list;
	bool own_port; /* the program is asked on a port of its own */
	enum page page;
	const char *cors; /* Access-Control-Allow-Origin, or NULL */
} pages[] = {
	/* No page. */
	{ "a.example", "", S, EMPTY, false, NONE, NULL },
	{ "a.example", "", S, ONE, false, NONE, NULL },
	{ "a.example", "", S, STAR, true, NONE, NULL },
	{ "localhost:8080", "", S, ONE, false, NONE, NULL },
	{ "", "", S, EMPTY, false, NONE, NULL },
	/* The same host. */
	{ "a.example", "http://a.example", S, EMPTY, false, SAME, NULL },
	{ "a.example", "https://a.example", S, EMPTY, false, SAME, NULL },
	{ "a.example", "http://A.Example", S, ONE, false, SAME, NULL },
	{ "a.example:81", "http://a.example:81", S, EMPTY, false, SAME, NULL },
	{ "localhost:8080", "http://localhost:8080", S, EMPTY, false, SAME,
	    NULL },
	{ "LocalHost", "http://localhost", S, EMPTY, false, SAME, NULL },
	{ "127.0.0.1:1", "http://127.0.0.1:1", S, EMPTY, false, SAME, NULL },
	{ "[::1]:8080", "http://[::1]:8080", S, EMPTY, false, SAME, NULL },
	/* Another port is another site, unless wsd itself is asked. */
	{ "a.example", "http://a.example:81", S, EMPTY, false, FOREIGN, NULL },
	{ "a.example:81", "http://a.example", S, EMPTY, false, FOREIGN, NULL },
	{ "a.example:81", "http://a.example:82", S, ONE, false, FOREIGN, NULL },
	{ "a.example:81", "http://a.example", S, EMPTY, true, PORT, NULL },
	{ "a.example:81", "https://a.example:82", S, EMPTY, true, PORT, NULL },
	{ "[::1]:9999", "http://[::1]", S, EMPTY, true, PORT, NULL },
	{ "localhost:9999", "http://localhost:9999", S, EMPTY, true, SAME,
	    NULL },
	{ "[::1]:9999", "http://[::2]", S, EMPTY, true, FOREIGN, NULL },
	{ "a.example:81", "http://a.example.evil", S, EMPTY, true, FOREIGN,
	    NULL },
	{ "a.example:81", "http://a.examples", S, EMPTY, true, FOREIGN, NULL },
	{ "a.example:81", "http://a.example:82.evil", S, EMPTY, true, FOREIGN,
	    NULL },
	{ "a.example:81", "http://xa.example", S, EMPTY, true, FOREIGN, NULL },
	/* A page without TLS does not speak for a site with it. */
	{ "a.example", "https://a.example", "https", EMPTY, false, SAME, NULL },
	{ "a.example", "http://a.example", "https", EMPTY, false, FOREIGN,
	    NULL },
	{ "a.example", "http://a.example", "HTTPS", EMPTY, false, FOREIGN,
	    NULL },
	{ "a.example", "HTTP://a.example", "https", EMPTY, false, FOREIGN,
	    NULL },
	{ "a.example", "http://a.example", "http", EMPTY, false, SAME, NULL },
	{ "a.example", "https://a.example", "http", EMPTY, false, SAME, NULL },
	{ "a.example", "http://a.example", "", EMPTY, false, SAME, NULL },
	{ "a.example:81", "http://a.example", "https", EMPTY, true, FOREIGN,
	    NULL },
	/* No scheme of the web, or none at all. */
	{ "a.example", "a.example", S, EMPTY, false, FOREIGN, NULL },
	{ "a.example", "ftp://a.example", S, EMPTY, false, FOREIGN, NULL },
	{ "localhost", "capacitor://localhost", S, EMPTY, true, FOREIGN, NULL },
	{ "a.example", "null", S, EMPTY, false, FOREIGN, NULL },
	{ "null", "null", S, EMPTY, false, FOREIGN, NULL },
	{ "", "http://", S, EMPTY, false, FOREIGN, NULL },
	{ "", "http://", S, EMPTY, true, FOREIGN, NULL },
	{ "a.example", "http://a.example/", S, EMPTY, false, FOREIGN, NULL },
	{ "a.example", "http://evil/x://a.example", S, EMPTY, false, FOREIGN,
	    NULL },
	{ "a.example", "http://u@a.example", S, EMPTY, false, FOREIGN, NULL },
	/* A list of exactly one. */
	{ "a.example", APP, S, ONE, false, LISTED, APP },
	{ "a.example", "HTTPS://App.Example", S, ONE, false, LISTED,
	    "HTTPS://App.Example" },
	{ "a.example", APP, S, ONE, true, LISTED, APP },
	{ "a.example", APP, S, EMPTY, false, FOREIGN, NULL },
	{ "a.example", TWO, S, ONE, false, FOREIGN, NULL },
	{ "a.example", "http://app.example", S, ONE, false, FOREIGN, NULL },
	{ "a.example", APP ":443", S, ONE, false, FOREIGN, NULL },
	{ "a.example", APP ".evil", S, ONE, false, FOREIGN, NULL },
	{ "a.example", "null", S, ONE, false, FOREIGN, NULL },
	{ "a.example", "*", S, ONE, false, FOREIGN, NULL },
	{ "a.example", "http://evil.example", S, ONE, false, FOREIGN, NULL },
	{ "app.example", APP, S, ONE, false, SAME, APP },
	/* Of two, and of all. */
	{ "a.example", APP, S, BOTH, false, LISTED, APP },
	{ "a.example", TWO, "https", BOTH, false, LISTED, TWO },
	{ "a.example", "http://two.example", S, BOTH, false, FOREIGN, NULL },
	{ "a.example", APP, S, STAR, false, ANY, "*" },
	{ "a.example", "null", S, STAR, false, ANY, "*" },
	{ "a.example", "http://a.example", S, STAR, false, SAME, "*" },
	{ "a.example", "http://a.example", "https", STAR, false, ANY, "*" },
	{ "a.example", APP, S, STAR_ONE, false, LISTED, APP },
	{ "a.example", TWO, S, STAR_ONE, false, ANY, "*" },
	/* A name of somebody else's that was made to mean this machine. */
	{ "evil.example", "http://evil.example", S, EMPTY, false, SAME, NULL },
	{ "evil.example:81", "http://evil.example:81", S, ONE, false, SAME,
	    NULL },
	{ "evil.example:81", "http://evil.example", S, EMPTY, true, PORT,
	    NULL },
	{ "127.0.0.1.evil", "http://127.0.0.1.evil", S, EMPTY, false, SAME,
	    NULL },
	{ "localhost.evil", "http://localhost.evil", S, EMPTY, false, SAME,
	    NULL },
	{ "[::2]", "http://[::2]", S, EMPTY, false, SAME, NULL },
	{ "1270.0.0.1", "http://1270.0.0.1", S, EMPTY, false, SAME, NULL },
};

static const struct {
	const char *address;
	bool local;
} addresses[] = { { "127.0.0.1", true }, { "127.9.8.7", true }, { "::1", true },
	{ "::ffff:127.0.0.1", true }, { "10.1.1.1", false }, { "unix", false },
	{ "", false }, { "127.evil", false }, { "1270.0.0.1", false },
	{ "::ffff:10.0.0.1", false }, { "::11", false } };

/* Keys are SECRET and NAME:SECRET. */
static char first_key[] = "first", second_key[] = "app:second",
	    empty_key[] = "empty:";
static char *keys[] = { first_key, second_key, empty_key };

static const struct {
	const char *header; /* Authorization, or NULL */
	const char *given;  /* in another way, or NULL */
	int known;          /* -1 = there is none */
} given[] = { { NULL, NULL, -1 }, { "Bearer first", NULL, 1 },
	{ "bearer   second", NULL, 1 }, { "Bearer third", NULL, 0 },
	{ "Bearer app:second", NULL, 0 }, { "Bearer FIRST", NULL, 0 },
	{ "Bearer ", NULL, 0 }, { "Bearer firs", NULL, 0 },
	{ "Bearer first2", NULL, 0 }, { "Basic Zmlyc3Q=", NULL, -1 },
	{ "first", NULL, -1 }, { NULL, "first", 1 }, { NULL, "third", 0 },
	{ NULL, "", 0 }, { "Bearer first", "third", 0 },
	{ "Bearer third", "second", 1 } };

/* The names of this machine among the hosts above. */
static bool
is_local_name(const char *host)
{
	return strncasecmp(host, "localhost:", 10) == 0 ||
	       strcasecmp(host, "localhost") == 0 ||
	       strcmp(host, "127.0.0.1:1") == 0 ||
	       strncmp(host, "[::1]", 5) == 0;
}

static enum access
expected(size_t page, size_t address, size_t key, bool user, bool loopback)
{
	if (pages[page].page == FOREIGN)
		return ACCESS_BAD_ORIGIN;
	if (given[key].known != -1)
		return given[key].known ? ACCESS_YES : ACCESS_BAD_KEY;
	if (pages[page].page == ANY || pages[page].page == PORT)
		return ACCESS_NO_KEY;
	if (user)
		return ACCESS_YES;
	if (loopback && addresses[address].local &&
	    (pages[page].page == NONE || is_local_name(pages[page].host)))
		return ACCESS_YES;
	return ACCESS_NO_KEY;
}

/* A request of that page, from there, with that key. */
static void
make(struct req *req, const struct config *config, size_t page, size_t address,
    size_t key, const char *user)
{
	*req = (struct req){ .config = config };
	req->own_port = pages[page].own_port;
	vars_add(&req->vars, "HTTP_HOST", pages[page].host);
	if (pages[page].origin[0] != '\0')
		vars_add(&req->vars, "HTTP_ORIGIN", pages[page].origin);
	if (pages[page].scheme != NULL)
		vars_add(&req->vars, "REQUEST_SCHEME", pages[page].scheme);
	vars_add(&req->vars, "REMOTE_ADDR", addresses[address].address);
	if (given[key].header != NULL)
		vars_add(&req->vars, "HTTP_AUTHORIZATION", given[key].header);
	if (user != NULL)
		vars_add(&req->vars, "REMOTE_USER", user);
	vars_add(&req->vars, "HTTP_COOKIE", "a=b");
	vars_done(&req->vars);
}

/* Counts the wrong ones of all that differ in address, key, user, setting. */
static int
count_wrong(struct config *config, size_t page)
{
	int wrong = 0;

	for (size_t i = 0; i < N(addresses) * N(given) * 12; i++) {
		size_t address = i % N(addresses);
		size_t key = i / N(addresses) % N(given);
		size_t rest = i / N(addresses) / N(given);
		const char *const users[] = { NULL, "", "anna" };
		const char *user = users[rest % 3];
		struct req req;
		enum access want, got, kept;

		config->publish_from_users = rest / 3 % 2 != 0;
		config->publish_from_loopback = rest / 6 != 0;
		make(&req, config, page, address, key, user);
		want = expected(page, address, key,
		    config->publish_from_users && user != NULL &&
			user[0] != '\0',
		    config->publish_from_loopback);
		got = access_may_publish(req_subject(&req), given[key].given);
		/* A WebSocket keeps the request, and is asked again. */
		req_keep(&req, access_vars, ACCESS_VARS);
		kept = access_may_publish(req_subject(&req), given[key].given);
		if (got != want || kept != want) {
			diag("address %s, key %s %s, user %s: %d, kept %d",
			    addresses[address].address,
			    given[key].header == NULL ? "-" : given[key].header,
			    given[key].given == NULL ? "-" : given[key].given,
			    user == NULL ? "-" : user, got, kept);
			wrong++;
		}
		req_free(&req);
	}
	return wrong;
}

static bool
has_line(const struct str *lines, const char *name, const char *value)
{
	struct str line = { 0 };
	bool has;

	str_addf(&line, "%s: %s\r\n", name, value);
	has = lines->p != NULL && strstr(lines->p, line.p) != NULL;
	str_free(&line);
	return has;
}

/* The headers of CORS, of an answer and of one to a preflight. */
static void
test_cors(struct config *config, size_t i)
{
	const char *cors = pages[i].cors;
	struct str lines = { 0 }, pre = { 0 };
	struct req req;

	make(&req, config, i, 0, 0, NULL);
	access_add_cors(req_subject(&req), &lines);
	access_add_preflight(req_subject(&req), &pre, "GET, POST");
	ok((lines.len > 0) == (pages[i].list != EMPTY),
	    "there are headers if there is a list");
	ok(lines.len == 0 || has_line(&lines, "Vary", "Origin"),
	    "and caches tell origins apart");
	ok(cors == NULL
		? lines.p == NULL || strstr(lines.p, "Access-Control-") == NULL
		: has_line(&lines, "Access-Control-Allow-Origin", cors),
	    "CORS for %s", cors == NULL ? "nobody" : cors);
	ok(has_line(&lines, "Access-Control-Allow-Credentials", "true") ==
		(cors != NULL && strcmp(cors, "*") != 0),
	    "credentials are for those that are listed");
	ok(has_line(&pre, "Access-Control-Allow-Methods", "GET, POST") ==
		(pages[i].list != EMPTY && pages[i].page != FOREIGN),
	    "a preflight is told the methods unless it is foreign");
	str_free(&lines);
	str_free(&pre);
	req_free(&req);
}

/* HTTPS is the other variable that tells of TLS. */
static void
test_https(void)
{
	static const struct {
		const char *https;
		bool allowed;
	} rows[] = { { "on", false }, { "ON", false }, { "off", true },
		{ "", true } };
	struct config config = { 0 };

	for (size_t i = 0; i < N(rows); i++) {
		struct req req = { .config = &config };

		vars_add(&req.vars, "HTTP_HOST", "a.example");
		vars_add(&req.vars, "HTTP_ORIGIN", "http://a.example");
		vars_add(&req.vars, "HTTPS", rows[i].https);
		vars_done(&req.vars);
		ok(access_origin_allowed(req_subject(&req)) == rows[i].allowed,
		    "a page of http, HTTPS is '%s'", rows[i].https);
		req_keep(&req, access_vars, ACCESS_VARS);
		ok(access_origin_allowed(req_subject(&req)) == rows[i].allowed,
		    "of a request that is kept as well");
		req_free(&req);
	}
}

int
main(void)
{
	for (size_t i = 0; i < N(pages); i++) {
		struct config config = { .keys = { keys, N(keys) } };
		struct req req;

		config.origins.word = lists[pages[i].list];
		while (config.origins.n < 3 &&
		       config.origins.word[config.origins.n] != NULL)
			config.origins.n++;
		make(&req, &config, i, 0, 0, NULL);
		ok(access_origin_allowed(req_subject(&req)) ==
			(pages[i].page != FOREIGN),
		    "row %zu: Host %s, Origin %s: a page that may", i,
		    pages[i].host, pages[i].origin);
		req_free(&req);
		is_int(count_wrong(&config, i), 0,
		    "and who may publish from it, in all cases");
		test_cors(&config, i);
	}
	test_https();
	is_int(access_status(ACCESS_NO_KEY), 401, "no key");
	is_int(access_status(ACCESS_BAD_KEY), 403, "a wrong key");
	is_int(access_status(ACCESS_BAD_ORIGIN), 403, "a foreign page");
	return done();
}
