/* SPDX-License-Identifier: MIT */
/*
 * Retention: what ran out, what is too many or too old in its channel, what
 * makes the whole too large; then the watermarks and the file itself.  In steps
 * of a few milliseconds, so that writers hardly notice.  Watermarks are the
 * work of a trigger, so that no deletion goes unnoticed, ours or others'.
 *
 * Count and total go by ids, which are the order of commits.  Age goes by
 * created_ms, which anybody may set, from a clock that may be wrong: it says
 * something of its own row and nothing of the rows before or behind it.  So the
 * oldest of a channel go up to the first one that is young, as that finds most
 * of them quickly, and a sweep through the table finds those behind it.  A time
 * in the future says nothing at all; such messages age from when a round first
 * knew that they were there.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/table/db.h"
#include "shared/table/floor.h"
#include "shared/table/head.h"
#include "shared/table/prune.h"
#include "shared/table/removal.h"

#define LOOK_MS       5         /* of looking in one step */
#define COUNT_ROWS    10000     /* of a channel counted at a time */
#define SWEEP_ROWS    20000     /* looked at in one round */
#define KNOWN_ROUNDS  5         /* at least, until `known` is renewed */
#define PAUSE_RATIO   3         /* a pause lasts as many steps */
#define PAUSE_MAX     500       /* ms: the step may have waited */
#define FREE_MIN      (1 << 20) /* free bytes that are left in the file */
#define MESSAGE_BYTES 256       /* that a message takes, about */

enum phase {
	PHASE_EXPIRED,
	PHASE_CHANNELS,
	PHASE_SWEEP,
	PHASE_TOTAL,
	PHASE_WATERMARKS,
	PHASE_VACUUM,
	PHASE_CHECKPOINT,
	PHASE__MAX
};

/* What is looked at next, of the channels. */
enum look {
	LOOK_NEXT,  /* the next channel */
	LOOK_COUNT, /* how many messages the present one has */
	LOOK_AGE,   /* how old they are */
};

/* Whether a message is older than its channel's may be; 0 = no limit. */
static bool
is_old(const struct prune *prune, int64_t id, int64_t created_ms,
    int64_t age_ms, int64_t now_ms)
{
	if (age_ms == 0)
		return false;
	if (created_ms <= now_ms)
		return created_ms < now_ms - age_ms;
	return id <= prune->known.id && now_ms - prune->known.ms >= age_ms;
}

static enum db_status
step_expired(struct db *db, int *n, bool *again)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_EXPIRED_IDS];
	struct removal removal = { .n = 0 };
	enum db_status status;

	sqlite3_bind_int64(stmt, 1, clock_wall_ms());
	sqlite3_bind_int(stmt, 2, REMOVAL_MAX);
	status = removal_find(db, stmt, &removal);
	if (status == DB_OK)
		status = removal_run(db, &removal, n);
	*again = *n < removal.n || removal.n == REMOVAL_MAX;
	return status;
}

/* Moves to the next channel.  Returns DB_OK with *found false at the end. */
static enum db_status
next_channel(struct db *db, struct prune *prune, bool *found)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_NEXT_CHANNEL];
	enum db_status status;
	const char *name;
	int rc;

	sqlite3_bind_text(stmt, 1, prune->channel, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	name = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0)
				: NULL;
	*found = name != NULL;
	if (*found)
		snprintf(prune->channel, sizeof(prune->channel), "%s", name);
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/*
 * Counts some of the messages that are to be kept of the present channel, from
 * the newest on.  Behind the last one stands the first that is too many.
 */
static enum db_status
count_some(struct db *db, struct prune *prune)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_CHANNEL_COUNT];
	int64_t n = prune->newer < COUNT_ROWS ? prune->newer : COUNT_ROWS;
	enum db_status status;
	int64_t id = 0;
	int rc;

	sqlite3_bind_text(stmt, 1, prune->channel, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, prune->below);
	sqlite3_bind_int64(stmt, 3, n);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		id = sqlite3_column_int64(stmt, 0);
	status = db_status(db, rc);
	db_done(stmt);
	if (id == 0 || n == prune->newer) {
		prune->passed = id;
		prune->look = LOOK_AGE;
	}
	prune->below = id;
	prune->newer -= n + 1;
	return status;
}

/* The oldest of the present channel that are left, as long as they are old. */
static enum db_status
cut_by_age(struct db *db, struct prune *prune, int64_t age_ms)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS, now_ms = clock_wall_ms();
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANNEL_TIMES];
	enum db_status status;
	bool is_late = false;
	int rc;

	sqlite3_bind_text(stmt, 1, prune->channel, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, prune->passed);
	while (!is_late && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);

		if (!is_old(prune, id, sqlite3_column_int64(stmt, 1), age_ms,
			now_ms))
			break;
		prune->passed = id;
		is_late = clock_mono_ms() > until_ms;
	}
	/* If the time is over, the next look begins behind these. */
	if (!is_late)
		prune->look = LOOK_NEXT;
	prune->cut = prune->passed;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* One look at a channel: at how many it has, then at how old they are. */
