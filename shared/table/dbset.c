/* SPDX-License-Identifier: MIT */
/*
 * Which files a process has open, and the way from one set of them to the next:
 *
 *   at rest ── a file is not the one that is open ──▶ leaving
 *   leaving ── no connection of ours is left ───────▶ settling
 *   settling ─ no file has changed for REST_MS ─────▶ at rest, a new epoch
 *
 * All connections of a process leave before one is opened anew, since SQLite
 * maps the -shm of a database file once for all of them: one that came early
 * would have the new -wal and the old -shm.
 *
 * Whoever restores a backup touches several files one after the other.  So that
 * this is one change and not several, nothing is read while the files settle.
 * They are not left alone meanwhile: the guard, a connection that nobody uses,
 * has them open, to retire them too if they change again.
 */
#include "config.h"

#include <sys/queue.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/table/dbset.h"
#include "shared/table/file_ids.h"
#include "shared/table/retire.h"

#define REST_MS  1500 /* without a change: the files have settled */
#define RETRY_MS 2000 /* a set that can't be retired is left as it is */
#define CHANGING "its files are changing"

enum phase {
	PHASE_AT_REST, /* the files are those of the members, if there are any
			*/
	PHASE_CHANGING /* leaving, then settling */
};

struct dbset {
	struct dbset *next;
	char *paths[FILE__MAX];
	struct file_ids ids; /* of the newest set that is, or was, open here */
	LIST_HEAD(, db) members; /* connections, to older sets as well */
	struct sqlite3 *guard;   /* to the newest set, or NULL */
	enum phase phase;        /* see above */
	bool closed_whole;       /* the last member left it in order */
	bool told;               /* this change is in the log */
	int64_t whole_ns;        /* wall clock: the set was seen to be whole */
	int64_t began_ms;        /* monotonic: this change was noticed */
	int64_t changed_ms;      /* monotonic: the files last were others */
	char epoch[sizeof(((struct db *)0)->epoch)]; /* of the set */
	char over[sizeof(((struct db *)0)->epoch)];  /* of one that was left */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over all of it */
static struct dbset *sets;

static char *
path_with(const char *path, const char *suffix)
{
	struct str whole = { 0 };

	str_addf(&whole, "%s%s", path, suffix);
	return whole.p;
}

struct dbset *
dbset_of(const char *path)
{
	struct dbset *set;

	pthread_mutex_lock(&lock);
	for (set = sets; set != NULL; set = set->next)
		if (strcmp(set->paths[FILE_DB], path) == 0)
			break;
	if (set == NULL) {
		set = xcalloc(1, sizeof(*set));
		set->paths[FILE_DB] = path_with(path, "");
		set->paths[FILE_WAL] = path_with(path, "-wal");
		set->paths[FILE_SHM] = path_with(path, "-shm");
		set->closed_whole = true;
		set->next = sets;
		sets = set;
	}
	pthread_mutex_unlock(&lock);
	return set;
}

static unsigned
look(const struct dbset *set, struct file_ids *now)
{
	file_ids_read(now, set->paths);
	return file_ids_compare(&set->ids, now);
}

/* The clock that files get their time of birth from. */
static int64_t
wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool
dbset_is_whole(struct dbset *set, const struct db *db)
{
	int64_t began_ns = wall_ns();
	struct file_ids now;
	bool whole;

	pthread_mutex_lock(&lock);
	look(set, &now);
	whole = set->phase == PHASE_AT_REST && db->files != NULL &&
		file_ids_compare(db->files, &now) == 0;
	if (whole)
		set->whole_ns = began_ns;
	pthread_mutex_unlock(&lock);
	return whole;
}

bool
dbset_is_there(const struct dbset *set)
{
	return access(set->paths[FILE_DB], F_OK) == 0;
}

/* A line that says what happened, once for each change and process. */
static void
tell(struct dbset *set, const struct file_ids *then, const struct file_ids *now,
    enum retired how)
{
	unsigned changed = file_ids_compare(then, now);
	bool wal = (changed & 1u << FILE_WAL) != 0;
	bool shm = (changed & 1u << FILE_SHM) != 0;
	bool gone = (!wal || now->of[FILE_WAL].ino == 0) &&
		    (!shm || now->of[FILE_SHM].ino == 0);

