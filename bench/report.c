/* SPDX-License-Identifier: MIT */
/* What a run of subscribers has shown: for people, and as a line of JSON. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/watch.h"

static const char *const form_names[FORM__MAX] = {
	[FORM_SSE] = "sse",
	[FORM_IFRAME] = "iframe",
	[FORM_POLL] = "poll",
	[FORM_LONGPOLL] = "longpoll",
	[FORM_WS] = "ws",
	[FORM_WSJSON] = "wsjson",
};

/* Figures that both reports show. */
struct figures {
	uint64_t expected; /* deliveries that should have been */
	uint64_t lost;     /* deliveries that were not */
	double seconds;    /* from the first message to the last delivery */
	double mean_ms;    /* latency */
};

static struct figures
figure_out(const struct watch *w)
{
	struct figures f = { 0 };
	uint64_t i, sum = 0;

	f.expected = (uint64_t)w->publisher.published * w->connected;
	if (f.expected > w->tally.received)
		f.lost = f.expected - w->tally.received;
	if (w->end_ns > w->begin_ns)
		f.seconds = (double)(w->end_ns - w->begin_ns) / 1e9;
	for (i = 0; i < w->tally.received; i++)
		sum += w->tally.late[i];
	if (w->tally.received > 0)
		f.mean_ms = (double)sum / (double)w->tally.received / 1e4;
	return f;
}

/* Microseconds of CPU of group i per delivery. */
static double
cpu_per_delivery(const struct watch *w, size_t i)
{
	if (w->tally.received == 0)
		return 0;
	return (double)(w->end_use[i].cpu_ns - w->held_use[i].cpu_ns) / 1e3 /
	       (double)w->tally.received;
}

/* Bytes of all layers above TCP per delivery. */
static double
bytes_per_delivery(const struct watch *w)
{
	if (w->tally.received == 0)
		return 0;
	return (double)w->bytes / (double)w->tally.received;
}

/* Clients that were connected after the warm ones. */
static size_t
late_clients(const struct watch *w)
{
	return w->connected <= w->warm ? 0 : w->connected - w->warm;
}

static double
connects_per_second(const struct watch *w)
{
	if (w->connect_ns == 0)
		return 0;
	return (double)late_clients(w) * 1e9 / (double)w->connect_ns;
}

/* Microseconds of CPU of group i per connecting client. */
static double
cpu_per_connect(const struct watch *w, size_t i)
{
	if (late_clients(w) == 0)
		return 0;
	return (double)(w->met_use[i].cpu_ns - w->warm_use[i].cpu_ns) / 1e3 /
	       (double)late_clients(w);
}

/* Share of user time in the CPU time of group i, by ticks; -1 = no ticks. */
static double
user_share(const struct watch *w, size_t i)
{
	uint64_t user = w->end_use[i].user_ms - w->held_use[i].user_ms;
	uint64_t system = w->end_use[i].system_ms - w->held_use[i].system_ms;

	return user + system == 0 ? -1 : (double)user / (double)(user + system);
}

/* Kilobytes more per client, where memory was before and after connecting. */
static double
per_client_kb(const struct watch *w, int64_t before_kb, int64_t after_kb)
{
	if (late_clients(w) == 0)
		return 0;
	return (double)(after_kb - before_kb) / (double)late_clients(w);
}

static void
print_group(const struct watch *w, size_t i, FILE *f)
{
	const struct usage *warm = &w->warm_use[i], *held = &w->held_use[i];
	double share = user_share(w, i);

	fprintf(f, "%-12s %.2f us of CPU per delivery", w->groups[i].name,
	    cpu_per_delivery(w, i));
	if (share >= 0)
		fprintf(f, " (%.0f %% user)", 100 * share);
	fprintf(f, ", %zu processes, %zu threads\n", w->groups[i].n,
	    w->end_use[i].threads);
	fprintf(f, "%-12s %.2f us of CPU per connecting client\n", "",
	    cpu_per_connect(w, i));
	fprintf(f,
	    "%-12s memory per held client: private dirty %.2f kB,"
	    " anonymous %.2f, Pss %.2f; private dirty in all %lld kB\n",
	    "", per_client_kb(w, warm->dirty_kb, held->dirty_kb),
	    per_client_kb(w, warm->anon_kb, held->anon_kb),
	    per_client_kb(w, warm->pss_kb, held->pss_kb),
	    (long long)held->dirty_kb);
}

