/* SPDX-License-Identifier: MIT */
/*
 * The load generator: "load watch" connects thousands of subscribers over any
 * transport, publishes to them and checks what arrives; "load ask" counts
 * requests per second, "load echo" WebSocket echoes per second. README.md
 * beside this file explains the options.
 *
 * It is one process with one epoll loop (and a thread that publishes), because
 * it shares the machine with what it measures: the less it uses, the less it
 * disturbs.
 */
#include "config.h"

#include <sys/resource.h>

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/ask.h"
#include "bench/message.h"
#include "bench/watch.h"

/* Everything that can be asked for on the command line. */
struct options {
	const char *label;
	const char *target;
	const char *path;
	const char *json;   /* file to append the JSON line to, or NULL */
	const char *post;   /* file with what is posted, or NULL */
	const char *type;   /* its media type */
	struct buf headers; /* request lines with CRLF, NUL at the end */
	int etag;
	double seconds;
	struct watch watch; /* also holds what both kinds of run share */
};

enum option_code {
	OPT_BATCH_MS = 256,
	OPT_CHANNEL,
	OPT_CLIENTS,
	OPT_CONNECT_MS,
	OPT_CONNECT_RATE,
	OPT_DEFLATE,
	OPT_DRAIN_MS,
	OPT_ETAG,
	OPT_FCGI,
	OPT_FORM,
	OPT_HEADER,
	OPT_HZ,
	OPT_JSON,
	OPT_LABEL,
	OPT_MESSAGES,
	OPT_PATH,
	OPT_PENDING,
	OPT_PID,
	OPT_POST,
	OPT_PUBLISH,
	OPT_REST_MS,
	OPT_RESUME,
	OPT_SECONDS,
	OPT_SETTLE_MS,
	OPT_SIZE,
	OPT_TARGET,
	OPT_TEXT,
	OPT_TLS,
	OPT_TREE,
	OPT_TYPE,
	OPT_WARM,
	OPT_WRAP,
};

static const struct option_name {
	const char *name;
	int value;
} forms[] = {
	{ "sse", FORM_SSE },
	{ "iframe", FORM_IFRAME },
	{ "poll", FORM_POLL },
	{ "longpoll", FORM_LONGPOLL },
	{ "ws", FORM_WS },
	{ "wsjson", FORM_WSJSON },
	{ NULL, 0 },
}, wraps[] = {
	{ "sse", WRAP_SSE },
	{ "fcgi", WRAP_FCGI },
	{ "ws", WRAP_WS },
	{ NULL, 0 },
}, texts[] = {
	{ "plain", 0 },
	{ "json", 1 },
	{ NULL, 0 },
};

static const struct option long_options[] = {
	{ "batch-ms", required_argument, NULL, OPT_BATCH_MS },
	{ "channel", required_argument, NULL, OPT_CHANNEL },
	{ "clients", required_argument, NULL, OPT_CLIENTS },
	{ "connect-ms", required_argument, NULL, OPT_CONNECT_MS },
	{ "connect-rate", required_argument, NULL, OPT_CONNECT_RATE },
	{ "deflate", no_argument, NULL, OPT_DEFLATE },
	{ "drain-ms", required_argument, NULL, OPT_DRAIN_MS },
	{ "etag", no_argument, NULL, OPT_ETAG },
	{ "fcgi", no_argument, NULL, OPT_FCGI },
	{ "form", required_argument, NULL, OPT_FORM },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "hz", required_argument, NULL, OPT_HZ },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "messages", required_argument, NULL, OPT_MESSAGES },
	{ "path", required_argument, NULL, OPT_PATH },
	{ "pending", required_argument, NULL, OPT_PENDING },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "post", required_argument, NULL, OPT_POST },
	{ "publish", required_argument, NULL, OPT_PUBLISH },
	{ "rest-ms", required_argument, NULL, OPT_REST_MS },
	{ "resume", no_argument, NULL, OPT_RESUME },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "settle-ms", required_argument, NULL, OPT_SETTLE_MS },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "text", required_argument, NULL, OPT_TEXT },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "tree", required_argument, NULL, OPT_TREE },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "warm", required_argument, NULL, OPT_WARM },
	{ "wrap", required_argument, NULL, OPT_WRAP },
	{ NULL, 0, NULL, 0 },
};

