/* SPDX-License-Identifier: MIT */
/*
 * Emptying a channel, which may hold hundreds of thousands of messages.
 */
#include "config.h"

#include <string.h>

#include <sqlite3.h>

#include "shared/publish/emptying.h"
#include "shared/table/db.h"
#include "shared/table/head.h"
#include "shared/table/removal.h"

#define AT_ONCE_MAX 4 /* channels */

enum db_status
emptying_begin(struct db *db, struct job *job)
{
	sqlite3_stmt *stmt = db->stmt[STATEMENT_CHANNEL_NEWEST];
	enum db_status status;
	int64_t newest;
	int rc;

	status = head_read(db, &newest);
	if (status != DB_OK)
		return status;
	memcpy(job->epoch, db->epoch, sizeof(job->epoch));
	sqlite3_bind_text(stmt, 1, job->channel, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	job->upto = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	status = db_status(db, rc);
	db_done(stmt);
	return status;
}

enum db_status
emptying_step(struct db *db, struct job *job, bool *done)
{
	enum db_status status;
	int n;

	status =
	    removal_channel(db, job->channel, job->upto, job->epoch, &n, done);
	job->removed += n;
	return status;
}

bool
emptying_allows(const struct jobs *emptying, const struct job *job)
{
	if (job->n == 0)
		return emptying->n < AT_ONCE_MAX;
	for (const struct job *other = emptying->first; other != NULL;
	     other = other->next)
		for (size_t i = 0; i < job->n; i++)
			if (job->messages[i].dedup != NULL &&
			    strcmp(job->messages[i].channel, other->channel) ==
				0)
				return false;
	return true;
}