void
watch_print(const struct watch *w, FILE *f)
{
	const struct tally *t = &w->tally;
	struct figures g = figure_out(w);
	size_t i;

	fprintf(f, "%s: %s, %zu clients connected, %zu refused, %zu out\n",
	    w->label, form_names[w->plan.form], w->connected,
	    w->clients - w->connected, w->failed);
	fprintf(f,
	    "deliveries   expected %llu, received %llu, lost %llu,"
	    " duplicated %llu, out of order %llu\n",
	    (unsigned long long)g.expected, (unsigned long long)t->received,
	    (unsigned long long)g.lost, (unsigned long long)t->duplicated,
	    (unsigned long long)t->disordered);
	fprintf(f,
	    "             damaged %llu, foreign %llu, resets %llu,"
	    " publishing failed %u\n",
	    (unsigned long long)t->damaged, (unsigned long long)t->foreign,
	    (unsigned long long)t->resets, w->publisher.failed);
	fprintf(f, "             %.2f s, %.0f deliveries/s\n", g.seconds,
	    g.seconds > 0 ? (double)t->received / g.seconds : 0);
	fprintf(f,
	    "             %.1f bytes per delivery, %llu messages came"
	    " compressed\n",
	    bytes_per_delivery(w), (unsigned long long)w->plan.packed);
	fprintf(f, "connecting   %.0f clients/s\n", connects_per_second(w));
	fprintf(f,
	    "latency      p50 %.2f ms, p90 %.2f, p99 %.2f, max %.2f,"
	    " mean %.2f\n",
	    tally_percentile(t, 0.50), tally_percentile(t, 0.90),
	    tally_percentile(t, 0.99), tally_percentile(t, 1.0), g.mean_ms);
	fprintf(f, "to all       p50 %.2f ms, p99 %.2f\n",
	    tally_percentile_of_all(t, 0.50), tally_percentile_of_all(t, 0.99));
	fprintf(f, "p99 by time  ");
	for (i = 0; i < TALLY_FIFTHS; i++)
		fprintf(f, "%s%.2f", i > 0 ? ", " : "", t->fifths_ms[i]);
	fprintf(f, " ms; published in %.2f s\n",
	    (double)w->publisher.took_ns / 1e9);
	for (i = 0; i < w->ngroups; i++)
		print_group(w, i, f);
	fprintf(f, "%-12s %.2f us of CPU per delivery (this program)\n", "load",
	    t->received > 0 ? (double)w->own_cpu_ns / 1e3 / (double)t->received
			    : 0);
}

static void
print_group_json(const struct watch *w, size_t i, FILE *f)
{
	const struct usage *warm = &w->warm_use[i], *held = &w->held_use[i];

	fprintf(f,
	    "%s\"%s\":{\"cpu_us\":%.4f,\"connect_us\":%.4f,"
	    "\"user_share\":%.3f,\"processes\":%zu,\"threads\":%zu,",
	    i > 0 ? "," : "", w->groups[i].name, cpu_per_delivery(w, i),
	    cpu_per_connect(w, i), user_share(w, i), w->groups[i].n,
	    w->end_use[i].threads);
	fprintf(f,
	    "\"dirty_kb_per_client\":%.4f,\"anon_kb_per_client\":%.4f,"
	    "\"pss_kb_per_client\":%.4f,\"dirty_kb_per_client_at_end\":%.4f,"
	    "\"dirty_kb\":%lld,\"dirty_end_kb\":%lld}",
	    per_client_kb(w, warm->dirty_kb, held->dirty_kb),
	    per_client_kb(w, warm->anon_kb, held->anon_kb),
	    per_client_kb(w, warm->pss_kb, held->pss_kb),
	    per_client_kb(w, warm->dirty_kb, w->end_use[i].dirty_kb),
	    (long long)held->dirty_kb, (long long)w->end_use[i].dirty_kb);
}

void
watch_print_json(const struct watch *w, FILE *f)
{
	const struct tally *t = &w->tally;
	struct figures g = figure_out(w);
	size_t i;

	fprintf(f,
	    "{\"label\":\"%s\",\"form\":\"%s\",\"clients\":%zu,"
	    "\"connected\":%zu,\"failed\":%zu,\"messages\":%u,\"size\":%zu,",
	    w->label, form_names[w->plan.form], w->clients, w->connected,
	    w->failed, w->publisher.published, w->plan.shape.size);
	fprintf(f,
	    "\"expected\":%llu,\"received\":%llu,\"lost\":%llu,"
	    "\"duplicated\":%llu,\"disordered\":%llu,\"damaged\":%llu,"
	    "\"foreign\":%llu,\"resets\":%llu,\"publish_failed\":%u,",
	    (unsigned long long)g.expected, (unsigned long long)t->received,
	    (unsigned long long)g.lost, (unsigned long long)t->duplicated,
	    (unsigned long long)t->disordered, (unsigned long long)t->damaged,
	    (unsigned long long)t->foreign, (unsigned long long)t->resets,
	    w->publisher.failed);
	fprintf(f,
	    "\"bytes_per_delivery\":%.2f,\"packed\":%llu,"
	    "\"connects_per_second\":%.1f,",
	    bytes_per_delivery(w), (unsigned long long)w->plan.packed,
	    connects_per_second(w));
	fprintf(f,
	    "\"publish_seconds\":%.4f,\"to_all_ms\":{\"p50\":%.4f,"
	    "\"p99\":%.4f},\"fifths_ms\":[",
	    (double)w->publisher.took_ns / 1e9,
	    tally_percentile_of_all(t, 0.50), tally_percentile_of_all(t, 0.99));
	for (i = 0; i < TALLY_FIFTHS; i++)
		fprintf(f, "%s%.4f", i > 0 ? "," : "", t->fifths_ms[i]);
	fprintf(f,
	    "],\"seconds\":%.4f,\"latency_ms\":{\"p50\":%.4f,\"p90\":%.4f,"
	    "\"p99\":%.4f,\"max\":%.4f,\"mean\":%.4f},\"requests\":%llu,"
	    "\"connections_lost\":%llu,\"load_cpu_us\":%.4f,\"groups\":{",
	    g.seconds, tally_percentile(t, 0.50), tally_percentile(t, 0.90),
	    tally_percentile(t, 0.99), tally_percentile(t, 1.0), g.mean_ms,
	    (unsigned long long)w->plan.requests,
	    (unsigned long long)w->plan.lost,
	    t->received > 0 ? (double)w->own_cpu_ns / 1e3 / (double)t->received
			    : 0);
	for (i = 0; i < w->ngroups; i++)
		print_group_json(w, i, f);
	fprintf(f, "}}\n");
}
