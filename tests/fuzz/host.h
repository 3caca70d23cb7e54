/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_HOST_H
#define TESTS_FUZZ_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct program;
struct server;
struct str;

/*
 * A running program inside of a fuzz target: what comes in goes the way that it
 * goes in production, from a socket to the answer.
 */
extern const struct program program_wsd;
extern const struct program *const program_iframe,
    *const program_longpoll, *const program_poll, *const program_publish,
						      *const program_sse;

/*
 * The server, with the defaults but for echoes and for publishing, which
 * everybody here may.  At the first call a database is made in a folder that is
 * removed at the exit.
 */
struct server *host(const struct program *program);

/* A pair of connected sockets of a type, non-blocking. */
void host_pair(int fd[2], int type);

/* Goes around the loop and reads what is said, until nothing more is. */
void host_run(int fd, struct str *said);

/*
 * Sends bytes in pieces of `step` and reads what is said, until all is sent or
 * the other end has closed.
 */
void host_speak(int fd, const void *bytes, size_t len, size_t step,
    struct str *said);

/* Closes our end; all connections of the program must end then. */
void host_close(int fd);

/* Appends a FastCGI request with these variables ("NAME\0VALUE\0"...). */
void host_add_request(struct str *out, const char *variables, size_t len,
    const void *body, size_t body_len, bool keep);

/* Appends a masked WebSocket frame. */
void host_add_frame(struct str *out, int opcode, const void *bytes, size_t len);

#endif
