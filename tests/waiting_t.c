/* SPDX-License-Identifier: MIT */
/*
 * Jobs that wait: two rows that take turns, and the order of each publisher all
 * the same.  Issue 5, C9: a single message overtook the batch before it.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/publish/waiting.h"
#include "tests/tap/tap.h"

#define PUBLISHERS 5
#define JOBS       4000

static struct job jobs[JOBS];
static struct publisher publishers[PUBLISHERS];
static struct waiting waiting;
static uint64_t state; /* of the random numbers */

static unsigned
below(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

static bool
any(const struct job *job, void *arg)
{
	(void)job;
	(void)arg;
	return true;
}

/* A job is known by its upto here. */
static bool
not_blocked(const struct job *job, void *arg)
{
	return job != arg;
}

static void
begin(void)
{
	memset(jobs, 0, sizeof(jobs));
	memset(publishers, 0, sizeof(publishers));
	waiting_init(&waiting);
}

/* What was taken of each publisher; returns false if it is out of order. */
static bool
check_group(struct jobs *group, int64_t *last)
{
	size_t n = group->n, bytes = 0;
	struct job *job;
	bool good = true;

	while ((job = jobs_take(group)) != NULL) {
		int64_t i = job - jobs, *before;

		bytes += job->cost;
		good = good && (job->n > 0 || n == 1);
		if (job->publisher == NULL)
			continue;
		before = &last[job->publisher - publishers];
		good = good && i > *before;
		*before = i;
	}
	return good && n <= 1000 && (n == 1 || bytes <= 2 << 20);
}

/* A storm of all kinds, taken as it comes; returns how many were taken. */
static size_t
storm(uint64_t seed, bool *good)
{
	int64_t last[PUBLISHERS];
	size_t added = 0, taken = 0;
	struct jobs group;

	begin();
	state = seed;
	memset(last, 0xff, sizeof(last));
	*good = true;
	while (added < JOBS || waiting_count(&waiting) > 0) {
		for (unsigned n = below(30); n > 0 && added < JOBS; n--) {
			struct job *job = &jobs[added++];
			unsigned kind = below(10), who = below(PUBLISHERS + 1);

			job->n = kind == 0 ? 0 : kind < 6 ? 1 : 3;
			job->cost = kind == 9 ? 1500000 : 600 * job->n;
			job->publisher =
			    who < PUBLISHERS ? &publishers[who] : NULL;
			waiting_add(&waiting, job);
		}
		if (below(3) > 0 && added < JOBS)
			continue;
		waiting_take(&waiting, &group, any, NULL);
		if (group.n == 0 && waiting_count(&waiting) > 0) {
			*good = false;
			break;
		}
		taken += group.n;
		*good = check_group(&group, last) && *good;
	}
	for (int i = 0; i < PUBLISHERS; i++)
		*good = *good && publishers[i].waiting[0] == 0 &&
			publishers[i].waiting[1] == 0;
	return taken;
}

static void
test_storms(void)
{
	int wrong = 0;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		bool good;
		size_t n = storm(seed, &good);

		if (n != JOBS || !good) {
			diag("seed %d: %zu taken", (int)seed, n);
			wrong++;
		}
	}
	is_int(wrong, 0,
	    "200 storms of 4000 jobs: all are taken, each publisher's in "
	    "order, "
	    "in groups of a bounded size");
}

/* Adds a job of `n` messages. */
static struct job *
add(int i, size_t n, struct publisher *publisher)
{
	jobs[i] = (struct job){ .n = n, .publisher = publisher, .cost = 100 };
	waiting_add(&waiting, &jobs[i]);
	return &jobs[i];
}

/* The case of the issue. */
static void
test_overtaking(void)
{
	struct jobs group;

	begin();
	add(0, 3, &publishers[0]);
	add(1, 1, &publishers[0]);
	waiting_take(&waiting, &group, any, NULL);
	ok(group.n == 2 && group.first == &jobs[0] &&
		group.first->next == &jobs[1],
	    "a batch and a message of one publisher stay in order");
	begin();
	add(0, 1, &publishers[0]);
	add(1, 3, &publishers[0]);
	add(2, 1, &publishers[0]);
	add(3, 0, &publishers[0]);
	waiting.had_turn = 0;
	waiting_take(&waiting, &group, any, NULL);
	ok(group.n == 1 && group.first == &jobs[0],
	    "the batches' turn, but the first of them waits for a message");
	waiting_take(&waiting, &group, any, NULL);
	ok(group.n == 2 && group.first == &jobs[1],
	    "then it goes, with the message behind it");
	waiting_take(&waiting, &group, any, NULL);
	ok(group.n == 1 && group.first == &jobs[3],
	    "and what empties a channel goes last, alone");
	add(4, 1, &publishers[0]);
	add(5, 3, NULL);
	is_int(waiting.rows[0].n, 1, "then its messages are single ones again");
}

/* A group is as large as it may be, and no larger. */
static void
test_size(void)
{
	static const struct {
		size_t cost, n;
	} rows[] = { { 100, 1000 }, { 2097, 1000 }, { 2098, 999 },
		{ 20971, 100 }, { 1 << 20, 2 }, { (1 << 20) + 1, 1 },
		{ 100 << 20, 1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jobs group;

		begin();
		for (int j = 0; j < 2500; j++)
			add(j, 1, NULL)->cost = rows[i].cost;
		waiting_take(&waiting, &group, any, NULL);
		is_int((long long)group.n, (long long)rows[i].n,
		    "jobs of %zu bytes in a group", rows[i].cost);
	}
}

/* Others do not wait for all batches, whoever has sent them. */
static void
test_turns(void)
{
	struct jobs group;
	int takes = 0;
	bool found = false;

	begin();
	for (int i = 0; i < 50; i++) {
		add(2 * i, 1, &publishers[0]);
		add(2 * i + 1, 3, &publishers[0])->cost = 3 << 20;
	}
	add(200, 1, &publishers[1]);
	while (!found && takes++ < 100) {
		waiting_take(&waiting, &group, any, NULL);
		for (struct job *job = group.first; job != NULL;
		     job = job->next)
			found = found || job == &jobs[200];
	}
	ok(takes <= 2, "a message behind 50 batches of one who mixes (%d)",
	    takes);
}

/* Who may not be done now holds up its own row alone. */
static void
test_blocked(void)
{
	struct jobs group;

	begin();
	add(0, 1, NULL);
	add(1, 1, NULL);
	add(2, 3, NULL);
	waiting_take(&waiting, &group, not_blocked, &jobs[0]);
	ok(group.n == 1 && group.first == &jobs[2], "the other row goes on");
	ok(!waiting_is_ready(&waiting, not_blocked, &jobs[0]),
	    "then nobody is ready");
	waiting_take(&waiting, &group, not_blocked, &jobs[0]);
	is_int(group.n, 0, "and nothing is taken");
	waiting_take(&waiting, &group, not_blocked, &jobs[1]);
	ok(group.n == 1 && group.first == &jobs[0],
	    "a group ends before one that may not be done");
	ok(waiting_is_ready(&waiting, any, NULL), "which is ready later");
	waiting_take(&waiting, &group, any, NULL);
	is_int(waiting_count(&waiting), 0, "and taken");
}

int
main(void)
{
	test_storms();
	test_overtaking();
	test_size();
	test_turns();
	test_blocked();
	return done();
}
