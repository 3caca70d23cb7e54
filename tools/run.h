/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

struct config;

/*
 * Runs all programs until SIGTERM or SIGINT: binds their sockets, starts them
 * (as config->user if that is set and we are root), starts anew what dies.
 * `config_path` is handed on to them, or NULL.  Returns the exit status.
 */
int run_programs(const struct config *config, const char *config_path);

#endif
