/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_BOARD_H
#define SHARED_BASE_BOARD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is counted.  The first one goes up and down, the last is a maximum, the
 * others only go up.
 */
enum board_counter {
	BOARD_CLIENTS,   /* held now */
	BOARD_REQUESTS,  /* begun */
	BOARD_DELIVERED, /* messages handed to clients */
	BOARD_PUBLISHED, /* messages committed */
	BOARD_BYTES,     /* written to clients */
	BOARD_RESETS,    /* clients told that they missed something */
	BOARD_SLOW,      /* clients cut because they did not read */
	BOARD_REFUSED,   /* requests refused for lack of room */
	BOARD_DB_ERRORS, /* failed operations on the database */
	BOARD_TURN_US,   /* the longest turn of the loop; see board_max */
	BOARD__MAX
};

struct board;

/*
 * The scoreboard of this process: a file in `run_dir` that it maps and others
 * read, so that counting costs no system call.  `slots` is how many
 * channels it can list; those that do not fit are not counted by channel.
 * Returns NULL, after a line in the log, if the file can't be made; all
 * functions take NULL.
 */
struct board *board_open(const char *run_dir, const char *program,
    size_t slots);

/* Unmaps and removes the file. */
void board_close(struct board *board);

/*
 * Removes the file of a process that was killed: for whoever reaps it.  That
 * there is none is fine.
 */
void board_bury(const char *run_dir, const char *program, pid_t pid);

/* Adds to a counter. */
void board_add(struct board *board, enum board_counter counter, int64_t n);

/*
 * Raises a counter to `n` where it is lower; for those that tell the largest
 * of something.  Of several processes the largest counts.
 */
void board_max(struct board *board, enum board_counter counter, int64_t n);
bool board_is_max(enum board_counter counter);

/* One subscriber more (+1) or less (-1) of a channel or prefix. */
void board_subscriber(struct board *board, const char *name, size_t len,
    bool is_prefix, int delta);

/* What the living processes of one program have counted, added up. */
struct board_sum {
	char program[16];            /* name */
	unsigned processes;          /* alive now */
	int64_t counter[BOARD__MAX]; /* sums */
};

/*
 * Reads all scoreboards in `run_dir`.  Files of processes that died are
 * removed.  Returns the number of rows written to `rows`, at most `max`, in
 * order of name.
 */
size_t board_read(const char *run_dir, struct board_sum *rows, size_t max);

/* Subscribers of a channel now, by its name or a prefix, in all programs. */
int64_t board_subscribers(const char *run_dir, const char *channel);

/* The word for a counter in JSON, and its sentence for Prometheus. */
const char *board_name(enum board_counter counter);
const char *board_help(enum board_counter counter);

#endif
