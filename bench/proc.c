/* SPDX-License-Identifier: MIT */
/*
 * CPU time and memory of other processes.
 *
 * CPU time comes from the process's CPU clock, which counts nanoseconds over
 * all threads, living and gone. The fields of /proc/PID/stat move in ticks of
 * 10 ms, too coarse for a bare loop that uses some of them in a whole run; they
 * serve to tell user from system time. Memory comes from smaps_rollup; what the
 * kernel holds for sockets is not in it.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/proc.h"

void
group_parse(struct group *g, const char *text, int tree)
{
	const char *p = strchr(text, '=');
	char *end;
	long pid;

	memset(g, 0, sizeof(*g));
	g->tree = tree;
	if (p == NULL || (size_t)(p - text) >= sizeof(g->name))
		errx(1, "not NAME=PID: %s", text);
	memcpy(g->name, text, (size_t)(p - text));
	do {
		pid = strtol(p + 1, &end, 10);
		if (pid <= 0 || g->n == GROUP_PIDS || end == p + 1)
			errx(1, "not NAME=PID: %s", text);
		g->pids[g->n++] = (pid_t)pid;
		p = end;
	} while (*p == ',');
	if (*p != '\0' || (tree && g->n != 1))
		errx(1, "not NAME=PID: %s", text);
}

/*
 * Fields of /proc/PID/stat after the name, which may hold blanks and brackets:
 * parent, user and system ticks, threads. -1 if the process is gone.
 */
static int
read_stat(pid_t pid, pid_t *parent, unsigned long ticks[2], size_t *threads)
{
	char path[64], text[1024], *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL ||
	    sscanf(p + 1,
		" %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu"
		" %*d %*d %*d %*d %zu",
		parent, &ticks[0], &ticks[1], threads) != 4)
		return -1;
	return 0;
}

static int
group_has(const struct group *g, pid_t pid)
{
	size_t i;

	for (i = 0; i < g->n; i++) {
		if (g->pids[i] == pid)
			return 1;
	}
	return 0;
}

/* Add each process whose parent is in the group; how many were added. */
static size_t
add_children(struct group *g)
{
	unsigned long ticks[2];
	struct dirent *entry;
	size_t threads, before = g->n;
	pid_t parent, pid;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		err(1, "/proc");
	while ((entry = readdir(dir)) != NULL && g->n < GROUP_PIDS) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)atoi(entry->d_name);
		if (read_stat(pid, &parent, ticks, &threads) == 0 &&
		    group_has(g, parent) && !group_has(g, pid))
			g->pids[g->n++] = pid;
	}
	closedir(dir);
	return g->n - before;
}

void
group_refresh(struct group *g)
{
	if (!g->tree)
		return;
	g->n = 1;
	while (add_children(g) > 0)
		continue;
}

static uint64_t
cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &ts) == -1)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void
group_measure_cpu(const struct group *g, struct usage *u)
{
	uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long ticks[2];
	size_t i, threads;
	pid_t parent;

	u->cpu_ns = u->user_ms = u->system_ms = 0;
	u->threads = 0;
	for (i = 0; i < g->n; i++) {
		u->cpu_ns += cpu_ns(g->pids[i]);
		if (read_stat(g->pids[i], &parent, ticks, &threads) == -1)
			continue;
		u->user_ms += ticks[0] * tick_ms;
		u->system_ms += ticks[1] * tick_ms;
		u->threads += threads;
	}
}

static void
add_memory(pid_t pid, struct usage *u)
{
	char path[64], line[128];
	long long kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Pss: %lld", &kb) == 1)
			u->pss_kb += kb;
		else if (sscanf(line, "Rss: %lld", &kb) == 1)
			u->rss_kb += kb;
		else if (sscanf(line, "Anonymous: %lld", &kb) == 1)
			u->anon_kb += kb;
		else if (sscanf(line, "Private_Dirty: %lld", &kb) == 1)
			u->dirty_kb += kb;
	}
	fclose(f);
}

void
group_measure_memory(const struct group *g, struct usage *u)
{
	size_t i;

	u->pss_kb = u->rss_kb = u->anon_kb = u->dirty_kb = 0;
	for (i = 0; i < g->n; i++)
		add_memory(g->pids[i], u);
}
