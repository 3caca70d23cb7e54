/* SPDX-License-Identifier: MIT */
/*
 * What all that a running program does has in common.
 */
#include "config.h"

#include "shared/base/clock.h"
#include "shared/intake/req.h"
#include "shared/intake/server.h"

void
server_db_refusal(struct server *server, struct req *req, enum db_status status,
    const char *detail)
{
	(void)server;
	req_fail(req, 503, 1201, "the database %s: %s",
	    status == DB_BUSY       ? "is busy"
	    : status == DB_CHANGING ? "is being exchanged"
	    : status == DB_FULL     ? "can't be written"
	    : status == DB_DAMAGED  ? "is damaged"
	    : status == DB_NOT_OURS ? "is not one of Tidings"
	    : status == DB_MISSING  ? "can't be opened"
				    : "does not answer",
	    detail);
}

int64_t
server_life(const struct server *server)
{
	const struct config *config = &server->config;

	return config->life_min_ms +
	       clock_jitter(
		   (uint32_t)(config->life_max_ms - config->life_min_ms + 1));
}