static void __attribute__((noreturn)) usage(void)
{
	const struct option *o;

	fprintf(stderr, "usage: load watch|ask|echo [options]\n"
			"options (README.md explains them):");
	for (o = long_options; o->name != NULL; o++)
		fprintf(stderr, " --%s%s", o->name, o->has_arg ? " X" : "");
	fprintf(stderr, "\n");
	exit(2);
}

static int
lookup(const struct option_name *names, const char *text)
{
	for (; names->name != NULL; names++) {
		if (strcmp(names->name, text) == 0)
			return names->value;
	}
	errx(2, "not known: %s", text);
}

/* A number from min to max, or exit. */
static double
number(const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= min && value <= max))
		errx(2, "not a number from %g to %g: %s", min, max, text);
	return value;
}

static void
add_group(struct watch *w, const char *text, int tree)
{
	if (w->ngroups == WATCH_GROUPS)
		errx(2, "more than %d groups", WATCH_GROUPS);
	group_parse(&w->groups[w->ngroups++], text, tree);
}

/* Options of the publisher and of measuring; 0 if it is none of them. */
static int
set_publish_option(struct options *o, int option, const char *arg)
{
	struct watch *w = &o->watch;

	switch (option) {
	case OPT_BATCH_MS:
		w->publisher.batch_ms = (unsigned)number(arg, 0, 1e4);
		return 1;
	case OPT_CHANNEL:
		w->publisher.channel = arg;
		return 1;
	case OPT_HZ:
		w->publisher.per_second = number(arg, 0.01, 1e6);
		return 1;
	case OPT_MESSAGES:
		w->publisher.messages = (uint32_t)number(arg, 1, 1e7);
		return 1;
	case OPT_PUBLISH:
		w->publish = arg;
		return 1;
	case OPT_WRAP:
		w->publisher.wrap = (enum wrap)lookup(wraps, arg);
		return 1;
	case OPT_SIZE:
		w->plan.shape.size = (size_t)number(arg, MESSAGE_MIN, 1e6);
		return 1;
	case OPT_TEXT:
		w->plan.shape.json = lookup(texts, arg);
		return 1;
	case OPT_PID:
		add_group(w, arg, 0);
		return 1;
	case OPT_TREE:
		add_group(w, arg, 1);
		return 1;
	default:
		return 0;
	}
}

/* Options of times and numbers; 0 if it is none of them. */
static int
set_limit_option(struct options *o, int option, const char *arg)
{
	struct watch *w = &o->watch;

	switch (option) {
	case OPT_CLIENTS:
		w->clients = (size_t)number(arg, 1, 1e6);
		return 1;
	case OPT_CONNECT_MS:
		w->connect_ms = (unsigned)number(arg, 0, 1e6);
		return 1;
	case OPT_CONNECT_RATE:
		w->connect_rate = number(arg, 0.1, 1e6);
		return 1;
	case OPT_DRAIN_MS:
		w->drain_ms = (unsigned)number(arg, 0, 1e6);
		return 1;
	case OPT_PENDING:
		w->pending = (unsigned)number(arg, 1, 1e6);
		return 1;
	case OPT_REST_MS:
		w->rest_ms = (unsigned)number(arg, 0, 1e6);
		return 1;
	case OPT_SECONDS:
		o->seconds = number(arg, 0.1, 3600);
		return 1;
	case OPT_SETTLE_MS:
		w->settle_ms = (unsigned)number(arg, 0, 1e6);
		return 1;
	case OPT_WARM:
		w->warm = (size_t)number(arg, 0, 1e6);
		return 1;
	default:
		return 0;
	}
}

static void
set_option(struct options *o, int option, const char *arg)
{
	switch (option) {
	case OPT_DEFLATE:
		o->watch.plan.deflate = 1;
		break;
	case OPT_ETAG:
		o->etag = 1;
		break;
	case OPT_FCGI:
		o->watch.plan.fcgi = 1;
		break;
	case OPT_FORM:
		o->watch.plan.form = (enum form)lookup(forms, arg);
		break;
	case OPT_HEADER:
		buf_printf(&o->headers, "%s\r\n", arg);
		break;
	case OPT_JSON:
		o->json = arg;
		break;
	case OPT_LABEL:
		o->label = arg;
		break;
	case OPT_PATH:
		o->path = arg;
		break;
	case OPT_POST:
		o->post = arg;
		break;
	case OPT_RESUME:
		o->watch.plan.resume = 1;
		break;
	case OPT_TARGET:
		o->target = arg;
		break;
	case OPT_TLS:
		o->watch.plan.tls = 1;
		break;
	case OPT_TYPE:
		o->type = arg;
		break;
	default:
		if (!set_limit_option(o, option, arg) &&
		    !set_publish_option(o, option, arg))
			usage();
	}
}

