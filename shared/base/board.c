/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard, after the one of httpd: a small mapped file per process.
 * Counters in the database would wake every watcher for nothing; asking the
 * processes would need a protocol and patience with the slow ones.
 */
#include "config.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/board.h"
#include "shared/base/log.h"
#include "shared/base/str.h"

#define MAGIC  0x54424f41 /* "TBOA": layout of this version */
#define SUFFIX ".board"

/* Subscribers of one channel.  Names are kept as a hash alone. */
struct slot {
	uint64_t hash;  /* 0 = free */
	int64_t number; /* subscribers now */
};

/* The file.  Written by its owner alone, read by all. */
struct layout {
	uint32_t magic;              /* MAGIC */
	uint32_t slots;              /* a power of two */
	int64_t pid;                 /* the owner */
	char program[16];            /* its name */
	int64_t counter[BOARD__MAX]; /* enum board_counter */
	int64_t used;                /* slots in use */
	struct slot slot[];          /* open addressing */
};

struct board {
	struct layout *map; /* the file */
	size_t size;        /* bytes mapped */
	char *path;         /* of the file */
	int fd;             /* locked while the owner lives */
};

static const struct {
	const char *name, *help;
} words[BOARD__MAX] = {
	[BOARD_CLIENTS] = { "clients", "Clients held now." },
	[BOARD_REQUESTS] = { "requests", "Requests begun." },
	[BOARD_DELIVERED] = { "delivered", "Messages handed to clients." },
	[BOARD_PUBLISHED] = { "published", "Messages committed." },
	[BOARD_BYTES] = { "bytes", "Bytes written to held clients." },
	[BOARD_RESETS] = { "resets",
	    "Clients told that they missed something." },
	[BOARD_SLOW] = { "slow", "Clients cut because they did not read." },
	[BOARD_REFUSED] = { "refused", "Requests refused for lack of room." },
	[BOARD_DB_ERRORS] = { "db_errors",
	    "Failed operations on the database." },
	[BOARD_TURN_US] = { "longest_turn_us",
	    "Longest turn of the event loop, processor time in microseconds." },
};

const char *
board_name(enum board_counter counter)
{
	return words[counter].name;
}

const char *
board_help(enum board_counter counter)
{
	return words[counter].help;
}

/* All of it at once: a hole that can't be filled later would be a SIGBUS. */
static int
reserve(int fd, off_t size)
{
	int error = posix_fallocate(fd, 0, size);

	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

/* The file gets its name once it is locked: see map_file. */
static int
make_file(struct board *board, size_t slots)
{
	struct str tmp = { 0 };
	int rc = -1;

	board->size = sizeof(struct layout) + slots * sizeof(struct slot);
	str_addf(&tmp, "%s.tmp", board->path);
	unlink(tmp.p);
	board->fd = open(tmp.p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (board->fd != -1 && flock(board->fd, LOCK_EX | LOCK_NB) == 0 &&
	    reserve(board->fd, (off_t)board->size) == 0)
		rc = rename(tmp.p, board->path);
	if (rc == -1)
		unlink(tmp.p);
	str_free(&tmp);
	if (rc == -1)
		return -1;
	board->map = mmap(NULL, board->size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    board->fd, 0);
	return board->map == MAP_FAILED ? -1 : 0;
}

static void
path_of(struct str *out, const char *run_dir, const char *program, pid_t pid)
{
	str_addf(out, "%s/%s.%ld" SUFFIX, run_dir, program, (long)pid);
}

struct board *
board_open(const char *run_dir, const char *program, size_t slots)
{
	struct board *board = xcalloc(1, sizeof(*board));
	struct str path = { 0 };

	path_of(&path, run_dir, program, getpid());
	board->path = path.p;
	if (make_file(board, slots) == -1) {
		log_warn("%s: no scoreboard", board->path);
		if (board->fd != -1)
			close(board->fd);
		free(board->path);
		free(board);
		return NULL;
	}
	board->map->slots = (uint32_t)slots;
	board->map->pid = getpid();
	snprintf(board->map->program, sizeof(board->map->program), "%s",
	    program);
	board->map->magic = MAGIC;
	return board;
}

void
board_close(struct board *board)
{
	if (board == NULL)
		return;
	munmap(board->map, board->size);
	unlink(board->path);
	close(board->fd);
	free(board->path);
	free(board);
}

void
board_bury(const char *run_dir, const char *program, pid_t pid)
{
	struct str path = { 0 };

	path_of(&path, run_dir, program, pid);
	unlink(path.p);
	str_addz(&path, ".tmp");
	unlink(path.p);
	str_free(&path);
}

void
board_add(struct board *board, enum board_counter counter, int64_t n)
{
	/* The writer thread counts too. */
	if (board != NULL)
		__atomic_fetch_add(&board->map->counter[counter], n,
		    __ATOMIC_RELAXED);
}

void
board_max(struct board *board, enum board_counter counter, int64_t n)
{
	if (board != NULL && board->map->counter[counter] < n)
		board->map->counter[counter] = n;
}

bool
board_is_max(enum board_counter counter)
{
	return counter == BOARD_TURN_US;
}

/*
 * Frees a slot and moves those behind it that were pushed past it back, so that
 * no search ends too early and every freed slot can be had again.
 */
static void
free_slot(struct layout *map, size_t gap)
{
	size_t mask = map->slots - 1, i = gap, home;

	for (;;) {
		i = (i + 1) & mask;
		if (map->slot[i].hash == 0)
			break;
		home = map->slot[i].hash & mask;
		/* It may not stand before its home. */
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		map->slot[gap] = map->slot[i];
		gap = i;
	}
	map->slot[gap] = (struct slot){ 0 };
	map->used--;
}

void
board_subscriber(struct board *board, const char *name, size_t len,
    bool is_prefix, int delta)
{
	uint64_t hash = name_hash(name, len, is_prefix);
	struct layout *map;
	struct slot *slot;

	if (board == NULL)
		return;
	map = board->map;
	for (uint64_t i = hash;; i++) {
		slot = &map->slot[i & (map->slots - 1)];
		if (slot->hash == hash || slot->hash == 0)
			break;
	}
	if (slot->hash == 0) {
		/* A quarter stays free, so that a search always ends. */
		if (delta < 0 || map->used >= map->slots - map->slots / 4)
			return;
		slot->hash = hash;
		map->used++;
	}
	slot->number += delta;
	if (slot->number == 0)
		free_slot(map, (size_t)(slot - map->slot));
}

/* Maps the board in a file, or removes it if its owner is dead. */
static const struct layout *
map_file(const char *run_dir, const char *file, size_t *size)
{
	const struct layout *map = NULL;
	struct str path = { 0 };
	struct stat sb;
	int fd;

	str_addf(&path, "%s/%s", run_dir, file);
	/* What is no file, as a FIFO, is not waited for. */
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode) ||
	    sb.st_size < (off_t)sizeof(*map))
		goto out;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
		unlink(path.p); /* its owner holds the lock while it lives */
		goto out;
	}
	*size = (size_t)sb.st_size;
	map = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		map = NULL;
	if (map != NULL &&
	    (map->magic != MAGIC ||
		*size < sizeof(*map) + map->slots * sizeof(map->slot[0]))) {
		munmap((void *)(uintptr_t)map, *size);
		map = NULL;
	}
