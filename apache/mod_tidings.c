/* SPDX-License-Identifier: MIT */
/*
 * mod_tidings: gives clients that are to be held to the programs, so that they
 * cost httpd nothing.  A plain connection is handed over: the program gets the
 * socket itself.  One with TLS is parked (apache/park.c).  Whatever can be
 * neither is declined, and mod_proxy carries it as it would without this
 * module.
 *
 * The trick with the dummy socket is that of mod_proxy_fdpass: httpd closes
 * that one, and marked as aborted it writes nothing into the other.  The real
 * socket is closed with the pool of the connection, which is no shutdown: the
 * program has it too.
 *
 * Refused: to wait for the program's answer and log its status.  It would hold
 * the thread, and nothing could be declined any more after the wait.
 */
#include <sys/un.h>

#include <errno.h>
#include <string.h>

#include "httpd.h"

#include "apr_lib.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"
#include "util_script.h"

#include "apache/link.h"
#include "apache/mod_tidings.h"

#define WAIT_DEFAULT  apr_time_from_sec(5)
#define STALL_DEFAULT apr_time_from_sec(30)
#define UNSET         (-1)
#define GIVE_TRIES    3

/* Settings of one <Location>. */
struct settings {
	const char *socket;       /* hand-over socket; "" = off, NULL = unset */
	int park;                 /* TidingsPark; or UNSET */
	apr_interval_time_t wait; /* for a busy program; or UNSET */
	apr_interval_time_t stall; /* a parked client takes nothing; or UNSET */
};

static void *
create_settings(apr_pool_t *pool, char *path)
{
	struct settings *s = apr_pcalloc(pool, sizeof(*s));

	(void)path;
	s->park = UNSET;
	s->wait = s->stall = UNSET;
	return s;
}

static void *
merge_settings(apr_pool_t *pool, void *base, void *add)
{
	const struct settings *b = base, *a = add;
	struct settings *s = apr_pcalloc(pool, sizeof(*s));

	s->socket = a->socket != NULL ? a->socket : b->socket;
	s->park = a->park != UNSET ? a->park : b->park;
	s->wait = a->wait != UNSET ? a->wait : b->wait;
	s->stall = a->stall != UNSET ? a->stall : b->stall;
	return s;
}

static const char *
set_handover(cmd_parms *cmd, void *config, const char *arg)
{
	struct settings *s = config;

	if (strcasecmp(arg, "off") == 0) {
		s->socket = "";
		return NULL;
	}
	if (strncasecmp(arg, "unix:", 5) != 0 || arg[5] != '/')
		return "TidingsHandover must be \"off\" or unix: and the "
		       "absolute path of a program's socket";
	s->socket = apr_pstrcat(cmd->pool, arg + 5, HANDOVER_SUFFIX, NULL);
	if (strlen(s->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "TidingsHandover: the path is too long for a socket";
	return NULL;
}

static const char *
set_park(cmd_parms *cmd, void *config, int on)
{
	(void)cmd;
	((struct settings *)config)->park = on;
	return NULL;
}

static const char *
set_time(const char *name, cmd_parms *cmd, const char *arg,
    apr_interval_time_t *time)
{
	if (!apr_isdigit(arg[0]) ||
	    ap_timeout_parameter_parse(arg, time, "s") != APR_SUCCESS ||
	    *time < 0 || *time > apr_time_from_sec(86400))
		return apr_psprintf(cmd->pool,
		    "%s must be a time such as 5 or 500ms", name);
	return NULL;
}

static const char *
set_wait(cmd_parms *cmd, void *config, const char *arg)
{
	return set_time("TidingsHandoverTimeout", cmd, arg,
	    &((struct settings *)config)->wait);
}

static const char *
set_stall(cmd_parms *cmd, void *config, const char *arg)
{
	struct settings *s = config;
	const char *error = set_time("TidingsSendTimeout", cmd, arg, &s->stall);

	return error == NULL && s->stall == 0
		   ? "TidingsSendTimeout must be more than 0"
		   : error;
}

static const command_rec directives[] = {
	AP_INIT_TAKE1("TidingsHandover", set_handover, NULL, ACCESS_CONF,
	    "unix:/path/of/program.sock, or off"),
	AP_INIT_FLAG("TidingsPark", set_park, NULL, RSRC_CONF | ACCESS_CONF,
	    "On (default) or Off: whether TLS connections are parked"),
	AP_INIT_TAKE1("TidingsHandoverTimeout", set_wait, NULL,
	    RSRC_CONF | ACCESS_CONF,
	    "how long to wait for a program that is busy (5s)"),
	AP_INIT_TAKE1("TidingsSendTimeout", set_stall, NULL,
	    RSRC_CONF | ACCESS_CONF,
	    "how long a parked client may take nothing (30s)"),
	{ NULL }
};

/* Why a request is not for us, or NULL. */
static const char *
find_obstacle(request_rec *r)
{
	conn_rec *c = r->connection;

	if (r->method_number != M_GET || r->header_only)
		return "it is no GET";
	if (r->main != NULL || r->prev != NULL)
		return "it is a subrequest or a redirect";
	if (c->master != NULL)
		return "the connection is shared (HTTP/2)";
	if (r->assbackwards || r->proto_num < HTTP_VERSION(1, 0))
		return "it is HTTP/0.9";
	if (ap_request_has_body(r))
		return "it has a body";
	if (c->aborted)
		return "the client is gone";
	return NULL;
}

/*
 * Whether something stands between the requests and the socket that the program
 * would not have: TLS of some module that does not say so, for one.
 */
static bool
socket_is_bare(const conn_rec *c)
{
	static const char *const harmless[] = { "core", "dumpio_out",
		"log_input_output", "reqtimeout" };

	for (const ap_filter_t *f = c->output_filters; f != NULL; f = f->next) {
		bool known = f->frec->ftype < AP_FTYPE_CONNECTION;

		for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]);
		     i++)
			if (strcasecmp(f->frec->name, harmless[i]) == 0)
				known = true;
		if (!known)
			return false;
	}
	return true;
}