static enum db_status
look_at_channel(struct db *db, const struct config *config, struct prune *prune,
    bool *found)
{
	const struct retention *keep;
	enum db_status status;

	*found = true;
	if (prune->look == LOOK_NEXT) {
		status = next_channel(db, prune, found);
		if (status != DB_OK || !*found)
			return status;
		prune->look = LOOK_COUNT;
		prune->below = INT64_MAX;
		prune->passed = 0;
		keep = config_retention(config, prune->channel);
		prune->newer = keep->count;
		if (keep->count == 0)
			prune->look = LOOK_AGE;
	}
	if (prune->look == LOOK_COUNT)
		return count_some(db, prune);
	keep = config_retention(config, prune->channel);
	if (keep->age_ms > 0)
		return cut_by_age(db, prune, keep->age_ms);
	prune->cut = prune->passed;
	prune->look = LOOK_NEXT;
	return DB_OK;
}

/* Looks at channels until one has to lose something, and removes of that. */
static enum db_status
step_channels(struct db *db, const struct config *config, struct prune *prune,
    int *n, bool *again)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	enum db_status status = DB_OK;
	bool done;

	*again = true;
	while (status == DB_OK && *again && prune->cut == 0 &&
	       clock_mono_ms() <= until_ms)
		status = look_at_channel(db, config, prune, again);
	if (status != DB_OK || prune->cut == 0)
		return status;
	status =
	    removal_channel(db, prune->channel, prune->cut, NULL, n, &done);
	if (done)
		prune->cut = 0;
	return status;
}

/* The least age of all sections, 0 = none has a limit. */
static int64_t
least_age(const struct config *config)
{
	int64_t least = 0;

	for (size_t i = 0; i < config->nretention; i++) {
		int64_t age_ms = config->retention[i].age_ms;

		if (age_ms > 0 && (least == 0 || age_ms < least))
			least = age_ms;
	}
	return least;
}

/* Whether the row that the sweep stands on is to go. */
static bool
sweeps_out(const struct config *config, const struct prune *prune,
    sqlite3_stmt *stmt, int64_t least_ms, int64_t now_ms)
{
	int64_t id = sqlite3_column_int64(stmt, 0);
	int64_t created_ms = sqlite3_column_int64(stmt, 2);
	const char *channel;

	/* Most are young, whatever their channel. */
	if (!is_old(prune, id, created_ms, least_ms, now_ms))
		return false;
	channel = (const char *)sqlite3_column_text(stmt, 1);
	return channel != NULL &&
	       is_old(prune, id, created_ms,
		   config_retention(config, channel)->age_ms, now_ms);
}

/* Whether this round has looked at as many messages as it is to. */
static bool
has_swept(const struct prune *prune)
{
	return !prune->whole && prune->swept >= SWEEP_ROWS;
}

/* Finds some; prune->sweep is where it got to, 0 = the end. */
static enum db_status
sweep(struct db *db, const struct config *config, struct prune *prune,
    struct removal *removal)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS, now_ms = clock_wall_ms();
	int64_t least_ms = least_age(config);
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_SWEEP];
	enum db_status status;
	int rc;

	sqlite3_bind_int64(stmt, 1, prune->sweep);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		prune->sweep = sqlite3_column_int64(stmt, 0);
		if (sweeps_out(config, prune, stmt, least_ms, now_ms))
			removal->ids[removal->n++] = prune->sweep;
		prune->swept++;
		if (removal->n == REMOVAL_MAX || has_swept(prune) ||
		    (prune->swept % 16 == 0 && clock_mono_ms() > until_ms))
			break;
	}
	if (rc == SQLITE_DONE)
		prune->sweep = 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

static enum db_status
step_sweep(struct db *db, const struct config *config, struct prune *prune,
    int *n, bool *again)
{
	struct removal removal = { .n = 0 };
	enum db_status status;

	*again = false;
	if (least_age(config) == 0)
		return DB_OK;
	status = sweep(db, config, prune, &removal);
	if (status == DB_OK)
		status = removal_run(db, &removal, n);
	/* What there was no time for is found again. */
	if (*n < removal.n)
		prune->sweep = removal.ids[*n] - 1;
	*again = prune->sweep != 0 && !has_swept(prune);
	return status;
}

static enum db_status
read_size(struct db *db, int64_t *used, int64_t *unused)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_SIZE];
	enum db_status status;
	int rc = sqlite3_step(stmt);

	*used = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	*unused = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Adds up what messages take, for a moment; *all tells that it is done. */
static enum db_status
measure(struct db *db, struct prune *prune, bool *all)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_BYTES];
	enum db_status status;
	int rc;

	sqlite3_bind_int64(stmt, 1, prune->after);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		prune->after = sqlite3_column_int64(stmt, 0);
		prune->over += sqlite3_column_int64(stmt, 1);
		if (clock_mono_ms() > until_ms)
			break;
	}
	*all = rc == SQLITE_DONE;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* The oldest, no more of them than `over` bytes ask for, and what they take. */
