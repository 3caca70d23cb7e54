/* SPDX-License-Identifier: MIT */
/*
 * Rounds of pruning, a few steps at a time.
 */
#include "config.h"

#include <unistd.h>

#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/table/db.h"
#include "shared/table/lease.h"
#include "shared/table/round.h"

#define MUCH      500   /* messages: who stores them prunes */
#define VERY_MUCH 50000 /* messages: a round is due before time */
#define BUSY_MS   100   /* then the lease is for another one */

void
round_init(struct round *round)
{
	*round = (struct round){ .lease = -1 };
}

bool
round_insists(const struct round *round)
{
	return round->stored >= MUCH;
}

bool
round_is_early(const struct round *round)
{
	return round->stored >= VERY_MUCH;
}

bool
round_begin(struct round *round, const struct config *config)
{
	if (round->lease != -1)
		return true;
	round->lease = lease_take(config->database,
	    round_is_early(round) ? 0 : config->prune_ms * 9 / 10,
	    round_insists(round));
	prune_begin(&round->prune);
	return round->lease != -1;
}

/* One step and more, until `rows` messages are removed. */
static enum db_status
steps(struct round *round, struct db *db, const struct config *config,
    int64_t rows, bool *done)
{
	struct prune *prune = &round->prune;
	int64_t upto = prune->removed + rows, before;
	enum db_status status;

	do {
		before = prune->removed;
		status = prune_step(db, config, prune, done);
	} while (status == DB_OK && !*done && prune->removed > before &&
		 prune->removed < upto);
	return status;
}

/*
 * What is removed may come back after a loss of power, with its watermark as it
 * was, so nothing waits for the disk; the next publish does.
 */
static enum db_status
unsynced(struct round *round, struct db *db, const struct config *config,
    int64_t rows, bool *done)
{
	enum db_status status, back;

	if (!config->power)
		return steps(round, db, config, rows, done);
	status = db_set_power(db, false);
	if (status == DB_OK)
		status = steps(round, db, config, rows, done);
	back = db_set_power(db, true);
	if (back == DB_OK)
		return status;
	/* Opened anew it is as it must be. */
	return db_give_up(db, back);
}

enum db_status
round_steps(struct round *round, struct db *db, const struct config *config,
    int64_t rows, bool *done)
{
	int busy_ms = (int)config->busy_timeout_ms;
	enum db_status status;

	/* As many may come until the next round as did since the last one. */
	round->prune.coming = round->stored;
	/* Who stores meanwhile needs the next round more than a small file. */
	round->prune.hurried = rows > 0;
	if (round->prune.phase == 0)
		lease_known(round->lease, db, &round->prune.known);
	db_set_busy(db, busy_ms < BUSY_MS ? busy_ms : BUSY_MS);
	status = unsynced(round, db, config, rows, done);
	db_set_busy(db, busy_ms);
	return status;
}

static void
end(struct round *round)
{
	prune_end(&round->prune);
	round->lease = -1;
}

bool
round_settle(struct round *round, struct db *db, enum db_status status,
    bool done)
{
	if (status == DB_OK && !done &&
	    (round_insists(round) || !lease_is_wanted(round->lease)))
		return true;
	if (status == DB_OK && done) {
		lease_note(round->lease, db, &round->prune.known);
		if (round_insists(round))
			lease_claim(round->lease);
		round->stored = 0;
	}
	if (round->prune.removed > 0)
		log_debug("pruned %lld messages",
		    (long long)round->prune.removed);
	if (status == DB_BUSY || status == DB_CHANGING ||
	    (status == DB_OK && !done))
		lease_pass(round->lease);
	else
		close(round->lease);
	end(round);
	return false;
}

void
round_restart(struct round *round)
{
	prune_begin(&round->prune);
}

void
round_stop(struct round *round, struct db *db, const struct config *config)
{
	if (round->lease == -1)
		round->lease = lease_take(config->database, 0, false);
	if (round->lease == -1)
		return;
	if (db->handle != NULL)
		lease_note(round->lease, db, NULL);
	close(round->lease);
	end(round);
}
