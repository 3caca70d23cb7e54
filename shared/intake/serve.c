/* SPDX-License-Identifier: MIT */
/*
 * The frame of every program: options, configuration, database, engine, loop.
 * The same binary is a FastCGI server where it has a listening socket and a CGI
 * program where httpd started it for one request.
 */
#include "config.h"

#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/board.h"
#include "shared/base/chore.h"
#include "shared/base/clock.h"
#include "shared/base/descriptors.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/base/turns.h"
#include "shared/base/user.h"
#include "shared/engine/client.h"
#include "shared/intake/conn.h"
#include "shared/intake/conns.h"
#include "shared/intake/link.h"
#include "shared/intake/listener.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/publish/writer.h"
#include "shared/wire/handover.h"

#define GRACE_MS    3000 /* for held clients to take the end of their answer */
#define TRIM_S      5.0  /* between two looks at free memory */
#define TRIM_BYTES  (8 << 20) /* to be given back */
#define BOARD_SLOTS 8192      /* channels listed by a server */
#define CGI_SLOTS   128       /* the same by a CGI program */
#define LINKS_FD    3         /* where tidings run puts the second socket */
#define PATH_SYSTEM SYSCONFDIR "/tidings/tidings.conf"

/* -c, else the environment, else the system's file if there is one. */
static const char *
find_config(const char *given)
{
	if (given == NULL)
		given = getenv("TIDINGS_CONFIG");
	if (given == NULL && access(PATH_SYSTEM, F_OK) == 0)
		given = PATH_SYSTEM;
	return given;
}

/* Symbolic links aside, so that the folder that is watched is the right one. */
static void
resolve_database(struct config *config)
{
	char *real = realpath(config->database, NULL);

	if (real == NULL)
		return;
	free(config->database);
	config->database = real;
}

/* Whose hand-overs are taken.  Returns -1 if there is no such user. */
static int
find_handover_uid(const struct config *config, uid_t *uid)
{
	const struct passwd *pw;

	*uid = geteuid();
	if (config->handover_user == NULL)
		return 0;
	pw = getpwnam(config->handover_user);
	if (pw == NULL)
		return -1;
	*uid = pw->pw_uid;
	return 0;
}

static void heed_signals(struct server *server);