/* Whether its TLS is mod_ssl's, whose ways we know. */
static bool
is_of_mod_ssl(const conn_rec *c)
{
	for (const ap_filter_t *f = c->output_filters; f != NULL; f = f->next)
		if (strcasecmp(f->frec->name, "ssl/tls filter") == 0)
			return true;
	return false;
}

/*
 * What httpd has yet to write, an answer before this one or the end of a TLS
 * handshake, leaves now, if the socket takes it.
 */
static bool
output_is_out(conn_rec *c)
{
	ap_filter_t *core = c->output_filters;

	if (!c->data_in_output_filters)
		return true;
	while (core->next != NULL)
		core = core->next;
	return core->frec->filter_func.out_func(core, NULL) == APR_SUCCESS &&
	       !c->data_in_output_filters;
}

/*
 * Whether bytes behind the request were read, or could be: they are httpd's.  A
 * client that has closed sends none; the program sees its end at once.
 */
static bool
input_is_empty(request_rec *r)
{
	conn_rec *c = r->connection;
	apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
	apr_status_t rv = ap_get_brigade(c->input_filters, bb,
	    AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
	apr_off_t len = 0;
	bool empty =
	    rv != APR_SUCCESS ||
	    (apr_brigade_length(bb, 1, &len) == APR_SUCCESS && len == 0);

	apr_brigade_destroy(bb);
	return empty;
}

static int
add_header(void *lines, const char *name, const char *value)
{
	static const char *const ours[] = { "Connection", "Content-Encoding",
		"Content-Length", "Content-Type", "Date", "Keep-Alive",
		"Transfer-Encoding", "Upgrade" };
	apr_array_header_t *a = lines;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return 1;
	if (strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL)
		*(const char **)apr_array_push(a) =
		    apr_pstrcat(a->pool, name, ": ", value, "\r\n", NULL);
	return 1;
}

/* What other modules have set already: cookies, and Header with "early". */
static const char *
response_headers(request_rec *r)
{
	apr_array_header_t *lines =
	    apr_array_make(r->pool, 4, sizeof(const char *));

	apr_table_do(add_header, lines, r->headers_out, NULL);
	apr_table_do(add_header, lines, r->err_headers_out, NULL);
	return apr_array_pstrcat(r->pool, lines, 0);
}

/* Variables that the program does not get, or not as they stand. */
static bool
is_left_out(const char *name)
{
	static const char *const names[] = { "", "PATH_INFO", "PATH_TRANSLATED",
		"SCRIPT_NAME", HANDOVER_HEADERS };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
add_variable(apr_array_header_t *list, const char *name, const char *value)
{
	*(const char **)apr_array_push(list) = name;
	*(const char **)apr_array_push(list) = value;
}

/* The variables as they travel.  Returns false if they are too many. */
static bool
write_variables(request_rec *r, struct iovec *iov)
{
	apr_array_header_t *list =
	    apr_array_make(r->pool, 128, sizeof(const char *));
	const apr_array_header_t *env;
	const apr_table_entry_t *e;
	size_t len = 0;
	char *p;

	ap_add_common_vars(r);
	ap_add_cgi_vars(r);
	env = apr_table_elts(r->subprocess_env);
	e = (const apr_table_entry_t *)(const void *)env->elts;
	for (int i = 0; i < env->nelts; i++)
		if (e[i].key != NULL && e[i].val != NULL &&
		    !is_left_out(e[i].key))
			add_variable(list, e[i].key, e[i].val);
	add_variable(list, "SCRIPT_NAME", r->uri);
	add_variable(list, HANDOVER_HEADERS, response_headers(r));
	for (int i = 0; i < list->nelts; i++)
		len += strlen(APR_ARRAY_IDX(list, i, const char *)) + 1;
	iov->iov_base = p = apr_palloc(r->pool, len);
	iov->iov_len = len;
	for (int i = 0; i < list->nelts; i++) {
		const char *text = APR_ARRAY_IDX(list, i, const char *);

		memcpy(p, text, strlen(text) + 1);
		p += strlen(text) + 1;
	}
	return len <= HANDOVER_PACKET_MAX - sizeof(struct handover_head) -
			  sizeof(uint32_t);
}

/* From here on the connection is the program's. */
static void
let_go(request_rec *r, apr_socket_t *dummy)
{
	conn_rec *c = r->connection;

	ap_set_core_module_config(c->conn_config, dummy);
	c->keepalive = AP_CONN_CLOSE;
	c->aborted = 1;
}

static bool
hand_over(request_rec *r, struct link *link, struct iovec variables,
    int wait_ms)
{
	struct handover_head head = { .type = HANDOVER_CLIENT };
	struct iovec iov[2] = { { &head, sizeof(head) }, variables };
	conn_rec *c = r->connection;
	apr_socket_t *dummy;
	apr_os_sock_t fd;

	if (apr_os_sock_get(&fd, ap_get_conn_socket(c)) != APR_SUCCESS ||
	    apr_socket_create(&dummy, APR_INET, SOCK_STREAM, APR_PROTO_TCP,
		c->pool) != APR_SUCCESS) {
		errno = EMFILE;
		return false;
	}
	if (link_send(link, iov, 2, fd, wait_ms) == -1) {
		int saved = errno;

		apr_socket_close(dummy);
		errno = saved;
		return false;
	}
	let_go(r, dummy);
	return true;
}

/* What the log shows, as the answer is the program's. */
static void
note(request_rec *r, const char *how)
{
	const char *upgrade = apr_table_get(r->headers_in, "Upgrade");
	bool websocket =
	    upgrade != NULL && ap_find_token(r->pool, upgrade, "websocket") &&
	    apr_table_get(r->headers_in, "Sec-WebSocket-Key") != NULL;

	r->status = websocket ? HTTP_SWITCHING_PROTOCOLS : HTTP_OK;
	apr_table_setn(r->notes, "tidings", how);
}

/* Gives the request away, or returns false, with errno: it is httpd's still. */
static bool
give(request_rec *r, const struct settings *s, struct iovec *variables,
    bool tls)
{
	apr_interval_time_t wait = s->wait == UNSET ? WAIT_DEFAULT : s->wait;
	int wait_ms = (int)apr_time_as_msec(wait);
	struct link *link = link_get(s->socket, wait_ms);
	bool done;

	if (link == NULL)
		return false;
	done = tls ? park(r, link, variables, 1, wait_ms,
			 s->stall == UNSET ? STALL_DEFAULT : s->stall)
		   : hand_over(r, link, *variables, wait_ms);
	link_unref(link);
	return done;
}

static int
handle(request_rec *r)
{
	const struct settings *s =
	    ap_get_module_config(r->per_dir_config, &tidings_module);
	conn_rec *c = r->connection;
	const char *obstacle;
	struct iovec variables;
	bool tls, done = false;

	if (s->socket == NULL || s->socket[0] == '\0')
		return DECLINED;
	obstacle = find_obstacle(r);
	tls = obstacle == NULL && ap_ssl_conn_is_ssl(c);
	if (obstacle == NULL && tls && (s->park == 0 || !park_possible(r)))
		obstacle = "TLS can't be parked here";
	if (obstacle == NULL && !(tls ? is_of_mod_ssl(c) : socket_is_bare(c)))
		obstacle = "another module filters the connection";
	if (obstacle == NULL && !input_is_empty(r))
		obstacle = "more bytes came with it";
	/* To look for input may have made TLS write. */
	if (obstacle == NULL && !output_is_out(c))
		obstacle = "an answer before it is not out";
	if (obstacle == NULL && !write_variables(r, &variables))
		obstacle = "its head is too large";
	if (obstacle != NULL) {
		ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
		    "not handed over: %s", obstacle);
		return DECLINED;
	}
	/* One that was started anew tells us by its old link, maybe twice. */
	for (int tries = 0; tries < GIVE_TRIES && !done; tries++) {
		done = give(r, s, &variables, tls);
		if (!done && errno != EPIPE && errno != ECONNRESET)
			break;
	}
	if (!done) {
		ap_log_rerror(APLOG_MARK, APLOG_INFO, errno, r,
		    "not handed over: %s", s->socket);
		return DECLINED;
	}
	note(r, tls ? "parked" : "handed-over");
	return tls ? SUSPENDED : DONE;
}

static void
register_hooks(apr_pool_t *pool)
{
	static const char *const before[] = { "mod_proxy.c", NULL };

	(void)pool;
	ap_hook_handler(handle, NULL, before, APR_HOOK_FIRST);
	ap_hook_child_init(park_child_init, NULL, NULL, APR_HOOK_MIDDLE);
	park_register();
}

AP_DECLARE_MODULE(tidings) = { STANDARD20_MODULE_STUFF, create_settings,
	merge_settings, NULL, NULL, directives, register_hooks, 0 };
