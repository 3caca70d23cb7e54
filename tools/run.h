/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

struct config;

/*
 * Runs all programs until SIGTERM or SIGINT: binds their sockets, starts them,
 * starts anew what dies.  Root binds wsd's port, becomes the user (user_become)
 * and does the rest as that one.
 * `config_path` is handed on to them, or NULL.  Returns the exit status.
 */
int run_programs(const struct config *config, const char *config_path);

#endif
