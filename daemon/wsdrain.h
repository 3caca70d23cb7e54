/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WSDRAIN_H
#define DAEMON_WSDRAIN_H

#include <stdint.h>

struct server;

/*
 * Begins to end all connections with 1012, spread over the setting `drain`, so
 * that not all of them come back in the same moment.  Returns within how many
 * milliseconds they will be gone; 0 = there are none.
 */
int64_t wsdrain_start(struct server *server);

#endif
