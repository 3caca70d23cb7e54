/* SPDX-License-Identifier: MIT */
/*
 * Counting of deliveries: exactly once, in order, and how late.
 *
 * Every latency is kept, in units of 100 ns, instead of a histogram: a run has
 * some hundred thousand deliveries, four bytes each, and sorting them once
 * gives exact percentiles.
 */
#include "config.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tally.h"

#define LATE_UNIT_NS 100

void
tally_init(struct tally *t, uint32_t run, size_t clients, uint32_t messages)
{
	memset(t, 0, sizeof(*t));
	t->run = run;
	t->messages = messages;
	t->room = clients * messages;
	t->late = calloc(t->room + 1, sizeof(*t->late));
	t->slowest = calloc((size_t)messages + 1, sizeof(*t->slowest));
	if (t->late == NULL || t->slowest == NULL)
		err(1, "%zu latencies", t->room);
	/* Touch the pages now, not in the middle of the measurement. */
	memset(t->late, 1, t->room * sizeof(*t->late));
}

void
tally_free(struct tally *t)
{
	free(t->late);
	free(t->slowest);
	t->late = t->slowest = NULL;
}

void
seen_init(struct seen *s, const struct tally *t)
{
	s->newest = 0;
	s->bits = calloc(t->messages / 8 + 1, 1);
	if (s->bits == NULL)
		err(1, "record of a client");
}

void
seen_free(struct seen *s)
{
	free(s->bits);
	s->bits = NULL;
}

void
tally_count(struct tally *t, struct seen *s, const struct message *m,
    uint64_t now_ns)
{
	uint8_t bit = (uint8_t)(1 << m->seq % 8);
	uint64_t late;

	if (m->run != t->run || m->seq == 0 || m->seq > t->messages) {
		t->foreign++;
		return;
	}
	if (s->bits[m->seq / 8] & bit) {
		t->duplicated++;
		return;
	}
	s->bits[m->seq / 8] |= bit;
	if (m->seq < s->newest)
		t->disordered++;
	else
		s->newest = m->seq;
	late = (now_ns - m->sent_ns) / LATE_UNIT_NS;
	if (late > UINT32_MAX)
		late = UINT32_MAX;
	t->late[t->received++] = (uint32_t)late;
	if (t->slowest[m->seq] < late)
		t->slowest[m->seq] = (uint32_t)late;
	t->last_ns = now_ns;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Share of n sorted latencies, in ms. */
static double
percentile(const uint32_t *late, size_t n, double share)
{
	size_t at = (size_t)(share * (double)n);

	if (n == 0)
		return 0;
	return late[at < n ? at : n - 1] * (LATE_UNIT_NS / 1e6);
}

void
tally_sort(struct tally *t)
{
	size_t i, begin, end;

	for (i = 0; i < TALLY_FIFTHS; i++) {
		begin = t->received * i / TALLY_FIFTHS;
		end = t->received * (i + 1) / TALLY_FIFTHS;
		qsort(t->late + begin, end - begin, sizeof(*t->late), compare);
		t->fifths_ms[i] = percentile(t->late + begin, end - begin, .99);
	}
	qsort(t->late, t->received, sizeof(*t->late), compare);
	qsort(t->slowest + 1, t->messages, sizeof(*t->slowest), compare);
}

double
tally_percentile(const struct tally *t, double share)
{
	return percentile(t->late, t->received, share);
}

double
tally_percentile_of_all(const struct tally *t, double share)
{
	return percentile(t->slowest + 1, t->messages, share);
}
