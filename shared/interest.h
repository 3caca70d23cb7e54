/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTEREST_H
#define SHARED_INTEREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/cursor.h"
#include "shared/db.h"

struct req;

/* One channel, or all channels whose name begins so. */
struct want {
	const char *name; /* borrowed */
	size_t len;       /* bytes */
	bool is_prefix;   /* name is a prefix */
};

/* What a client asks to hear, and from where on. */
struct interest {
	struct want *want;    /* ours; the names are the request's */
	size_t n;             /* rows */
	struct cursor cursor; /* CURSOR_LATEST if none was given */
	bool conditional;     /* there is an If-None-Match */
};

/*
 * Reads channel, topic, channels, prefix and the cursor from a request whose
 * arguments are parsed.  Returns 0, or -1 after it answered with 400.  With
 * `may_be_empty` no channel at all is fine.
 */
int interest_read(struct req *req, struct interest *interest,
    bool may_be_empty);
void interest_free(struct interest *interest);

/* Whether a channel is wanted. */
bool interest_matches(const struct want *want, size_t n, const char *channel,
    size_t len);

/*
 * Where to start: sets *after to the id behind which the client reads on, and
 * *reset if it may have missed something, or its cursor is of another epoch or
 * beyond `newest`, the newest id of db->epoch.  For CURSOR_AT with nothing
 * wrong *after is the client's own id.
 */
enum db_status interest_resolve(struct db *db, const struct want *want,
    size_t n, const struct cursor *cursor, int64_t newest, int64_t *after,
    bool *reset);

#endif
