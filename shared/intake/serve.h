/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_SERVE_H
#define SHARED_INTAKE_SERVE_H

#include <stdbool.h>

struct program;
struct server;

/*
 * The main function of every program: options, configuration, database, then
 * FastCGI or CGI, decided by how it was started.  Returns the exit status.
 */
int serve_main(const struct program *program, int argc, char **argv);

/*
 * Divides the limit on open files once all is open but for connections, and
 * says in the log if max_clients do not fit into it.
 */
void serve_plan_descriptors(const struct server *server);

/*
 * The parts of it, for the daemon, which brings a listener of its own.
 * serve_init exits with a sentence if the configuration or the database is not
 * as it should be.  serve_take_links comes behind the listening socket `fd`:
 * the socket of hand-overs is descriptor 3 if `fd` was inherited as standard
 * input, else it is bound beside `where`, or in run_dir if that is NULL; there
 * is none beside a port of TCP.
 */
void serve_init(struct server *server, const struct program *program,
    const char *config_path, bool is_cgi);
void serve_take_links(struct server *server, int fd, const char *where);
void serve_run(struct server *server);
void serve_free(struct server *server);

#endif
