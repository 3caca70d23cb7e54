/* SPDX-License-Identifier: MIT */
/*
 * Retention: what ran out, what is too old or too many in its channel, what
 * makes the whole too large; then the watermarks and the file itself.  In steps
 * of a few milliseconds, so that writers hardly notice.  Watermarks are the
 * work of a trigger, so that no deletion goes unnoticed, ours or others'.
 */
#include "config.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/change.h"
#include "shared/clock.h"
#include "shared/config_file.h"
#include "shared/log.h"
#include "shared/prune.h"
#include "shared/str.h"

#define LEASE          "-prune"  /* behind the database's name */
#define WANTED_AT      128       /* offset in it: a byte that asks for it */
#define STEP_ROWS      500       /* removed in one transaction */
#define STEP_CHANNELS  200       /* looked at in one step */
#define PAUSE_RATIO    3         /* a pause lasts as many steps */
#define PAUSE_MAX      500       /* ms: the step may have waited */
#define WATERMARKS_MAX 10000     /* above: folded into the floor */
#define FREE_MIN       (1 << 20) /* free bytes that are left in the file */
#define MESSAGE_BYTES  256       /* that a message takes, about */

enum phase {
	PHASE_EXPIRED,
	PHASE_CHANNELS,
	PHASE_TOTAL,
	PHASE_WATERMARKS,
	PHASE_VACUUM,
	PHASE_CHECKPOINT,
	PHASE__MAX
};

/* Runs a bound statement in a transaction of its own; *n is what it removed. */
static enum db_status
run_delete(struct db *db, sqlite3_stmt *stmt, int *n)
{
	enum db_status status = db_begin_write(db, DB_HERE);

	*n = 0;
	if (status == DB_OK) {
		status = db_status(db, sqlite3_step(stmt));
		*n = sqlite3_changes(db->handle);
	}
	db_done(stmt);
	if (status == DB_OK)
		return db_commit(db);
	if (db->begin_site != NULL)
		db_rollback(db);
	return status;
}