void
serve_init(struct server *server, const struct program *program,
    const char *config_path, bool is_cgi)
{
	char error[400];
	enum db_status status;

	*server = (struct server){ .program = program,
		.is_cgi = is_cgi,
		.config_path = find_config(config_path) };
	if (config_load(&server->config, server->config_path, error,
		sizeof(error)) == -1)
		fatalx("%s", error);
	user_become(&server->config);
	if (find_handover_uid(&server->config, &server->handover_uid) == -1)
		fatalx("handover_user: there is no user %s",
		    server->config.handover_user);
	log_init(program->name,
	    server->config.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	resolve_database(&server->config);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	descriptors_raise();
	ev_default_loop(0);
	/* A CGI program has nobody else to wait for. */
	if (!is_cgi)
		chore_init();
	server->board = board_open(server->config.run_dir, program->name,
	    is_cgi ? CGI_SLOTS : BOARD_SLOTS);
	status = hub_start(&server->hub, &server->config, server->board);
	server->hub.keeps_watch = program->keeps_watch;
	if (status != DB_OK && !is_cgi) {
		board_close(server->board);
		fatalx("%s: %s%s", server->config.database,
		    server->hub.db.error,
		    status == DB_MISSING &&
			    access(server->config.database, F_OK) == -1
			? "; `tidings init` makes it"
			: "");
	}
	/* Before anybody can connect: who can may also ask us to stop. */
	if (!is_cgi)
		heed_signals(server);
	if (program->writes || !is_cgi)
		server->writer =
		    writer_start(&server->config, server->board, !is_cgi);
}

static void
on_grace(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Ends every held answer in an orderly way.  Returns how long that may take. */
static int64_t
end_clients(struct server *server)
{
	struct client *client;

	TAILQ_FOREACH(client, &server->hub.clients, link)
		client_finish(client);
	hub_settle(&server->hub);
	return conn_stop_idle() == 0 ? 0 : GRACE_MS;
}

static void
stop_listening(struct server *server)
{
	listener_stop(server->listener);
	if (server->links_path != NULL)
		unlink(server->links_path);
	listener_stop(server->links);
	free(server->links_path);
	server->listener = server->links = NULL;
	server->links_path = NULL;
}

static void
on_stop(struct ev_loop *loop, ev_signal *sig, int revents)
{
	struct server *server = sig->data;
	int64_t within_ms;

	(void)revents;
	if (server->stopping) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	stop_listening(server);
	/* Who is handed over already is held, to be ended as all others are. */
	link_stop_all();
	server->stopping = true;
	within_ms = server->program->stop != NULL
			? server->program->stop(server)
			: end_clients(server);
	if (within_ms == 0) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	ev_timer_init(&server->grace, on_grace, (double)within_ms / 1000, 0);
	ev_timer_start(loop, &server->grace);
}

/* Reads the configuration anew; a wrong one changes nothing. */
static void
on_reload(struct ev_loop *loop, ev_signal *sig, int revents)
{
	struct server *server = sig->data;
	struct config config, before = server->config;
	char error[400];
	uid_t uid;

	(void)loop;
	(void)revents;
	if (config_load(&config, server->config_path, error, sizeof(error)) ==
	    -1) {
		log_warnx("%s; the settings stay as they were", error);
		return;
	}
	if (find_handover_uid(&config, &uid) == 0)
		server->handover_uid = uid;
	else
		log_warnx("handover_user: there is no user %s; it stays as it "
			  "was",
		    config.handover_user);
	resolve_database(&config);
	config_keep_fixed(&config, &before);
	server->config = config;
	log_init(server->program->name,
	    config.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	serve_plan_descriptors(server);
	watch_set_period(&server->hub.watch, config.check_ms);
	writer_reload(server->writer, &server->config, &before);
	if (server->program->reload != NULL)
		server->program->reload(server);
	log_info("the configuration was read anew");
}

static void
heed_signals(struct server *server)
{
	ev_signal_init(&server->sigterm, on_stop, SIGTERM);
	ev_signal_init(&server->sigint, on_stop, SIGINT);
	ev_signal_init(&server->sighup, on_reload, SIGHUP);
	server->sigterm.data = server->sigint.data = server;
	server->sighup.data = server;
	ev_signal_start(EV_DEFAULT_UC_ & server->sigterm);
	ev_signal_start(EV_DEFAULT_UC_ & server->sigint);
	if (!server->is_cgi)
		ev_signal_start(EV_DEFAULT_UC_ & server->sighup);
}

/*
 * What a crowd of slow clients needed for a while goes back to the system; by
 * itself the C library keeps it.
 */
static void
on_trim(struct ev_loop *loop, ev_timer *timer, int revents)
{
#if defined(HAVE_MALLINFO2) && defined(HAVE_MALLOC_TRIM)
	static size_t kept; /* free, but not to be had back, last time */
	size_t unused = mallinfo2().fordblks;

	if (unused >= kept + TRIM_BYTES) {
		malloc_trim(0);
		unused = mallinfo2().fordblks;
		kept = unused;
	} else if (unused < kept) {
		kept = unused;
	}
#endif
	(void)loop;
	(void)timer;
	(void)revents;
}

void
serve_plan_descriptors(const struct server *server)
{
	int64_t clients;

	descriptors_plan();
	clients = descriptors_for_clients();
	if (server->program->handed != NULL &&
	    clients < server->config.max_clients)
		log_info("max_clients = %lld: the limit on open files is %lld "
			 "(LimitNOFILE), which is enough for %lld clients; "
			 "more are refused",
		    (long long)server->config.max_clients,
		    (long long)descriptors_limit(), (long long)clients);
}

void
serve_run(struct server *server)
{
	turns_time(server->board);
	ev_timer_init(&server->trim, on_trim, TRIM_S, TRIM_S);
	ev_timer_start(EV_DEFAULT_UC_ & server->trim);
	if (server->is_cgi)
		heed_signals(server);
	ev_run(EV_DEFAULT_UC_ 0);
}

void
serve_free(struct server *server)
{
	stop_listening(server);
	writer_stop(server->writer);
	chore_drop_all();
	conn_close_all();
	link_close_all();
	hub_stop(&server->hub);
	board_close(server->board);
	config_free(&server->config);
}

static void
on_accepted(void *arg, int fd)
{
	conn_new_fcgi(arg, fd);
}

static void
on_link(void *arg, int fd)
{
	link_new(arg, fd);
}

void
serve_take_links(struct server *server, int fd, const char *where)
{
	struct str path = { 0 };
	char error[400];

	if (fd == STDIN_FILENO) {
		/* It may be anything that was left open. */
		fd = listener_is_handover(LINKS_FD) ? LINKS_FD : -1;
	} else if (where != NULL && strncmp(where, "unix:", 5) != 0) {
		fd = -1;
	} else {
		if (where != NULL)
			str_addz(&path, where + 5);
		else
			str_addf(&path, "%s/%s.sock", server->config.run_dir,
			    server->program->name);
		fd = listener_bind_handover(path.p, error, sizeof(error));
		str_addz(&path, HANDOVER_SUFFIX);
		/* httpd has another way. */
		if (fd == -1)
			log_warnx("no hand-overs: %s", error);
		else
			server->links_path = xstrndup(path.p, path.len);
	}
	str_free(&path);
	if (fd != -1)
		server->links = listener_start(fd, on_link, server);
}

/* Standard input if it listens, -l, or the socket in run_dir. */
static int
find_socket(struct server *server, const char *where)
{
	char standard[PATH_MAX], error[400];
	int fd;

	if (where == NULL && listener_is_socket(STDIN_FILENO))
		return STDIN_FILENO;
	if (where == NULL) {
		snprintf(standard, sizeof(standard), "unix:%s/%s.sock",
		    server->config.run_dir, server->program->name);
		where = standard;
	}
	fd = listener_bind(where, error, sizeof(error));
	if (fd == -1)
		fatalx("%s", error);
	return fd;
}

static void
usage(const struct program *program)
{
	fprintf(stderr, "usage: %s [-V] [-c file] [-l address]\n",
	    program->name);
	exit(2);
}

int
serve_main(const struct program *program, int argc, char **argv)
{
	const char *config_path = NULL, *where = NULL;
	struct server server;
	bool is_cgi;
	int opt;

	log_init(program->name, LOG_LEVEL_INFO);
	/*
	 * httpd hands a query without "=" to a CGI program as arguments (RFC
	 * 3875, section 4.4): those are not ours.
	 */
	is_cgi = getenv("GATEWAY_INTERFACE") != NULL &&
		 !listener_is_socket(STDIN_FILENO);
	while (!is_cgi && (opt = getopt(argc, argv, "Vc:l:")) != -1) {
		switch (opt) {
		case 'V':
			printf("%s (tidings %s)\n", program->name,
			    PACKAGE_VERSION);
			return 0;
		case 'c':
			config_path = optarg;
			break;
		case 'l':
			where = optarg;
			break;
		default:
			usage(program);
		}
	}
	if (!is_cgi && optind < argc)
		usage(program);
	serve_init(&server, program, config_path, is_cgi);
	if (is_cgi) {
		/* httpd's end is ours: a held answer must not keep it. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		conn_new_cgi(&server);
		if (conn_count() > 0)
			serve_run(&server);
	} else {
		int fd = find_socket(&server, where);

		server.listener = listener_start(fd, on_accepted, &server);
		if (program->handed != NULL)
			serve_take_links(&server, fd, where);
		descriptors_set_relief(conns_relieve);
		serve_plan_descriptors(&server);
		log_info("ready");
		serve_run(&server);
	}
	serve_free(&server);
	return 0;
}
