/* SPDX-License-Identifier: MIT */
/*
 * The opening handshake: an HTTP request head, taken apart by http_parser, and
 * the checks of RFC 6455.  Header names with an underscore are dropped, because
 * as a variable X_Forwarded_For could not be told from X-Forwarded-For.
 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <http_parser.h>

#include "daemon/handshake.h"
#include "shared/config_file.h"
#include "shared/req.h"
#include "shared/str.h"
#include "shared/wsframe.h"

#define HEAD_MAX    16384 /* bytes of the whole head */
#define HEADERS_MAX 100   /* lines */

/* A header line; offsets into the text. */
struct line {
	size_t name, value; /* where they begin; NUL behind each */
};

struct handshake {
	http_parser parser;             /* of the library */
	struct str url;                 /* request target */
	struct str text;                /* names and values */
	struct line lines[HEADERS_MAX]; /* headers */
	size_t n;                       /* used rows */
	size_t seen;                    /* bytes of the head so far */
	bool in_value;                  /* the last piece was of a value */
	bool too_long;                  /* a limit was passed */
	bool done;                      /* the head is whole */
};

static int
on_url(http_parser *parser, const char *at, size_t len)
{
	struct handshake *hs = parser->data;

	str_add(&hs->url, at, len);
	return 0;
}

static int
on_field(http_parser *parser, const char *at, size_t len)
{
	struct handshake *hs = parser->data;

	if (hs->in_value || hs->n == 0) {
		if (hs->n == HEADERS_MAX) {
			hs->too_long = true;
			return 1;
		}
		if (hs->n > 0)
			str_add(&hs->text, "", 1);
		hs->lines[hs->n].name = hs->text.len;
		hs->lines[hs->n++].value = 0;
		hs->in_value = false;
	}
	/* RFC 9112, section 5.1; http_parser lets it pass. */
	if (memchr(at, ' ', len) != NULL)
		return 1;
	str_add(&hs->text, at, len);
	return 0;
}

static int
on_value(http_parser *parser, const char *at, size_t len)
{
	struct handshake *hs = parser->data;

	if (!hs->in_value) {
		str_add(&hs->text, "", 1);
		hs->lines[hs->n - 1].value = hs->text.len;
		hs->in_value = true;
	}
	str_add(&hs->text, at, len);
	return 0;
}

static int
on_head(http_parser *parser)
{
	struct handshake *hs = parser->data;

	str_add(&hs->text, "", 1);
	hs->done = true;
	return 2; /* no body is read: what follows are frames, or nothing */
}

static const http_parser_settings settings = { .on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head };

struct handshake *
handshake_new(void)
{
	struct handshake *hs = xcalloc(1, sizeof(*hs));

	http_parser_init(&hs->parser, HTTP_REQUEST);
	hs->parser.data = hs;
	return hs;
}

void
handshake_free(struct handshake *hs)
{
	if (hs == NULL)
		return;
	str_free(&hs->url);
	str_free(&hs->text);
	free(hs);
}

/* Of a head that is refused nothing is believed, half lines least of all. */
static enum handshake_event
forget(struct handshake *hs, enum handshake_event why)
{
	hs->n = 0;
	str_clear(&hs->url);
	str_clear(&hs->text);
	return why;
}

enum handshake_event
handshake_read(struct handshake *hs, const void *bytes, size_t len,
    size_t *used)
{
	size_t room = HEAD_MAX - hs->seen, give = len < room ? len : room;

	*used = http_parser_execute(&hs->parser, &settings, bytes, give);
	hs->seen += *used;
	if (hs->done) {
		/* http_parser stops at the last byte of the head. */
		return HANDSHAKE_DONE;
	}
	if (hs->too_long || hs->seen == HEAD_MAX)
		return forget(hs, HANDSHAKE_TOO_LONG);
	if (HTTP_PARSER_ERRNO(&hs->parser) != HPE_OK)
		return forget(hs, HANDSHAKE_BAD);
	return HANDSHAKE_MORE;
}

/* HTTP_NAME_OF_HEADER, or false for a name that is no plain token. */
static bool
variable_name(const char *header, char *out, size_t size)
{
	size_t len = strlen(header);

	if (len + 6 > size)
		return false;
	memcpy(out, "HTTP_", 5);
	for (size_t i = 0; i <= len; i++) {
		char c = header[i];

		if (c == '_')
			return false;
		out[5 + i] = c == '-' ? '_' : (char)toupper((unsigned char)c);
	}
	return true;
}

/* All values of a header, joined as RFC 9110, section 5.3, allows. */
static void
join_values(const struct handshake *hs, const char *name, struct str *out)
{
	str_clear(out);
	for (size_t i = 0; i < hs->n; i++) {
		if (strcasecmp(hs->text.p + hs->lines[i].name, name) != 0)
			continue;
		if (out->len > 0)
			str_addz(out, ", ");
		if (hs->lines[i].value > 0)
			str_addz(out, hs->text.p + hs->lines[i].value);
	}
	str_add(out, "", 0);
}

static bool
is_trusted(const struct config *config, const char *address)
{
	for (size_t i = 0; i < config->trusted_proxies.n; i++)
		if (strcmp(config->trusted_proxies.word[i], address) == 0)
			return true;
	return false;
}