	if (set->told)
		return;
	set->told = true;
	if (changed & 1u << FILE_DB)
		log_warnx("%s was replaced", set->paths[FILE_DB]);
	else
		log_warnx("%s: its %s%s%s %s %s while in use%s",
		    set->paths[FILE_DB], wal ? "-wal" : "",
		    wal && shm ? " and " : "", shm ? "-shm" : "",
		    wal && shm ? "were" : "was", gone ? "removed" : "replaced",
		    how == RETIRED_SAVED  ? "; nothing of it is lost"
		    : how == RETIRED_LOST ? "; what was in it alone is lost"
					  : "");
}

/*
 * Whoever does it may not be done, even where none of the old files is left:
 * SQLite removes the -wal and -shm of a database that somebody closes.
 */
static void
begin_change(struct dbset *set)
{
	set->phase = PHASE_CHANGING;
	set->told = false;
	set->began_ms = set->changed_ms = clock_mono_ms();
	memcpy(set->over, set->epoch, sizeof(set->over));
}

/*
 * The -wal and -shm of the file that was open here before, beside another one:
 * SQLite would apply what is in them.
 */
static void
drop_left_behind(const struct dbset *set, const struct file_ids *now)
{
	if (set->ids.of[FILE_DB].ino == 0 || now->of[FILE_DB].ino == 0 ||
	    set->ids.of[FILE_WAL].ino == 0 ||
	    file_id_equals(&set->ids.of[FILE_DB], &now->of[FILE_DB]) ||
	    !file_id_equals(&set->ids.of[FILE_WAL], &now->of[FILE_WAL]))
		return;
	log_info("removing the -wal that belongs to the replaced file");
	unlink(set->paths[FILE_WAL]);
	if (file_id_equals(&set->ids.of[FILE_SHM], &now->of[FILE_SHM]))
		unlink(set->paths[FILE_SHM]);
}

/* Closes without a checkpoint: the -wal may not be that of the file. */
static void
close_as_is(struct sqlite3 *handle)
{
	sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(handle);
}

/*
 * The files that `handle` has just opened.  Returns false if others have their
 * names already.
 */
static bool
read_opened(const struct dbset *set, struct sqlite3 *handle,
    struct file_ids *ids)
{
	sqlite3_file *wal = NULL;
	int moved = 0;

	file_ids_read(ids, set->paths);
	sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER,
	    &wal);
	if (moved)
		return false;
	if (wal != NULL && wal->pMethods != NULL)
		return file_ids_are_open(ids);
	/* It is not in that mode, or not yet: these are none of its files. */
	ids->of[FILE_WAL] = ids->of[FILE_SHM] = (struct file_id){ 0 };
	return true;
}

static void
drop_guard(struct dbset *set)
{
	if (set->guard != NULL)
		close_as_is(set->guard);
	set->guard = NULL;
}

static enum db_status
open_guard(struct dbset *set, char *error, size_t size)
{
	struct db db = { 0 };
	enum db_status status;
	int64_t version;

	status = db_connect(&db, set->paths[FILE_DB], SQLITE_OPEN_READWRITE, 0);
	if (status == DB_OK)
		status = db_read_integer(&db, STATEMENT_USER_VERSION, &version);
	free(db.path);
	set->guard = db.handle;
	if (status == DB_OK && read_opened(set, db.handle, &set->ids))
		return DB_OK;
	drop_guard(set);
	if (status == DB_OK || status == DB_BUSY)
		return DB_CHANGING;
	snprintf(error, size, "%s", db.error);
	return status;
}

/*
 * Keeps the guard on what lies under the names.  Returns DB_OK once that has
 * been the same for a while.
 */
static enum db_status
settle(struct dbset *set, char *error, size_t size)
{
	int64_t now_ms = clock_mono_ms();
	enum db_status status;
	struct file_ids now;

	if (set->guard != NULL && look(set, &now) != 0) {
		if (retire_set(set->guard, &set->ids, set->whole_ns,
			set->paths) == RETIRE_AGAIN &&
		    now_ms - set->changed_ms < RETRY_MS)
			return DB_CHANGING;
		drop_guard(set);
		set->changed_ms = now_ms;
	}
	if (set->guard == NULL) {
		file_ids_read(&now, set->paths);
		drop_left_behind(set, &now);
		status = open_guard(set, error, size);
		if (status != DB_OK)
			return status;
	}
	return now_ms - set->changed_ms >= REST_MS ? DB_OK : DB_CHANGING;
}

/* The connections of this process that have other files open have to leave. */
static void
wake_members(struct dbset *set, const struct db *but)
{
	struct db *members[8];
	size_t n = 0;
	struct db *db;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(db, &set->members, member) {
		if (db != but && db->lost != NULL &&
		    n < sizeof(members) / sizeof(members[0]))
			members[n++] = db;
	}
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < n; i++)
		members[i]->lost(members[i]->lost_arg);
}

/* SQLite has one -shm in a process for each database file. */
static bool
is_in_the_way(const struct dbset *set, const struct file_ids *now)
{
	struct db *db;

	LIST_FOREACH(db, &set->members, member) {
		if (file_id_equals(&db->files->of[FILE_DB],
			&now->of[FILE_DB]) &&
		    file_ids_compare(db->files, now) != 0)
			return true;
	}
	return false;
}

