/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_EMPTYING_H
#define SHARED_PUBLISH_EMPTYING_H

#include <stdbool.h>

#include "shared/publish/job.h"

/*
 * A channel is emptied in steps, so that others publish meanwhile.  What it had
 * when the job had its turn is removed: whatever is published later stays.
 *
 * emptying_begin finds out what that is.  emptying_step removes some of it in
 * one transaction; *done tells that nothing is left.  Both return DB_OK, or why
 * the job cannot go on, with db->error set.  DB_MISSING is also what a database
 * that was replaced in between gives, of which nothing is removed.
 */
enum db_status emptying_begin(struct db *db, struct job *job);
enum db_status emptying_step(struct db *db, struct job *job, bool *done);

/*
 * Whether a job may be done beside those that are being emptied.  One that
 * publishes with a dedup to a channel of theirs may not: the message that it
 * would be taken for might be removed a moment later.  Nor may too many
 * channels be emptied at once.
 */
bool emptying_allows(const struct jobs *emptying, const struct job *job);

#endif