/* One integer of a bound statement; 0 if there is no row or a NULL. */
static enum db_status
read_int(struct db *db, sqlite3_stmt *stmt, int64_t *value)
{
	enum db_status status;
	int rc = sqlite3_step(stmt);

	*value = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

static enum db_status
step_expired(struct db *db, int *n)
{
	sqlite3_stmt *stmt = db->stmt[DB_PRUNE_EXPIRED];

	sqlite3_bind_int64(stmt, 1, clock_wall_ms());
	sqlite3_bind_int(stmt, 2, STEP_ROWS);
	return run_delete(db, stmt, n);
}

/* Moves to the next channel.  Returns DB_OK with *found false at the end. */
static enum db_status
next_channel(struct db *db, struct prune *prune, bool *found)
{
	sqlite3_stmt *stmt = db->stmt[DB_PRUNE_NEXT_CHANNEL];
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

/* The newest id of the present channel that is to go, 0 for none. */
static enum db_status
channel_cut(struct db *db, const struct config *config,
    const struct prune *prune, int64_t *cut)
{
	const struct retention *keep = config_retention(config, prune->channel);
	enum db_status status = DB_OK;
	sqlite3_stmt *stmt;
	int64_t by_age = 0;

	*cut = 0;
	if (keep->count > 0) {
		stmt = db->stmt[DB_PRUNE_CHANNEL_COUNT];
		sqlite3_bind_text(stmt, 1, prune->channel, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, keep->count);
		status = read_int(db, stmt, cut);
	}
	if (status == DB_OK && keep->age_ms > 0) {
		stmt = db->stmt[DB_PRUNE_CHANNEL_AGE];
		sqlite3_bind_text(stmt, 1, prune->channel, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, clock_wall_ms() - keep->age_ms);
		sqlite3_bind_int(stmt, 3, STEP_ROWS);
		status = read_int(db, stmt, &by_age);
	}
	if (by_age > *cut)
		*cut = by_age;
	return status;
}

/*
 * Looks at channels until one has to lose something.  A channel that lost a
 * whole step is looked at again: *again is true then.
 */
static enum db_status
step_channels(struct db *db, const struct config *config, struct prune *prune,
    int *n, bool *again)
{
	enum db_status status = DB_OK;
	char before[sizeof(prune->channel)];
	bool found = true;
	int64_t cut = 0;

	*n = 0;
	for (int i = 0; i < STEP_CHANNELS && status == DB_OK; i++) {
		memcpy(before, prune->channel, sizeof(before));
		status = next_channel(db, prune, &found);
		if (status != DB_OK || !found)
			break;
		status = channel_cut(db, config, prune, &cut);
		if (status == DB_OK && cut > 0) {
			sqlite3_stmt *stmt = db->stmt[DB_CHANNEL_DELETE];

			sqlite3_bind_text(stmt, 1, prune->channel, -1,
			    SQLITE_STATIC);
			sqlite3_bind_int64(stmt, 2, cut);
			sqlite3_bind_int(stmt, 3, STEP_ROWS);
			status = run_delete(db, stmt, n);
			if (*n == STEP_ROWS)
				memcpy(prune->channel, before, sizeof(before));
			break;
		}
	}
	*again = found;
	return status;
}

static enum db_status
read_size(struct db *db, int64_t *used, int64_t *unused)
{
	sqlite3_stmt *stmt = db->stmt[DB_SIZE];
	enum db_status status;
	int rc = sqlite3_step(stmt);

	*used = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	*unused = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* The oldest, no more of them than `over` bytes ask for; 0 bytes = none. */
static enum db_status
oldest_over(struct db *db, int64_t over, int64_t *upto, int64_t *bytes)
{
	sqlite3_stmt *stmt = db->stmt[DB_PRUNE_UPTO];
	enum db_status status;
	int rc;

	sqlite3_bind_int(stmt, 1, STEP_ROWS);
	sqlite3_bind_int64(stmt, 2, over);
	rc = sqlite3_step(stmt);
	*upto = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	*bytes = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

/* Removes the oldest of all while all together are too large. */
static enum db_status
step_total(struct db *db, const struct config *config, struct prune *prune,
    int *n)
{
	enum db_status status;
	int64_t used, unused, upto, bytes = 0;

	*n = 0;
	if (config->retention_total_bytes == 0)
		return DB_OK;
	if (!prune->measured) {
		/* The file holds other tables too: look closer if it is large.
		 */
		status = read_size(db, &used, &unused);
		if (status != DB_OK || used <= config->retention_total_bytes)
			return status;
		status = read_int(db, db->stmt[DB_PRUNE_BYTES], &bytes);
		prune->over = bytes - config->retention_total_bytes / 16 * 15;
		prune->measured = true;
		if (status != DB_OK)
			return status;
	}
	if (prune->over <= 0)
		return DB_OK;
	status = oldest_over(db, prune->over, &upto, &bytes);
	if (status != DB_OK || bytes == 0)
		return status;
	prune->over -= bytes;
	sqlite3_bind_int64(db->stmt[DB_PRUNE_OLDEST], 1, upto);
	return run_delete(db, db->stmt[DB_PRUNE_OLDEST], n);
}

static enum db_status
step_watermarks(struct db *db)
{
	enum db_status status;
	int64_t count;
	int n;

	status = read_int(db, db->stmt[DB_WATERMARK_COUNT], &count);
	if (status != DB_OK || count <= WATERMARKS_MAX)
		return status;
	sqlite3_bind_int(db->stmt[DB_PRUNE_FLOOR], 1, WATERMARKS_MAX / 2);
	status = run_delete(db, db->stmt[DB_PRUNE_FLOOR], &n);
	if (status != DB_OK)
		return status;
	return run_delete(db, db->stmt[DB_PRUNE_WATERMARKS], &n);
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
	return db_run(db, DB_INCREMENTAL_VACUUM);
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
		status = step_expired(db, &n);
		again = n == STEP_ROWS;
		break;
	case PHASE_CHANNELS:
		status = step_channels(db, config, prune, &n, &again);
		break;
	case PHASE_TOTAL:
		status = step_total(db, config, prune, &n);
		again = n > 0;
		break;
	case PHASE_WATERMARKS:
		status = step_watermarks(db);
		break;
	case PHASE_VACUUM:
		status = step_vacuum(db, prune->coming, &again);
		break;
	case PHASE_CHECKPOINT:
		status = db_run(db, DB_CHECKPOINT);
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

int64_t
prune_pause_ms(int64_t took_ms)
{
	int64_t ms = 1 + PAUSE_RATIO * took_ms;

	return ms < PAUSE_MAX ? ms : PAUSE_MAX;
}

void
prune_claim(int lease)
{
	if (pwrite(lease, "w", 1, WANTED_AT) == -1)
		log_debug("the lease of pruning can't be asked for");
}

/* Takes the lock, or asks whoever has it. */
static bool
lock_lease(int fd, bool insist)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (insist)
		prune_claim(fd);
	return false;
}

static void
set_time(int fd, long nsec)
{
	struct timespec times[2] = { { .tv_nsec = nsec }, { .tv_nsec = nsec } };

	futimens(fd, times);
}

int
prune_lease(const char *db_path, int64_t every_ms, bool insist)
{
	static bool complained;
	struct stat sb;
	int64_t age_ms;
	int fd;

	fd = db_open_beside(db_path, LEASE);
	if (fd == -1 && !complained) {
		complained = true;
		log_warn("%s-prune: nothing will be pruned", db_path);
	}
	if (fd == -1 || !lock_lease(fd, insist) || fstat(fd, &sb) == -1)
		goto no;
	age_ms = clock_wall_ms() - (int64_t)sb.st_mtim.tv_sec * 1000 -
		 sb.st_mtim.tv_nsec / 1000000;
	if (sb.st_size > WANTED_AT && !insist)
		every_ms *= 2;
	/* The size tells a file that was just made from one of a round. */
	if (sb.st_size > 0 && age_ms >= 0 && age_ms < every_ms)
		goto no;
	if (sb.st_size == 0 && pwrite(fd, "\n", 1, 0) != 1)
		goto no;
	/* What was asked of the one before, or by it. */
	if (sb.st_size > WANTED_AT && ftruncate(fd, WANTED_AT) == -1)
		goto no;
	set_time(fd, UTIME_NOW);
	return fd;
no:
	if (fd != -1)
		close(fd);
	return -1;
}

bool
prune_is_wanted(int lease)
{
	char byte;

	return pread(lease, &byte, 1, WANTED_AT) == 1;
}

void
prune_pass(int lease)
{
	set_time(lease, 0);
	close(lease);
}

/* When a message was published; 0 if it is gone. */
static int64_t
created_ms_of(struct db *db, int64_t id)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHANGE_GET];
	struct change ch = { 0 };

	sqlite3_bind_int64(stmt, 1, id);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		change_read_rest(&ch, stmt);
	db_done(stmt);
	return ch.created_ms;
}

void
prune_note(int lease, struct db *db)
{
	char text[120];
	int64_t newest;
	int n;

	if (db_head(db, &newest) != DB_OK)
		return;
	/* Padded, so that nothing of a longer one stays behind it. */
	n = snprintf(text, sizeof(text), "%-39s %18lld %18lld\n", db->epoch,
	    (long long)newest, (long long)created_ms_of(db, newest));
	if (pwrite(lease, text, (size_t)n, 0) != n)
		log_debug("the newest id can't be noted");
}

bool
prune_went_back(struct db *db)
{
	long long noted = 0, created_ms = 0;
	struct str path = { 0 };
	char epoch[40] = "";
	int64_t newest, now_ms;
	FILE *file;

	str_addf(&path, "%s" LEASE, db->path);
	file = fopen(path.p, "re");
	str_free(&path);
	if (file == NULL)
		return false;
	if (fscanf(file, "%39s %18lld %18lld", epoch, &noted, &created_ms) != 3)
		epoch[0] = '\0';
	fclose(file);
	if (db_head(db, &newest) != DB_OK || strcmp(epoch, db->epoch) != 0)
		return false;
	now_ms = created_ms_of(db, noted);
	return noted > newest ||
	       (created_ms != 0 && now_ms != 0 && now_ms != created_ms);
}
