/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_BACKLOG_H
#define SHARED_TABLE_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/db.h"

struct change;
struct want;

/* One who reads what it has missed. */
struct backlog {
	/* Its channels, to be read along their index; n = 0: a walk. */
	const struct want *want;
	size_t n;
	/* A walk: whether it wants a row, of which the key alone is read. */
	bool (*wanted)(const struct change *ch, void *arg);
	/*
	 * Something behind its place may have been pruned: to be compared with
	 * the watermarks (shared/table/loss), which are those of the rows to
	 * come.
	 */
	enum db_status (*look)(void *arg);
	bool look_first; /* in any case, as without `look` nothing is known */
	/* Takes a message; false when that was the last one it has room for. */
	bool (*each)(const struct change *ch, void *arg);
	void *arg; /* handed to all of them */
};

/*
 * Whether the index is the better way for `n` wants that are `behind` ids
 * behind: a walk costs by the row, the index by the channel.
 */
bool backlog_by_index(size_t n, size_t nprefixes, int64_t behind);

/*
 * Reads messages behind *after and up to `upto`, in order of id, each once, in
 * one snapshot of the table.  Expired ones are passed over.  *after moves
 * along: whenever a function is called it is the place in the table.  *done
 * tells that nothing is left up to `upto`; *after is `upto` then.  A call does
 * a bounded amount of work, so without *done and with nothing handed over the
 * caller simply calls again.
 */
enum db_status backlog_read(struct db *db, const struct backlog *backlog,
    int64_t *after, int64_t upto, bool *done);

#endif
