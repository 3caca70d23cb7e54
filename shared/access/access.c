/* SPDX-License-Identifier: MIT */
/*
 * Who may do what.  Reading is httpd's business (Require); what is decided here
 * is publishing and which sites' pages may use the server (CORS, Origin).
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "shared/access/access.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/wire/vars.h"

/*
 * What pages may send: our own headers, and what libraries add by themselves.
 * A polyfill of EventSource sends Cache-Control and perhaps Pragma, and the
 * first four need a preflight too where their values are unusual.
 */
#define REQUEST_HEADERS                                                        \
	"Accept, Accept-Language, Content-Language, Content-Type, "            \
	"Authorization, Cache-Control, Event-Type, Idempotency-Key, "          \
	"If-None-Match, Last-Event-ID, Pragma, X-Requested-With"

const char *const access_vars[ACCESS_VARS] = { "HTTPS", "HTTP_AUTHORIZATION",
	"HTTP_HOST", "HTTP_ORIGIN", "REMOTE_ADDR", "REMOTE_USER",
	"REQUEST_SCHEME" };

bool
access_is_loopback(const char *address)
{
	if (strncmp(address, "::ffff:", 7) == 0)
		address += 7;
	return strcmp(address, "::1") == 0 ||
	       (strncmp(address, "127.", 4) == 0 &&
		   strspn(address, "0123456789.") == strlen(address));
}

static bool
key_known(const struct config *config, const char *given)
{
	bool found = false;

	/* All are compared, so that the time does not tell which one. */
	for (size_t i = 0; i < config->keys.n; i++) {
		const char *colon = strchr(config->keys.word[i], ':');
		const char *secret =
		    colon == NULL ? config->keys.word[i] : colon + 1;

		if (*secret != '\0' && secret_equal(given, secret))
			found = true;
	}
	return found;
}

/*
 * Whether a page that asks from loopback came from a loopback name.  A foreign
 * name that was made to resolve to 127.0.0.1 is the page of somebody else.
 */
static bool
is_local_page(struct subject who)
{
	const char *host = vars_get(who.vars, "HTTP_HOST");
	size_t len = strcspn(host, ":");
	char name[64];

	if (vars_get(who.vars, "HTTP_ORIGIN")[0] == '\0' ||
	    strncmp(host, "[::1]", 5) == 0)
		return true;
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return access_is_loopback(name) || strcasecmp(name, "localhost") == 0;
}

static bool
origin_listed(const struct config *config, const char *origin)
{
	for (size_t i = 0; i < config->origins.n; i++)
		if (strcasecmp(config->origins.word[i], origin) == 0)
			return true;
	return false;
}

/* Bytes of HOST without its port; an address of IPv6 stands in brackets. */
static size_t
name_len(const char *host)
{
	return host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
}

/* Whether the request came by TLS, as httpd or a proxy that is trusted says. */
static bool
is_https(struct subject who)
{
	return strcasecmp(vars_get(who.vars, "HTTPS"), "on") == 0 ||
	       strcasecmp(vars_get(who.vars, "REQUEST_SCHEME"), "https") == 0;
}

/*
 * Whether origin is SCHEME://HOST of the request itself.  A page that came
 * without TLS, as anybody on the way might have written it, does not speak for
 * the site that is asked by TLS.  The other way round it does: TLS may end at a
 * proxy that nobody tells us of.
 */
static bool
origin_same_host(struct subject who, const char *origin, bool any_port)
{
	const char *host = vars_get(who.vars, "HTTP_HOST");
	size_t len;

	if (strncasecmp(origin, "https://", 8) == 0)
		origin += 8;
	else if (strncasecmp(origin, "http://", 7) == 0 && !is_https(who))
		origin += 7;
	else
		return false;
	if (host[0] == '\0')
		return false;
	if (!any_port)
		return strcasecmp(origin, host) == 0;
	len = name_len(host);
	return name_len(origin) == len && strncasecmp(origin, host, len) == 0 &&
	       strspn(origin + len, "]:0123456789") == strlen(origin + len);
}

/*
 * Whether a page may act for whoever is in front of it.  The browser adds what
 * proves that by itself, so a site must be named; "*" is for those with a key.
 */
static bool
is_known_page(struct subject who)
{
	const char *origin = vars_get(who.vars, "HTTP_ORIGIN");

	return origin[0] == '\0' || origin_same_host(who, origin, false) ||
	       origin_listed(who.config, origin);
}

enum access
access_may_publish(struct subject who, const char *key)
{
	const char *auth = vars_get(who.vars, "HTTP_AUTHORIZATION");

	if (!access_origin_allowed(who))
		return ACCESS_BAD_ORIGIN;
	if (key == NULL && strncasecmp(auth, "Bearer ", 7) == 0)
		key = auth + 7 + strspn(auth + 7, " ");
	if (key != NULL)
		return key_known(who.config, key) ? ACCESS_YES : ACCESS_BAD_KEY;
	if (!is_known_page(who))
		return ACCESS_NO_KEY;
	if (who.config->publish_from_users &&
	    vars_get(who.vars, "REMOTE_USER")[0] != '\0')
		return ACCESS_YES;
	if (who.config->publish_from_loopback &&
	    access_is_loopback(vars_get(who.vars, "REMOTE_ADDR")) &&
	    is_local_page(who))
		return ACCESS_YES;
	return ACCESS_NO_KEY;
}

int
access_status(enum access access)
{
	return access == ACCESS_NO_KEY ? 401 : 403;
}

const char *
access_sentence(enum access access)
{
	switch (access) {
	case ACCESS_NO_KEY:
		return "publishing needs a key: send Authorization: Bearer KEY";
	case ACCESS_BAD_KEY:
		return "the key is not one of those in the configuration";
	case ACCESS_BAD_ORIGIN:
		return "the Origin of the page is not in the list of origins";
	case ACCESS_YES:
		break;
	}
	return "";
}

bool
access_origin_allowed(struct subject who)
{
	const char *origin = vars_get(who.vars, "HTTP_ORIGIN");

	return origin[0] == '\0' ||
	       origin_same_host(who, origin, who.own_port) ||
	       origin_listed(who.config, origin) ||
	       origin_listed(who.config, "*");
}

void
access_add_cors(struct subject who, struct str *out)
{
	const char *origin = vars_get(who.vars, "HTTP_ORIGIN");

	if (who.config->origins.n == 0)
		return;
	str_addz(out, "Vary: Origin\r\n");
	if (origin[0] == '\0' || strpbrk(origin, "\r\n") != NULL)
		return;
	if (origin_listed(who.config, origin))
		str_addf(out,
		    "Access-Control-Allow-Origin: %s\r\n"
		    "Access-Control-Allow-Credentials: true\r\n",
		    origin);
	else if (origin_listed(who.config, "*"))
		str_addz(out, "Access-Control-Allow-Origin: *\r\n");
	else
		return;
	str_addz(out, "Access-Control-Expose-Headers: ETag, Retry-After, "
		      "Tidings-Cursor, Tidings-Reset\r\n");
}

void
access_add_preflight(struct subject who, struct str *out, const char *methods)
{
	if (who.config->origins.n == 0 || !access_origin_allowed(who))
		return;
	str_addf(out,
	    "Access-Control-Allow-Methods: %s\r\n"
	    "Access-Control-Allow-Headers: " REQUEST_HEADERS "\r\n"
	    "Access-Control-Max-Age: 600\r\n",
	    methods);
}
