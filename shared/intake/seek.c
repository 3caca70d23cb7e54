/* SPDX-License-Identifier: MIT */
/* The finding of a place as a chore; another database is another beginning. */
#include "config.h"

#include <string.h>

#include "shared/engine/hub.h"
#include "shared/intake/seek.h"

static void
begin(struct seek *seek)
{
	place_end(&seek->place);
	place_begin(&seek->place, &seek->hub->db, &seek->interest.wants,
	    &seek->interest.cursor, seek->hub->newest,
	    seek->interest.newest_only);
}

static bool
piece(struct chore *chore, int64_t until_us)
{
	struct seek *seek = (struct seek *)(void *)chore;
	enum db_status status;
	bool done = false;

	seek->busy = true;
	status = hub_refresh(seek->hub);
	seek->busy = false;
	if (seek->dead) {
		seek->drop(seek);
		return true;
	}
	if (status == DB_OK &&
	    strcmp(seek->place.epoch, seek->hub->db.epoch) != 0)
		begin(seek);
	if (status == DB_OK)
		status =
		    place_step(&seek->place, &seek->hub->db, until_us, &done);
	if (status == DB_OK && !done)
		return false;
	seek->found(seek, status);
	return true;
}

static void
drop(struct chore *chore)
{
	struct seek *seek = (struct seek *)(void *)chore;

	seek->drop(seek);
}

void
seek_begin(struct seek *seek, struct hub *hub)
{
	seek->hub = hub;
	seek->chore.piece = piece;
	seek->chore.drop = drop;
	chore_begin(&seek->chore);
}

void
seek_cancel(struct seek *seek)
{
	chore_forget(&seek->chore);
	if (seek->busy)
		seek->dead = true;
	else
		seek->drop(seek);
}

void
seek_free(struct seek *seek)
{
	place_end(&seek->place);
	interest_free(&seek->interest);
}