static void
set_defaults(struct options *o)
{
	struct watch *w = &o->watch;

	memset(o, 0, sizeof(*o));
	o->label = "run";
	o->path = "/";
	o->type = "text/plain";
	o->seconds = 5;
	w->clients = 100;
	w->connect_rate = 2000;
	w->pending = 200;
	w->rest_ms = 1000;
	w->connect_ms = 30000;
	w->settle_ms = 500;
	w->drain_ms = 3000;
	w->plan.shape.size = 100;
	w->publisher.channel = "bench";
	w->publisher.messages = 100;
	w->publisher.per_second = 20;
}

/* Every client needs a descriptor; a few more for everything else. */
static void
raise_descriptors(size_t clients)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	rl.rlim_cur = clients + 64;
	if (rl.rlim_cur > rl.rlim_max)
		rl.rlim_max = rl.rlim_cur; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "%zu clients need as many descriptors", clients);
}

static FILE *
open_json(const char *path)
{
	FILE *f = fopen(path, "a");

	if (f == NULL)
		err(1, "%s", path);
	return f;
}

static int
run_watch(struct options *o)
{
	struct watch *w = &o->watch;
	struct target target;
	FILE *f;
	int rc;

	target_parse(&target, o->target);
	w->label = o->label;
	w->plan.target = &target;
	w->plan.path = o->path;
	w->plan.headers = o->headers.p;
	w->hold_ms = (unsigned)(o->seconds * 1000);
	w->publisher.shape = w->plan.shape;
	w->publisher.run = (uint32_t)(clock_ns() / 1000) ^ (uint32_t)getpid()
							       << 16;
	raise_descriptors(w->clients);
	rc = watch_run(w);
	watch_print(w, stdout);
	if (o->json != NULL) {
		f = open_json(o->json);
		watch_print_json(w, f);
		fclose(f);
	}
	tally_free(&w->tally);
	return rc;
}

static void
read_file(struct buf *to, const char *path)
{
	FILE *f = fopen(path, "r");
	char in[4096];
	size_t n;

	if (f == NULL)
		err(1, "%s", path);
	while ((n = fread(in, 1, sizeof(in), f)) > 0)
		buf_add(to, in, n);
	fclose(f);
	if (to->len == 0)
		errx(1, "%s: nothing to post", path);
}

static int
run_ask(struct options *o, int echo)
{
	static struct ask a;
	FILE *f;

	target_parse(&a.target, o->target);
	a.label = o->label;
	a.path = o->path;
	a.headers = o->headers.p;
	a.etag = o->etag;
	a.echo = echo;
	a.tls = o->watch.plan.tls;
	a.type = o->type;
	if (o->post != NULL)
		read_file(&a.post, o->post);
	a.shape = o->watch.plan.shape;
	a.connections = o->watch.clients;
	a.seconds = o->seconds;
	a.ngroups = o->watch.ngroups;
	memcpy(a.groups, o->watch.groups, sizeof(a.groups));
	raise_descriptors(a.connections);
	ask_run(&a);
	ask_print(&a, stdout);
	if (o->json != NULL) {
		f = open_json(o->json);
		ask_print_json(&a, f);
		fclose(f);
	}
	buf_free(&a.post);
	free(a.late);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct options o;
	int option, rc;

	if (argc < 2)
		usage();
	set_defaults(&o);
	while ((option = getopt_long(argc - 1, argv + 1, "", long_options,
		    NULL)) != -1)
		set_option(&o, option, optarg);
	if (optind != argc - 1 || o.target == NULL)
		usage();
	if (o.watch.plan.shape.json &&
	    o.watch.plan.shape.size < MESSAGE_MIN_JSON)
		errx(2, "a JSON text has %d bytes at least", MESSAGE_MIN_JSON);
	buf_add(&o.headers, "", 1);
	if (strcmp(argv[1], "watch") == 0)
		rc = run_watch(&o);
	else if (strcmp(argv[1], "ask") == 0)
		rc = run_ask(&o, 0);
	else if (strcmp(argv[1], "echo") == 0)
		rc = run_ask(&o, 1);
	else
		usage();
	buf_free(&o.headers);
	return rc;
}
