/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_LISTENER_H
#define SHARED_INTAKE_LISTENER_H

#include <stddef.h>

struct listener;

/*
 * Binds "unix:PATH" or "ADDRESS:PORT" and listens; port 0 takes any.  A socket
 * file that nobody listens on any more is replaced.  Returns the non-blocking
 * descriptor, or -1 with a sentence in `error`.
 */
int listener_bind(const char *where, char *error, size_t size);

/*
 * The same for the hand-over socket that belongs to the unix socket PATH, at
 * PATH with HANDOVER_SUFFIX behind it.
 */
int listener_bind_handover(const char *path, char *error, size_t size);

/* Whether a descriptor is a listening socket, or one for hand-overs. */
int listener_is_socket(int fd);
int listener_is_handover(int fd);

/*
 * Accepts on `fd`, which it takes over, and hands each connection,
 * non-blocking, to `accepted`.  Out of descriptors it pauses and tries again.
 */
struct listener *listener_start(int fd, void (*accepted)(void *arg, int fd),
    void *arg);

/* Stops and closes; NULL is fine. */
void listener_stop(struct listener *listener);

/*
 * Writes the address of the peer of an accepted socket, "unix", or nothing if
 * it has gone already; `size` is at least 46.  A TCP socket is told not to wait
 * for more before it sends.
 */
void listener_name_peer(int fd, char *name, size_t size);

#endif
