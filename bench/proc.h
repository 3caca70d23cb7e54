/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROC_H
#define BENCH_PROC_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define GROUP_PIDS 256 /* processes in one group */

/* Processes that are measured together, such as a server and its children. */
struct group {
	char name[32]; /* what the report calls it */
	int tree;      /* 1 = pids[0] and all its descendants */
	pid_t pids[GROUP_PIDS];
	size_t n; /* pids in use */
};

/* What a group has used; sums over its processes. */
struct usage {
	uint64_t cpu_ns;    /* user and system time, all threads */
	uint64_t user_ms;   /* user time as /proc tells it, in its ticks */
	uint64_t system_ms; /* system time likewise */
	int64_t pss_kb;     /* proportional share of memory */
	int64_t rss_kb;     /* resident memory */
	int64_t anon_kb;    /* anonymous memory */
	int64_t dirty_kb;   /* private dirty memory */
	size_t threads;
};

/* Read "NAME=PID[,PID...]", with tree "NAME=PID"; exits if it is wrong. */
void group_parse(struct group *g, const char *text, int tree);

/* With tree: look again who belongs to it. */
void group_refresh(struct group *g);

/* Sum up what the group has used so far. Processes that are gone count 0. */
void group_measure_cpu(const struct group *g, struct usage *u);
void group_measure_memory(const struct group *g, struct usage *u);

#endif
