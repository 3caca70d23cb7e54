/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket daemon: the same engine as the programs under cgi-bin/, behind
 * a listener of its own.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/wsconn.h"
#include "daemon/wsdrain.h"
#include "daemon/wsform.h"
#include "daemon/wsread.h"
#include "shared/base/config_file.h"
#include "shared/base/descriptors.h"
#include "shared/base/log.h"
#include "shared/intake/listener.h"
#include "shared/intake/serve.h"
#include "shared/intake/server.h"
#include "shared/wire/wsdeflate.h"

static void
on_accepted(void *arg, int fd)
{
	wsconn_new(arg, fd);
}

static void
on_reload(struct server *server)
{
	wsform_configure(&server->config);
	wsconn_reload(server);
}

static const struct program program = {
	.name = "wsd",
	.writes = true,
	/* One program is to notice at once if an older state is put back. */
	.keeps_watch = true,
	.handed = wsconn_new_handed,
	.reload = on_reload,
	.stop = wsdrain_start,
};

static void
usage(void)
{
	fprintf(stderr, "usage: wsd [-V] [-c file] [-l address]\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	const char *config_path = NULL, *where = NULL;
	struct server server;
	char error[400];
	int opt, fd = STDIN_FILENO;

	log_init("wsd", LOG_LEVEL_INFO);
	while ((opt = getopt(argc, argv, "Vc:l:")) != -1) {
		switch (opt) {
		case 'V':
			printf("wsd (tidings %s)\n", PACKAGE_VERSION);
			return 0;
		case 'c':
			config_path = optarg;
			break;
		case 'l':
			where = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind < argc)
		usage();
	serve_init(&server, &program, config_path, false);
	wsform_configure(&server.config);
	wsread_init();
	if (where != NULL || !listener_is_socket(STDIN_FILENO)) {
		fd = listener_bind(where != NULL ? where
						 : server.config.ws_listen,
		    error, sizeof(error));
		if (fd == -1)
			fatalx("%s", error);
	}
	server.listener = listener_start(fd, on_accepted, &server);
	if (where == NULL && strncmp(server.config.ws_listen, "unix:", 5) == 0)
		where = server.config.ws_listen;
	serve_take_links(&server, fd, where);
	descriptors_set_relief(wsconn_relieve);
	serve_plan_descriptors(&server);
	log_info("ready");
	serve_run(&server);
	wsconn_free_all();
	serve_free(&server);
	ws_deflate_free();
	return 0;
}
