/* SPDX-License-Identifier: MIT */
/*
 * The lease of pruning: a lock on a file beside the database, and its time.
 * What one round is to tell the next one is written into it.
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

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/table/beside.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/head.h"
#include "shared/table/lease.h"

#define LEASE     "-prune" /* behind the database's name */
#define WANTED_AT 128      /* offset in it: a byte that asks for it */

void
lease_claim(int lease)
{
	if (pwrite(lease, "w", 1, WANTED_AT) == -1)
		log_debug("the lease of pruning can't be asked for");
}

/* Takes the lock, or asks whoever has it. */
static bool
lock(int fd, bool insist)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (insist)
		lease_claim(fd);
	return false;
}

static void
set_time(int fd, long nsec)
{
	struct timespec times[2] = { { .tv_nsec = nsec }, { .tv_nsec = nsec } };

	futimens(fd, times);
}

int
lease_take(const char *db_path, int64_t every_ms, bool insist)
{
	static bool complained;
	struct stat sb;
	int64_t age_ms;
	int fd;

	fd = beside_open(db_path, LEASE);
	if (fd == -1 && !complained) {
		complained = true;
		log_warn("%s-prune: nothing will be pruned", db_path);
	}
	if (fd == -1 || !lock(fd, insist) || fstat(fd, &sb) == -1)
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
lease_is_wanted(int lease)
{
	char byte;

	return pread(lease, &byte, 1, WANTED_AT) == 1;
}

void
lease_pass(int lease)
{
	set_time(lease, 0);
	close(lease);
}

/* When a message was published; 0 if it is gone. */
static int64_t
created_ms_of(struct db *db, int64_t id)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANGE_GET];
	struct change ch = { 0 };

	sqlite3_bind_int64(stmt, 1, id);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		change_read_rest(&ch, stmt);
	db_done(stmt);
	return ch.created_ms;
}

/* What the file of the lease says. */
struct note {
	char epoch[40];       /* of the database; empty = nothing is noted */
	long long newest;     /* id */
	long long created_ms; /* of that message */
	struct known known;   /* of the same database */
};

static void
read_note(int fd, struct note *note)
{
	long long id = 0, ms = 0;
	char text[WANTED_AT + 1];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	*note = (struct note){ .newest = 0 };
	text[n < 0 ? 0 : n] = '\0';
	if (sscanf(text, "%39s %16lld %20lld %16lld %20lld", note->epoch,
		&note->newest, &note->created_ms, &id, &ms) < 3)
		note->epoch[0] = '\0';
	note->known = (struct known){ id, ms };
}

void
lease_known(int lease, const struct db *db, struct known *known)
{
	struct note note;

	read_note(lease, &note);
	*known = strcmp(note.epoch, db->epoch) == 0 ? note.known
						    : (struct known){ 0, 0 };
}

void
lease_note(int lease, struct db *db, const struct known *known)
{
	struct known before;
	char text[WANTED_AT];
	int64_t newest;
	int n;

	if (head_read(db, &newest) != DB_OK)
		return;
	lease_known(lease, db, &before);
	if (known == NULL)
		known = &before;
	/* Padded, so that nothing of a longer one stays behind it. */
	n = snprintf(text, sizeof(text), "%-39s %16lld %20lld\n%16lld %20lld\n",
	    db->epoch, (long long)newest, (long long)created_ms_of(db, newest),
	    (long long)known->id, (long long)known->ms);
	if (pwrite(lease, text, (size_t)n, 0) != n)
		log_debug("the newest id can't be noted");
}

bool
lease_went_back(struct db *db)
{
	struct str path = { 0 };
	struct note note;
	int64_t newest, now_ms;
	int fd;

	str_addf(&path, "%s" LEASE, db->path);
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	str_free(&path);
	if (fd == -1)
		return false;
	read_note(fd, &note);
	close(fd);
	if (head_read(db, &newest) != DB_OK ||
	    strcmp(note.epoch, db->epoch) != 0)
		return false;
	now_ms = created_ms_of(db, note.newest);
	return note.newest > newest || (note.created_ms != 0 && now_ms != 0 &&
					   now_ms != note.created_ms);
}