static enum db_status
find_oldest(struct db *db, int64_t over, struct removal *removal,
    int64_t *bytes)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	sqlite3_stmt *stmt = db->stmt[STATEMENT_PRUNE_BYTES];
	enum db_status status;
	int rc = SQLITE_DONE;

	sqlite3_bind_int64(stmt, 1, 0);
	while (removal->n < REMOVAL_MAX && over > 0 &&
	       (removal->n == 0 || clock_mono_ms() <= until_ms) &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		bytes[removal->n] = sqlite3_column_int64(stmt, 1);
		over -= bytes[removal->n];
		removal->ids[removal->n++] = sqlite3_column_int64(stmt, 0);
	}
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Begins with the size of the file, which is known at once. */
static enum db_status
step_measure(struct db *db, const struct config *config, struct prune *prune,
    bool *again)
{
	int64_t used, unused, total = config->retention_total_bytes;
	enum db_status status;
	bool all;

	*again = false;
	if (prune->after == 0) {
		status = read_size(db, &used, &unused);
		/* It holds other tables too: look closer if it is large. */
		if (status != DB_OK || used <= total)
			return status;
		prune->over = -(total / 16 * 15);
	}
	status = measure(db, prune, &all);
	prune->measured = all;
	*again = !all || prune->over > 0;
	return status;
}

/* Removes the oldest of all while all together are too large. */
static enum db_status
step_total(struct db *db, const struct config *config, struct prune *prune,
    int *n, bool *again)
{
	struct removal removal = { .n = 0 };
	int64_t bytes[REMOVAL_MAX];
	enum db_status status;

	*again = false;
	if (config->retention_total_bytes == 0)
		return DB_OK;
	if (!prune->measured)
		return step_measure(db, config, prune, again);
	status = find_oldest(db, prune->over, &removal, bytes);
	if (status == DB_OK)
		status = removal_run(db, &removal, n);
	for (int i = 0; i < *n; i++)
		prune->over -= bytes[i];
	*again = *n > 0 && prune->over > 0;
	return status;
}

/* Pages that the next messages take anyway stay. */
static enum db_status
step_vacuum(struct db *db, int64_t coming, bool *again)
{
	enum db_status status;
	int64_t used, unused;

	*again = false;
	status = read_size(db, &used, &unused);
	if (status != DB_OK ||
	    unused <= FREE_MIN + used / 4 + coming * MESSAGE_BYTES)
		return status;
	*again = true;
	return db_run(db, STATEMENT_INCREMENTAL_VACUUM);
}

/*
 * For how long messages are to be known before newer ones are: all that bear a
 * time in the future are swept out within that.
 */
static int64_t
known_ms(const struct config *config)
{
	int64_t ms = config->prune_ms * KNOWN_ROUNDS;

	for (size_t i = 0; i < config->nretention; i++)
		if (config->retention[i].age_ms > ms)
			ms = config->retention[i].age_ms;
	return 2 * ms;
}

/* All that is there at the end of a round is known from then on. */
static enum db_status
renew_known(struct db *db, const struct config *config, struct prune *prune)
{
	int64_t now_ms = clock_wall_ms(), since_ms = now_ms - prune->known.ms;

	if (prune->known.ms != 0 && since_ms >= 0 &&
	    since_ms < known_ms(config))
		return DB_OK;
	prune->known.ms = now_ms;
	return head_read(db, &prune->known.id);
}

enum db_status
prune_step(struct db *db, const struct config *config, struct prune *prune,
    bool *done)
{
	enum db_status status = DB_OK;
	bool again = false;
	int n = 0;

	switch ((enum phase)prune->phase) {
	case PHASE_EXPIRED:
		status = step_expired(db, &n, &again);
		break;
	case PHASE_CHANNELS:
		status = step_channels(db, config, prune, &n, &again);
		break;
	case PHASE_SWEEP:
		status = step_sweep(db, config, prune, &n, &again);
		break;
	case PHASE_TOTAL:
		status = step_total(db, config, prune, &n, &again);
		break;
	case PHASE_WATERMARKS:
		status = floor_step(db, &prune->floor, &again);
		break;
	case PHASE_VACUUM:
		if (!prune->hurried)
			status = step_vacuum(db, prune->coming, &again);
		break;
	case PHASE_CHECKPOINT:
		status = db_run(db, STATEMENT_CHECKPOINT);
		if (status == DB_OK)
			status = renew_known(db, config, prune);
		break;
	case PHASE__MAX:
		break;
	}
	prune->removed += n;
	if (!again)
		prune->phase++;
	*done = prune->phase >= PHASE__MAX;
	return status;
}

void
prune_end(struct prune *prune)
{
	floor_free(prune->floor);
	prune->floor = NULL;
}

void
prune_begin(struct prune *prune)
{
	prune_end(prune);
	*prune = (struct prune){ .coming = prune->coming,
		.whole = prune->whole,
		.hurried = prune->hurried,
		.known = prune->known,
		.sweep = prune->sweep };
}

int64_t
prune_pause_ms(int64_t took_ms)
{
	int64_t ms = 1 + PAUSE_RATIO * took_ms;

	return ms < PAUSE_MAX ? ms : PAUSE_MAX;
}