out:
	if (fd != -1)
		close(fd);
	str_free(&path);
	return map;
}

/* Calls `each` with every living board. */
static void
walk(const char *run_dir, void (*each)(const struct layout *, void *),
    void *arg)
{
	DIR *dir = opendir(run_dir);
	const struct layout *map;
	struct dirent *entry;
	size_t size = 0;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len < sizeof(SUFFIX) ||
		    strcmp(entry->d_name + len - (sizeof(SUFFIX) - 1),
			SUFFIX) != 0)
			continue;
		map = map_file(run_dir, entry->d_name, &size);
		if (map == NULL)
			continue;
		each(map, arg);
		munmap((void *)(uintptr_t)map, size);
	}
	closedir(dir);
}

struct reading {
	struct board_sum *rows; /* being filled */
	size_t n, max;          /* used, room */
	const char *channel;    /* whose subscribers are counted */
	int64_t subscribers;    /* found so far */
};

static void
add_counters(const struct layout *map, void *arg)
{
	struct reading *reading = arg;
	struct board_sum *row = NULL;

	for (size_t i = 0; i < reading->n && row == NULL; i++)
		if (strncmp(reading->rows[i].program, map->program,
			sizeof(map->program)) == 0)
			row = &reading->rows[i];
	if (row == NULL) {
		if (reading->n == reading->max)
			return;
		row = &reading->rows[reading->n++];
		*row = (struct board_sum){ 0 };
		snprintf(row->program, sizeof(row->program), "%.15s",
		    map->program);
	}
	row->processes++;
	for (int i = 0; i < BOARD__MAX; i++)
		if (!board_is_max((enum board_counter)i))
			row->counter[i] += map->counter[i];
		else if (row->counter[i] < map->counter[i])
			row->counter[i] = map->counter[i];
}

static int
compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct board_sum *)a)->program,
	    ((const struct board_sum *)b)->program);
}

size_t
board_read(const char *run_dir, struct board_sum *rows, size_t max)
{
	struct reading reading = { .rows = rows, .max = max };

	walk(run_dir, add_counters, &reading);
	if (reading.n > 1)
		qsort(rows, reading.n, sizeof(*rows), compare_rows);
	return reading.n;
}

static int64_t
look_up(const struct layout *map, uint64_t hash)
{
	for (uint64_t i = 0; i < map->slots; i++) {
		const struct slot *slot =
		    &map->slot[(hash + i) & (map->slots - 1)];

		if (slot->hash == hash)
			return slot->number;
		if (slot->hash == 0)
			break;
	}
	return 0;
}

static void
add_subscribers(const struct layout *map, void *arg)
{
	struct reading *reading = arg;
	size_t len = strlen(reading->channel);

	reading->subscribers +=
	    look_up(map, name_hash(reading->channel, len, false));
	for (size_t i = 1; i <= len; i++)
		reading->subscribers +=
		    look_up(map, name_hash(reading->channel, i, true));
}

int64_t
board_subscribers(const char *run_dir, const char *channel)
{
	struct reading reading = { .channel = channel };

	walk(run_dir, add_subscribers, &reading);
	return reading.subscribers;
}
