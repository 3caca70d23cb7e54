/* SPDX-License-Identifier: MIT */
/*
 * Putting a set of files out of use (see shared/table/dbset.h).  The
 * connections of others to it, which may be there for days, must not go on:
 * what they commit would reach nobody, and a checkpoint of theirs would write
 * pages of the old -wal over what the new set has made of the database file.
 * SQLite has no call for that.  Its wal-index does: it has a version number, so
 * that nobody uses one of a format that he does not know, and a connection
 * looks at it whenever it begins a transaction.  So the wal-index of the old
 * set gets a version that nobody knows.  https://www.sqlite.org/walformat.html
 * tells its layout, which has not changed since 2010.
 *
 * All of it is done with the methods of SQLite's own file objects: a descriptor
 * of ours for the database or the -shm would, when it is closed, take the locks
 * of this process along.
 *
 * Refused: holding a lock of the old set for ever, which ends with the process;
 * and a copy of the database under a new inode, which needs the owner's rights
 * and room on the disk.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "shared/table/file_ids.h"
#include "shared/table/retire.h"
#include "shared/table/statement.h"

#define INDEX_VERSION 3007000    /* of a wal-index */
#define FENCED        3007001    /* of one that is out of use */
#define INDEX_BYTES   32768      /* its first page */
#define INDEX_OPEN_AT 128        /* locked by whoever has it open */
#define WAL_MAGIC     0x377f0682 /* but for the last bit */
#define WAL_HEAD      32         /* bytes of a -wal before its frames */
#define FRAME_HEAD    24         /* bytes of a frame before its page */
#define GENERATIONS   1000000    /* of a -wal: it may be that far behind */

/* The head of a wal-index: two copies of it, then the state of checkpoints. */
enum word {
	WORD_VERSION = 0,
	WORD_SIZE = 3, /* the page's size is its upper or lower half */
	WORD_FRAMES = 4,
	WORD_FRAME_SUM = 6, /* two words */
	WORD_SALT = 8,      /* two words, as they stand in the -wal */
	WORD_SUM = 10,      /* two words, over all before */
	WORD_SECOND = 12,   /* the second copy */
	WORD_SAVED = 24     /* frames that are in the database */
};

static const char sql_write[] =
#include "sql/query_write.inc"
    ;
static const char sql_unsynced[] =
#include "sql/durability_none.inc"
    ;

/* A set while it is retired. */
struct retiring {
	sqlite3 *handle;             /* a connection to it */
	sqlite3_file *db;            /* SQLite's: the database file */
	sqlite3_file *wal;           /* SQLite's: its -wal */
	volatile uint32_t *head;     /* of its wal-index, mapped */
	const struct file_ids *open; /* its files */
	int64_t whole_ns;            /* when they last had their names */
	struct file_ids there;       /* what has their names */
	char *const *paths;          /* their names */
};

static bool
is_same(const struct retiring *r, enum db_file file)
{
	return file_id_equals(&r->open->of[file], &r->there.of[file]);
}

static bool
is_gone(const struct retiring *r, enum db_file file)
{
	return r->there.of[file].ino == 0;
}

static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/*
 * The state of the file that lies where the -wal should: nothing that anybody
 * could have committed to, an older state of ours, or somebody's.
 */
enum other_wal { OTHER_EMPTY, OTHER_STALE, OTHER_LIVE };

/*
 * Whether it was moved there: it was made while ours had the name, when SQLite
 * made none.  Or it is an older state of ours: when a -wal begins anew its
 * first salt is one more, if whoever does it knows the one before.
 */
static bool
is_older(const struct retiring *r, const unsigned char *other)
{
	const struct file_id *id = &r->there.of[FILE_WAL];
	uint32_t word = r->head[WORD_SALT];

	if (id->birth_s != 0 &&
	    id->birth_s * 1000000000 + id->birth_ns < r->whole_ns)
		return true;
	return get32((const unsigned char *)&word) - get32(other + 16) <
	       GENERATIONS;
}

