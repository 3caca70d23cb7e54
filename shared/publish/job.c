/* SPDX-License-Identifier: MIT */
/*
 * What the writer is asked to do, and lists of that.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "shared/publish/job.h"

void
jobs_init(struct jobs *jobs)
{
	*jobs = (struct jobs){ .last = &jobs->first };
}

void
jobs_add(struct jobs *jobs, struct job *job)
{
	job->next = NULL;
	*jobs->last = job;
	jobs->last = &job->next;
	jobs->n++;
}

struct job *
jobs_take(struct jobs *jobs)
{
	struct job *job = jobs->first;

	if (job == NULL)
		return NULL;
	jobs->first = job->next;
	if (jobs->first == NULL)
		jobs->last = &jobs->first;
	jobs->n--;
	return job;
}

size_t
job_bytes(const struct job *job)
{
	size_t sum = 0;

	for (size_t i = 0; i < job->n; i++)
		sum += job->messages[i].data_len;
	return sum;
}

void
job_fail(struct job *job, enum db_status status, const char *error)
{
	job->status = status;
	snprintf(job->error, sizeof(job->error), "%s", error);
}
