/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BACKLOG_H
#define SHARED_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/db.h"

struct change;
struct want;

/*
 * Reads messages of the wants behind *after and up to `upto`, in order of id,
 * each once, and hands them to `each`, which returns false when it has enough;
 * the message it was handed is then the last.  Expired ones are passed over.
 * *after moves along.  *done tells that nothing is left up to `upto`; *after is
 * `upto` then.  A call does a bounded amount of work, so without *done and with
 * nothing handed over the caller simply calls again.
 */
enum db_status backlog_read(struct db *db, const struct want *want, size_t n,
    int64_t *after, int64_t upto, bool (*each)(const struct change *, void *),
    void *arg, bool *done);

#endif
