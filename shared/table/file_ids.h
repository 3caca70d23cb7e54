/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_FILE_IDS_H
#define SHARED_TABLE_FILE_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* The files of a database, in this order everywhere. */
enum db_file { FILE_DB, FILE_WAL, FILE_SHM, FILE__MAX };

/* What tells one file from another that has its name later. */
struct file_id {
	uint64_t dev;      /* device, 0 with ino 0 */
	uint64_t ino;      /* inode, 0 = there is no such file */
	int64_t birth_s;   /* when it was made, 0 = not known */
	uint32_t birth_ns; /* the rest of it */
};

/* The files of a set, or of what lies under its names. */
struct file_ids {
	struct file_id of[FILE__MAX];
};

/* Reads what lies at `paths` now.  Does not open anything. */
void file_ids_read(struct file_ids *ids, char *const *paths);

bool file_id_equals(const struct file_id *a, const struct file_id *b);

/*
 * Bits, one by the number of each, of the files that are not the same.  What
 * was not there `then` does not count.
 */
unsigned file_ids_compare(const struct file_ids *then,
    const struct file_ids *now);

/*
 * Whether this process has all of these files open.  Without /proc it is taken
 * for granted.
 */
bool file_ids_are_open(const struct file_ids *ids);

#endif
