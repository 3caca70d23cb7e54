/* SPDX-License-Identifier: MIT */
/*
 * Group commit: what several publishers want, in one transaction.  All messages
 * go in by one statement, which is what makes a group cheap.  If one of them is
 * refused or known already, that is taken back and all are published one by
 * one, jobs of several messages in a savepoint each.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/publish/group.h"
#include "shared/publish/mute.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/head.h"

/* One job inside the transaction.  Only what breaks all is returned. */
static enum db_status
publish_job(struct db *db, struct job *job)
{
	/* One message that is refused leaves nothing behind by itself. */
	bool several = job->n > 1;
	enum db_status status =
	    several ? db_run(db, STATEMENT_SAVEPOINT) : DB_OK;

	job->status = DB_OK;
	for (size_t i = 0; i < job->n && status == DB_OK; i++) {
		struct outcome *out = &job->outcomes[i];

		status = change_publish(db, &job->messages[i], &out->id,
		    &out->again);
		if (status != DB_REFUSED)
			continue;
		job->failed = i;
		job_fail(job, DB_REFUSED, db->error);
		status = several ? db_run(db, STATEMENT_ROLLBACK_TO) : DB_OK;
		break;
	}
	return status == DB_OK && several ? db_run(db, STATEMENT_RELEASE)
					  : status;
}

static enum db_status
publish_one_by_one(struct db *db, struct jobs *group)
{
	enum db_status status = DB_OK;

	for (struct job *job = group->first; job != NULL && status == DB_OK;
	     job = job->next)
		status = publish_job(db, job);
	return status;
}

static void
give_ids(struct jobs *group, int64_t first)
{
	for (struct job *job = group->first; job != NULL; job = job->next) {
		job->status = DB_OK;
		for (size_t i = 0; i < job->n; i++)
			job->outcomes[i] = (struct outcome){ .id = first++ };
	}
}

/* All `n` messages of a group by one statement: see change_publish_all. */
static enum db_status
publish_together(struct db *db, struct jobs *group, size_t n, int64_t newest,
    bool *all)
{
	const struct message **rows = xreallocarray(NULL, n, sizeof(*rows));
	enum db_status status;
	int64_t first;
	size_t at = 0;

	for (struct job *job = group->first; job != NULL; job = job->next)
		for (size_t i = 0; i < job->n; i++)
			rows[at++] = &job->messages[i];
	status = change_publish_all(db, rows, n, newest, &first, all);
	free(rows);
	if (*all)
		give_ids(group, first);
	return status;
}

static enum db_status
begin(struct db *db, int64_t *newest)
{
	enum db_status status = db_begin_write(db, DB_HERE);

	return status == DB_OK ? head_read(db, newest) : status;
}

static enum db_status
publish_all(struct db *db, struct jobs *group)
{
	enum db_status status;
	int64_t newest;
	bool all = false;
	size_t n = 0;

	for (struct job *job = group->first; job != NULL; job = job->next)
		n += job->n;
	status = begin(db, &newest);
	if (status == DB_OK && n > 1) {
		status = publish_together(db, group, n, newest, &all);
		if (!all && (status == DB_OK || status == DB_REFUSED)) {
			db_rollback(db);
			status = begin(db, &newest);
		}
	}
	if (status == DB_OK && !all)
		status = publish_one_by_one(db, group);
	return status;
}

/* Whoever reads the rows after the commit knows whom they are kept from. */
static void
tell_mutes(const struct jobs *group, bool stored)
{
	for (const struct job *job = group->first; job != NULL;
	     job = job->next) {
		bool has_ids = stored && job->status == DB_OK;

		if (job->mute == NULL)
			continue;
		for (size_t i = 0; i < job->n; i++)
			mute_set(job->mute, i,
			    has_ids && !job->outcomes[i].again
				? job->outcomes[i].id
				: -1);
		mute_tell(job->mute);
	}
}

enum db_status
group_commit(struct db *db, struct jobs *group)
{
	enum db_status status = publish_all(db, group);

	if (status != DB_OK) {
		char error[sizeof(db->error)];

		memcpy(error, db->error, sizeof(error));
		db_rollback(db);
		memcpy(db->error, error, sizeof(error));
		return status;
	}
	for (struct job *job = group->first; job != NULL; job = job->next)
		memcpy(job->epoch, db->epoch, sizeof(job->epoch));
	tell_mutes(group, true);
	return db_commit(db);
}

void
group_fail(struct jobs *group, enum db_status status, const char *error)
{
	tell_mutes(group, false);
	for (struct job *job = group->first; job != NULL; job = job->next)
		job_fail(job, status, error);
}

int64_t
group_stored(const struct jobs *group)
{
	int64_t n = 0;

	for (const struct job *job = group->first; job != NULL; job = job->next)
		if (job->status == DB_OK)
			for (size_t i = 0; i < job->n; i++)
				n += job->outcomes[i].again ? 0 : 1;
	return n;
}
