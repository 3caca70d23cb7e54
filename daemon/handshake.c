/* SPDX-License-Identifier: MIT */
/*
 * The opening handshake: the variables of a request head that shared/wire/http
 * has taken apart, and the checks of RFC 6455.  Header names with an underscore
 * are dropped, because as a variable X_Forwarded_For could not be told from
 * X-Forwarded-For.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/handshake.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/req.h"
#include "shared/wire/http.h"
#include "shared/wire/wsframe.h"

/* The variable that a header becomes, or false for one that becomes none. */
static bool
variable_name(const char *header, char *out, size_t size)
{
	/* As CGI has it (RFC 3875, section 4.1). */
	bool bare = strcasecmp(header, "Content-Length") == 0 ||
		    strcasecmp(header, "Content-Type") == 0;
	int n = snprintf(out, size, "%s%s", bare ? "" : "HTTP_", header);

	if (n < 0 || (size_t)n >= size || strchr(header, '_') != NULL)
		return false;
	for (; *out != '\0'; out++)
		*out = *out == '-' ? '_' : (char)toupper((unsigned char)*out);
	return true;
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

static const char *
last_or_none(char *list)
{
	const char *word = take_last(list);

	return word == NULL ? "" : word;
}

/* The first address from the right that is no proxy of ours. */
static void
add_remote_addr(const struct http_in *head, struct req *req,
    const struct config *config, const char *peer)
{
	struct str list = { 0 };
	const char *address = peer;
	char *word;

	http_join(head, "X-Forwarded-For", &list);
	while (list.p[0] != '\0' && is_trusted(config, address)) {
		word = take_last(list.p);
		if (word == NULL)
			break;
		address = word;
		if (word == list.p || list.p[0] == '\0')
			break;
	}
	vars_add(&req->vars, "REMOTE_ADDR", address);
	str_free(&list);
}

/* The host and the scheme that the client asked for. */
static void
add_host(const struct http_in *head, struct req *req,
    const struct config *config, const char *peer)
{
	struct str host = { 0 }, proto = { 0 };
	const char *name = NULL;

	if (is_trusted(config, peer)) {
		if (http_join(head, "X-Forwarded-Host", &host) > 0)
			name = take_last(host.p);
		if (http_join(head, "X-Forwarded-Proto", &proto) > 0)
			vars_add(&req->vars, "REQUEST_SCHEME",
			    last_or_none(proto.p));
	}
	if (name == NULL) {
		req->own_port = true;
		name = http_authority(head);
		if (name[0] == '\0') {
			http_join(head, "Host", &host);
			name = host.p;
		}
	}
	vars_add(&req->vars, "HTTP_HOST", name);
	str_free(&host);
	str_free(&proto);
}

/* Whom the proxy has authenticated, if it is one of ours. */
static void
add_remote_user(const struct http_in *head, struct req *req,
    const struct config *config, const char *peer)
{
	struct str user = { 0 };

	http_join(head, "X-Remote-User", &user);
	if (user.len > 0 && is_trusted(config, peer))
		vars_add(&req->vars, "REMOTE_USER", user.p);
	str_free(&user);
}

static void
add_headers(const struct http_in *head, struct req *req)
{
	struct str value = { 0 };
	char name[128];

	for (size_t i = 0; i < head->nfields; i++) {
		const char *header = http_name(head, i);
		bool first = true;

		for (size_t j = 0; j < i && first; j++)
			first = strcasecmp(http_name(head, j), header) != 0;
		if (!first || strcasecmp(header, "Host") == 0 ||
		    !variable_name(header, name, sizeof(name)))
			continue;
		http_join(head, header, &value);
		vars_add(&req->vars, name, value.p);
	}
	str_free(&value);
}

void
handshake_fill(const struct http_in *head, struct req *req,
    const struct config *config, const char *peer)
{
	const char *path = http_path(head);
	char *url = xstrndup(path, strlen(path));
	char *query = strchr(url, '?');

	vars_add(&req->vars, "REQUEST_METHOD", http_method(head));
	vars_add(&req->vars, "SERVER_PROTOCOL",
	    head->is_1_0 ? "HTTP/1.0" : "HTTP/1.1");
	if (query != NULL)
		*query++ = '\0';
	vars_add(&req->vars, "SCRIPT_NAME", url);
	vars_add(&req->vars, "QUERY_STRING", query == NULL ? "" : query);
	add_remote_addr(head, req, config, peer);
	add_remote_user(head, req, config, peer);
	add_host(head, req, config, peer);
	add_headers(head, req);
	vars_done(&req->vars);
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

/* Methods of RFC 9110 and 5789: known, but of no use here. */
static bool
is_method_known(const char *method)
{
	static const char *const known[] = { "CONNECT", "DELETE", "HEAD",
		"OPTIONS", "PATCH", "POST", "PUT", "TRACE" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(method, known[i]) == 0)
			return true;
	return false;
}

/* What holds for every request (RFC 9110 and 9112). */
static int
check_request(const struct req *req, const char **why)
{
	const char *host = req_var(req, "HTTP_HOST");
	const char *length = req_var(req, "CONTENT_LENGTH");

	if (!http_host_valid(host)) {
		*why = host[0] == '\0' ? "there is no Host"
				       : "the Host is not a name and a port";
		return 400;
	}
	if (!req_is(req, "GET")) {
		*why = "a WebSocket is opened by GET";
		return is_method_known(req_var(req, "REQUEST_METHOD")) ? 405
								       : 501;
	}
	if (length[strspn(length, "0")] != '\0' ||
	    vars_has(&req->vars, "HTTP_TRANSFER_ENCODING")) {
		*why = "a WebSocket is opened by a request without a body";
		return 400;
	}
	return 0;
}

int
handshake_check(const struct req *req, char *accept, const char **why)
{
	int status = check_request(req, why);

	if (status != 0)
		return status;
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
	if (strcmp(req_var(req, "HTTP_SEC_WEBSOCKET_VERSION"), "13") != 0) {
		*why = "Sec-WebSocket-Version must be 13";
		return 426;
	}
	if (!ws_accept(req_var(req, "HTTP_SEC_WEBSOCKET_KEY"), accept)) {
		*why = "Sec-WebSocket-Key must be base64 of 16 bytes";
		return 400;
	}
	if (vars_has(&req->vars, "HTTP_SEC_WEBSOCKET_PROTOCOL") &&
	    !http_tokens_valid(req_var(req, "HTTP_SEC_WEBSOCKET_PROTOCOL"))) {
		*why = "Sec-WebSocket-Protocol is not a list of names";
		return 400;
	}
	return 0;
}
