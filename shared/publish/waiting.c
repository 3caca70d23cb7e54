/* SPDX-License-Identifier: MIT */
/*
 * The two rows of jobs.  A publisher whose job stands in the row of batches has
 * all that follows put behind it there, until that row has none of its jobs.
 * One whose messages stand in the row of single ones may add a batch to the
 * other: it waits there until they are taken.  So only batches ever wait for
 * the other row, never both for each other.
 *
 * Refused: a row for each publisher.  Most have one job, and a group of some
 * hundred of those would be picked from as many rows.
 */
#include "config.h"

#include "shared/publish/waiting.h"

#define GROUP_MAX   1000      /* jobs in one transaction */
#define GROUP_BYTES (2 << 20) /* that they take, about: some 10 ms */

enum row {
	ROW_SINGLE, /* a message, or a channel to be emptied */
	ROW_SEVERAL,
	ROW__MAX
};

_Static_assert(ROW__MAX == JOB_ROWS, "a publisher counts both rows");

void
waiting_init(struct waiting *waiting)
{
	for (int i = 0; i < ROW__MAX; i++)
		jobs_init(&waiting->rows[i]);
	waiting->had_turn = ROW_SINGLE;
}

void
waiting_add(struct waiting *waiting, struct job *job)
{
	enum row row = job->n > 1 ? ROW_SEVERAL : ROW_SINGLE;

	if (job->publisher != NULL) {
		if (job->publisher->waiting[ROW_SEVERAL] > 0)
			row = ROW_SEVERAL;
		job->publisher->waiting[row]++;
	}
	jobs_add(&waiting->rows[row], job);
}

size_t
waiting_count(const struct waiting *waiting)
{
	return waiting->rows[ROW_SINGLE].n + waiting->rows[ROW_SEVERAL].n;
}

/* Whether the first job of a row may be taken. */
static bool
is_ready(const struct waiting *waiting, int row, waiting_may *may, void *arg)
{
	const struct job *job = waiting->rows[row].first;

	if (job == NULL)
		return false;
	if (row == ROW_SEVERAL && job->publisher != NULL &&
	    job->publisher->waiting[ROW_SINGLE] > 0)
		return false;
	return may(job, arg);
}

bool
waiting_is_ready(const struct waiting *waiting, waiting_may *may, void *arg)
{
	return is_ready(waiting, ROW_SINGLE, may, arg) ||
	       is_ready(waiting, ROW_SEVERAL, may, arg);
}

void
waiting_take(struct waiting *waiting, struct jobs *group, waiting_may *may,
    void *arg)
{
	int other = waiting->had_turn == ROW_SINGLE ? ROW_SEVERAL : ROW_SINGLE;
	struct jobs *row;
	size_t bytes = 0;

	jobs_init(group);
	if (is_ready(waiting, other, may, arg))
		waiting->had_turn = other;
	row = &waiting->rows[waiting->had_turn];
	while (group->n < GROUP_MAX &&
	       is_ready(waiting, waiting->had_turn, may, arg)) {
		struct job *job = row->first;

		bytes += job->cost;
		if (group->n > 0 && (job->n == 0 || bytes > GROUP_BYTES))
			return;
		jobs_add(group, jobs_take(row));
		if (job->publisher != NULL)
			job->publisher->waiting[waiting->had_turn]--;
		if (job->n == 0)
			return;
	}
}
