/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_GROUP_H
#define SHARED_PUBLISH_GROUP_H

#include <stdint.h>

#include "shared/publish/job.h"
#include "shared/table/connection.h"

/*
 * Publishes all jobs of a group, each with messages, in one transaction, in
 * their order.  A job that is refused has that as its status and leaves the
 * others alone.  Mutes are told the ids before the commit.  Returns DB_OK, or
 * why nothing of all that is stored, with db->error set: group_fail is next.
 */
enum db_status group_commit(struct db *db, struct jobs *group);

/* Nothing of the group is stored: tells that to its jobs and mutes. */
void group_fail(struct jobs *group, enum db_status status, const char *error);

/* How many messages of a group are new in the table. */
int64_t group_stored(const struct jobs *group);

#endif