static enum other_wal
read_other_wal(const struct retiring *r)
{
	unsigned char other[WAL_HEAD];
	ssize_t n;
	int fd;

	if (is_gone(r, FILE_WAL))
		return OTHER_EMPTY;
	fd = open(r->paths[FILE_WAL],
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	n = fd == -1 ? 0 : pread(fd, other, sizeof(other), 0);
	if (fd != -1)
		close(fd);
	if (n < WAL_HEAD || (get32(other) & ~1u) != WAL_MAGIC)
		return n <= 0 ? OTHER_EMPTY : OTHER_LIVE;
	return is_older(r, other) ? OTHER_STALE : OTHER_LIVE;
}

static size_t
page_size(const struct retiring *r)
{
	uint32_t word = r->head[WORD_SIZE];
	const unsigned char *bytes = (const unsigned char *)&word;
	uint16_t size;

	memcpy(&size, bytes + 2, sizeof(size));
	return (size & 0xfe00) + ((size_t)(size & 1) << 16);
}

/*
 * Whether the -wal that is open here is the one that the wal-index speaks of:
 * it has the last frame of it.  Where the -wal alone was lost, who opens the
 * database has the same wal-index and another -wal, and may have written there.
 */
static bool
is_ours(const struct retiring *r)
{
	uint32_t frames = r->head[WORD_FRAMES];
	unsigned char frame[FRAME_HEAD];
	sqlite3_int64 at;

	if (frames == 0)
		return true;
	at = WAL_HEAD + (sqlite3_int64)(frames - 1) *
			    (sqlite3_int64)(FRAME_HEAD + page_size(r));
	return r->wal->pMethods != NULL &&
	       r->wal->pMethods->xRead(r->wal, frame, FRAME_HEAD, at) ==
		   SQLITE_OK &&
	       get32(frame + 16) == r->head[WORD_FRAME_SUM] &&
	       get32(frame + 20) == r->head[WORD_FRAME_SUM + 1];
}

static bool
is_saved(const struct retiring *r)
{
	return r->head[WORD_FRAMES] == r->head[WORD_SAVED];
}

/*
 * Whether anybody has opened the -shm that is there now: whoever does holds a
 * lock of this byte.  It is none of ours, so it may be closed.
 */
static bool
is_in_use(const struct retiring *r)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = INDEX_OPEN_AT,
		.l_len = 1 };
	int fd = open(r->paths[FILE_SHM],
	    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool used;

	if (fd == -1)
		return errno != ENOENT;
	used = fcntl(fd, F_GETLK, &lock) == -1 || lock.l_type != F_UNLCK;
	close(fd);
	return used;
}

/* What is to be done, seen from what lies under the names. */
struct plan {
	bool save;     /* bring what is in the -wal into the database file */
	bool drop_wal; /* remove what lies where the -wal should */
	bool drop_shm; /* the same */
};

static struct plan
make_plan(const struct retiring *r)
{
	struct plan plan = { false, false, false };
	enum other_wal other;

	if (!is_same(r, FILE_DB)) {
		/* SQLite would apply what belongs to the replaced file. */
		plan.drop_wal = is_same(r, FILE_WAL);
		plan.drop_shm = is_same(r, FILE_SHM);
		return plan;
	}
	if (is_same(r, FILE_WAL)) {
		/* Who made another -shm has read all that was in the -wal. */
		plan.save = is_gone(r, FILE_SHM);
		return plan;
	}
	other = read_other_wal(r);
	if (is_same(r, FILE_SHM)) {
		/* Its locks are everybody's: nobody else has written. */
		plan.save = is_ours(r);
		plan.drop_wal = plan.save && r->head[WORD_FRAMES] > 0 &&
				other != OTHER_EMPTY;
		plan.drop_shm = true;
		return plan;
	}
	plan.save =
	    other == OTHER_STALE || (other == OTHER_EMPTY && !is_in_use(r));
	plan.drop_wal = plan.drop_shm = other == OTHER_STALE;
	return plan;
}

/*
 * Nobody can open the database file while PENDING is held, which is what is
 * left of an attempt to lock it for us alone while others have it open.
 */
static bool
hold_newcomers(const struct retiring *r)
{
	const sqlite3_io_methods *db = r->db->pMethods;

	if (db->xLock(r->db, SQLITE_LOCK_RESERVED) != SQLITE_OK)
		return false;
	db->xLock(r->db, SQLITE_LOCK_EXCLUSIVE);
	return true;
}