/* The rightmost word of a comma list, taken off; NULL at the end. */
static char *
take_last(char *list)
{
	char *comma = strrchr(list, ','), *word = comma ? comma + 1 : list;
	size_t len;

	if (comma != NULL)
		*comma = '\0';
	word += strspn(word, " \t");
	len = strcspn(word, " \t");
	if (len == 0)
		return NULL;
	word[len] = '\0';
	return word;
}

/* The first address from the right that is no proxy of ours. */
static void
add_remote_addr(const struct handshake *hs, struct req *req,
    const struct config *config, const char *peer)
{
	struct str list = { 0 };
	const char *address = peer;
	char *word;

	join_values(hs, "X-Forwarded-For", &list);
	while (list.p[0] != '\0' && is_trusted(config, address)) {
		word = take_last(list.p);
		if (word == NULL)
			break;
		address = word;
		if (word == list.p || list.p[0] == '\0')
			break;
	}
	req_add_var(req, "REMOTE_ADDR", address);
	str_free(&list);
}

static void
add_host(const struct handshake *hs, struct req *req,
    const struct config *config, const char *peer)
{
	struct str host = { 0 };
	const char *name = NULL;

	join_values(hs, "X-Forwarded-Host", &host);
	if (host.len > 0 && is_trusted(config, peer))
		name = take_last(host.p);
	if (name == NULL) {
		join_values(hs, "Host", &host);
		name = host.p;
		req->own_port = true;
	}
	req_add_var(req, "HTTP_HOST", name);
	str_free(&host);
}

/* Whom the proxy has authenticated, if it is one of ours. */
static void
add_remote_user(const struct handshake *hs, struct req *req,
    const struct config *config, const char *peer)
{
	struct str user = { 0 };

	join_values(hs, "X-Remote-User", &user);
	if (user.len > 0 && is_trusted(config, peer))
		req_add_var(req, "REMOTE_USER", user.p);
	str_free(&user);
}

static void
add_headers(const struct handshake *hs, struct req *req)
{
	struct str value = { 0 };
	char name[128];

	for (size_t i = 0; i < hs->n; i++) {
		const char *header = hs->text.p + hs->lines[i].name;
		bool first = true;

		for (size_t j = 0; j < i && first; j++)
			first = strcasecmp(hs->text.p + hs->lines[j].name,
				    header) != 0;
		if (!first || strcasecmp(header, "Host") == 0 ||
		    !variable_name(header, name, sizeof(name)))
			continue;
		join_values(hs, header, &value);
		req_add_var(req, name, value.p);
	}
	str_free(&value);
}

void
handshake_fill(const struct handshake *hs, struct req *req,
    const struct config *config, const char *peer)
{
	char *url = xstrndup(hs->url.p == NULL ? "" : hs->url.p, hs->url.len);
	char *query = strchr(url, '?');

	req_add_var(req, "REQUEST_METHOD",
	    http_method_str((enum http_method)hs->parser.method));
	req_add_var(req, "SERVER_PROTOCOL",
	    hs->parser.http_major == 1 && hs->parser.http_minor >= 1
		? "HTTP/1.1"
		: "HTTP/1.0");
	if (query != NULL)
		*query++ = '\0';
	req_add_var(req, "SCRIPT_NAME", url);
	req_add_var(req, "QUERY_STRING", query == NULL ? "" : query);
	add_remote_addr(hs, req, config, peer);
	add_remote_user(hs, req, config, peer);
	add_host(hs, req, config, peer);
	add_headers(hs, req);
	req_vars_done(req);
	free(url);
}

static bool
list_has(const char *list, const char *token,
    int (*compare)(const char *, const char *, size_t))
{
	size_t n = strlen(token);

	while (*list != '\0') {
		size_t len;

		list += strspn(list, " \t,");
		len = strcspn(list, " \t,");
		if (len == n && compare(list, token, n) == 0)
			return true;
		list += len;
	}
	return false;
}

bool
handshake_has_token(const char *list, const char *token)
{
	return list_has(list, token, strncasecmp);
}

bool
handshake_offers(const char *list, const char *protocol)
{
	return list_has(list, protocol, strncmp);
}

int
handshake_check(const struct req *req, char *accept, const char **why)
{
	if (!req_is(req, "GET")) {
		*why = "a WebSocket is opened by GET";
		return 405;
	}
	if (!handshake_has_token(req_var(req, "HTTP_UPGRADE"), "websocket") ||
	    !handshake_has_token(req_var(req, "HTTP_CONNECTION"), "upgrade")) {
		*why = "this is a WebSocket: ask with Upgrade: websocket and "
		       "Connection: Upgrade";
		return 426;
	}
	if (strcmp(req_var(req, "SERVER_PROTOCOL"), "HTTP/1.1") != 0) {
		*why = "a WebSocket needs HTTP/1.1";
		return 400;
	}
	if (req_var(req, "HTTP_HOST")[0] == '\0') {
		*why = "there is no Host";
		return 400;
	}
	if (strpbrk(req_var(req, "HTTP_HOST"), ", ") != NULL) {
		*why = "there is more than one Host";
		return 400;
	}
	if (strcmp(req_var(req, "HTTP_SEC_WEBSOCKET_VERSION"), "13") != 0) {
		*why = "Sec-WebSocket-Version must be 13";
		return 426;
	}
	if (!ws_accept(req_var(req, "HTTP_SEC_WEBSOCKET_KEY"), accept)) {
		*why = "Sec-WebSocket-Key must be base64 of 16 bytes";
		return 400;
	}
	return 0;
}