static enum db_status
admit(struct dbset *set, bool *wake, char *error, size_t size)
{
	struct file_ids now;
	unsigned changed = look(set, &now);

	/* SQLite's refusal is good enough for what is not there. */
	if (now.of[FILE_DB].ino == 0)
		return DB_OK;
	if (set->phase == PHASE_AT_REST) {
		if (changed == 0)
			return DB_OK;
		if (LIST_EMPTY(&set->members) && set->closed_whole) {
			drop_left_behind(set, &now);
			return DB_OK;
		}
		begin_change(set);
		if (LIST_EMPTY(&set->members))
			tell(set, &set->ids, &now, RETIRE_NEVER);
		*wake = true;
	}
	if (is_in_the_way(set, &now)) {
		*wake = true;
		return DB_CHANGING;
	}
	return settle(set, error, size);
}

enum db_status
dbset_admit(struct dbset *set, char *error, size_t size)
{
	enum db_status status;
	bool wake = false;

	snprintf(error, size, CHANGING);
	pthread_mutex_lock(&lock);
	status = admit(set, &wake, error, size);
	pthread_mutex_unlock(&lock);
	if (wake)
		wake_members(set, NULL);
	return status;
}

enum db_status
dbset_join(struct dbset *set, struct db *db)
{
	struct file_ids *files = xcalloc(1, sizeof(*files));
	enum db_status status = DB_CHANGING;

	pthread_mutex_lock(&lock);
	if (read_opened(set, db->handle, files) &&
	    ((set->guard == NULL && LIST_EMPTY(&set->members)) ||
		file_ids_compare(&set->ids, files) == 0)) {
		set->ids = *files;
		set->phase = PHASE_AT_REST;
		drop_guard(set);
		db->files = files;
		LIST_INSERT_HEAD(&set->members, db, member);
		status = DB_OK;
	}
	pthread_mutex_unlock(&lock);
	if (status != DB_OK) {
		snprintf(db->error, sizeof(db->error), CHANGING);
		free(files);
	}
	return status;
}

/* The lock is held. */
static enum db_status
leave(struct dbset *set, struct db *db)
{
	enum retired how;
	struct file_ids now;
	unsigned changed = look(set, &now);

	if (now.of[FILE_DB].ino == 0)
		return DB_OK;
	if (set->phase == PHASE_AT_REST && changed != 0)
		begin_change(set);
	if (file_ids_compare(db->files, &now) == 0)
		return DB_OK;
	how = retire_set(db->handle, db->files, set->whole_ns, set->paths);
	set->changed_ms = clock_mono_ms();
	if (how == RETIRE_AGAIN && set->changed_ms - set->began_ms < RETRY_MS)
		return DB_CHANGING;
	tell(set, db->files, &now, how);
	return DB_OK;
}

enum db_status
dbset_leave(struct dbset *set, struct db *db)
{
	enum db_status status;

	pthread_mutex_lock(&lock);
	status = leave(set, db);
	pthread_mutex_unlock(&lock);
	wake_members(set, db);
	return status;
}

void
dbset_part(struct dbset *set, struct db *db)
{
	struct file_ids now;

	pthread_mutex_lock(&lock);
	if (db->files != NULL) {
		bool whole;

		look(set, &now);
		whole = set->phase == PHASE_AT_REST &&
			file_ids_compare(db->files, &now) == 0;
		LIST_REMOVE(db, member);
		free(db->files);
		db->files = NULL;
		if (LIST_EMPTY(&set->members))
			set->closed_whole = whole;
		if (!whole)
			sqlite3_db_config(db->handle,
			    SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	}
	sqlite3_close(db->handle);
	db->handle = NULL;
	pthread_mutex_unlock(&lock);
}

void
dbset_distrust(struct dbset *set)
{
	pthread_mutex_lock(&lock);
	if (set->guard != NULL) {
		drop_guard(set);
		set->changed_ms = clock_mono_ms();
	}
	pthread_mutex_unlock(&lock);
}

void
dbset_note_epoch(struct dbset *set, const char *epoch)
{
	pthread_mutex_lock(&lock);
	snprintf(set->epoch, sizeof(set->epoch), "%s", epoch);
	pthread_mutex_unlock(&lock);
}

bool
dbset_is_over(struct dbset *set, const char *epoch)
{
	bool over;

	pthread_mutex_lock(&lock);
	over = set->over[0] != '\0' && strcmp(set->over, epoch) == 0;
	pthread_mutex_unlock(&lock);
	return over;
}