static void
let_newcomers_in(const struct retiring *r)
{
	r->db->pMethods->xUnlock(r->db, SQLITE_LOCK_SHARED);
}

/* The version that nobody knows, with the sums that make it believed. */
static void
fence(const struct retiring *r)
{
	uint32_t copy[WORD_SECOND], s1 = 0, s2 = 0;

	for (int i = 0; i < WORD_SECOND; i++)
		copy[i] = r->head[i];
	copy[WORD_VERSION] = FENCED;
	for (int i = 0; i < WORD_SUM; i += 2) {
		s1 += copy[i] + s2;
		s2 += copy[i + 1] + s1;
	}
	copy[WORD_SUM] = s1;
	copy[WORD_SUM + 1] = s2;
	for (int i = 0; i < WORD_SECOND; i++)
		r->head[WORD_SECOND + i] = copy[i];
	atomic_thread_fence(memory_order_seq_cst);
	for (int i = 0; i < WORD_SECOND; i++)
		r->head[i] = copy[i];
}

/* What an error of SQLite means here. */
static enum retired
from_code(const struct retiring *r, int rc)
{
	if (r->head[WORD_VERSION] != INDEX_VERSION)
		return RETIRED_BY_OTHER;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return RETIRE_AGAIN;
	default:
		return RETIRE_NEVER;
	}
}

static void
drop(const struct retiring *r, const struct plan *plan)
{
	if (plan->drop_wal)
		unlink(r->paths[FILE_WAL]);
	if (plan->drop_shm)
		unlink(r->paths[FILE_SHM]);
}

/* Newcomers are kept out. */
static enum retired
retire_held(const struct retiring *r)
{
	struct plan plan = make_plan(r);
	enum retired done = RETIRE_AGAIN;
	int rc;

	if (plan.save && !is_saved(r)) {
		rc = sqlite3_wal_checkpoint_v2(r->handle, "main",
		    SQLITE_CHECKPOINT_FULL, NULL, NULL);
		if (from_code(r, rc) == RETIRE_AGAIN)
			return RETIRE_AGAIN;
		plan.save = rc == SQLITE_OK;
	}
	rc = sqlite3_exec(r->handle, statement_text(STATEMENT_BEGIN_IMMEDIATE),
	    NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return from_code(r, rc);
	/* From here on nobody writes. */
	if (!plan.save || is_saved(r)) {
		done = is_saved(r) ? RETIRED_SAVED : RETIRED_LOST;
		drop(r, &plan);
		fence(r);
	}
	sqlite3_exec(r->handle, statement_text(STATEMENT_ROLLBACK), NULL, NULL,
	    NULL);
	return done;
}

enum retired
retire_set(struct sqlite3 *handle, const struct file_ids *open,
    int64_t whole_ns, char *const *paths)
{
	struct retiring r = { .handle = handle,
		.open = open,
		.whole_ns = whole_ns,
		.paths = paths };
	void volatile *map = NULL;
	enum retired done;

	sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &r.db);
	sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER,
	    &r.wal);
	if (r.db == NULL || r.wal == NULL || r.db->pMethods == NULL ||
	    r.wal->pMethods == NULL || r.db->pMethods->iVersion < 2 ||
	    open->of[FILE_SHM].ino == 0)
		return RETIRE_NEVER;
	if (r.db->pMethods->xShmMap(r.db, 0, INDEX_BYTES, 0, &map) !=
		SQLITE_OK ||
	    map == NULL)
		return RETIRE_NEVER;
	r.head = map;
	if (r.head[WORD_VERSION] != INDEX_VERSION)
		return from_code(&r, SQLITE_CANTOPEN);
	if (!hold_newcomers(&r))
		return RETIRE_AGAIN;
	sqlite3_busy_timeout(handle, 0);
	sqlite3_exec(handle, sql_write, NULL, NULL, NULL);
	sqlite3_exec(handle, sql_unsynced, NULL, NULL, NULL);
	file_ids_read(&r.there, paths);
	done = is_gone(&r, FILE_DB) ? RETIRE_AGAIN : retire_held(&r);
	let_newcomers_in(&r);
	return done;
}
