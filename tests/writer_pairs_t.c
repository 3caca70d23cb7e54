/* SPDX-License-Identifier: MIT */
/*
 * Several kinds of work that wait for the writer together, each with each and
 * in every order, while nothing or something else happens: each gets its right
 * answer, and the right rows are stored.  Issue 5, F20: publishes queued behind
 * a DELETE were answered with success and stored nowhere, and no test noticed.
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/publish/writer.h"
#include "shared/table/db.h"
#include "tests/tap/foreign.h"
#include "tests/tap/table.h"
#include "tests/tap/tap.h"

#define JOBS    3     /* that wait together */
#define EACH    3     /* messages of a batch */
#define PARTS   6     /* processes */
#define WAIT_MS 20000 /* for what comes at once when all is well */

/* What is asked of the writer, always of channel a. */
enum kind {
	SINGLE,   /* one message */
	BATCH,    /* three */
	REFUSED,  /* three, the second of which is refused by the schema */
	KEYED,    /* one with a dedup, the same each time */
	CONFLICT, /* another one with that dedup */
	EMPTY,    /* removes what there is */
	KIND__MAX
};

/* What happens meanwhile. */
enum event {
	NOTHING,
	RELOAD,   /* the settings change */
	PRUNE,    /* much is to be pruned at the same time */
	STOP,     /* the writer ends */
	BUSY,     /* somebody else holds the lock for too long */
	FULL,     /* nothing can be written */
	REPLACED, /* the file becomes another one */
	EVENT__MAX
};

static const char letters[] = "sbrkce";
static const char *const event_names[] = { "nothing happens",
	"the settings change", "much is pruned", "the writer stops",
	"the database is locked", "the disk is full",
	"the database is replaced" };

static struct config config;
static struct sqlite3 *other;
/* What `other` was before a part began: neither lost nor to be closed. */
static struct sqlite3 *volatile parents;
static int finished;
static int part; /* of the combinations, 0 = all */

struct work {
	enum kind kind;
	struct job job;
	struct message messages[EACH];
	struct outcome outcomes[EACH];
	char data[EACH][24];
	bool done;
};

static void
no_line(const char *line)
{
	(void)line;
}

/* A file of this process, see combine_in_parts. */
static const char *
own(const char *name)
{
	char text[40];

	snprintf(text, sizeof(text), "%d-%s", part, name);
	return scratch(text);
}

static void
load(struct config *to, const char *text)
{
	const char *path = own("pairs.conf");
	FILE *file = fopen(path, "w");
	char error[300];

	if (file == NULL ||
	    fprintf(file, "[tidings]\ndatabase = %s\n%s", own("pairs.db"),
		text) < 0 ||
	    fclose(file) == EOF)
		bail("%s: %s", path, strerror(errno));
	if (config_load(to, path, error, sizeof(error)) == -1)
		bail("%s", error);
}

static void
on_done(struct job *job)
{
	struct work *work = job->arg;

	if (work->done)
		bail("a job is called back twice");
	work->done = true;
	finished++;
}

static void
prepare(struct work *work, enum kind kind, int number,
    struct publisher *publisher)
{
	bool several = kind == BATCH || kind == REFUSED;

	*work = (struct work){ .kind = kind };
	work->job = (struct job){ .messages = work->messages,
		.outcomes = work->outcomes,
		.publisher = publisher,
		.n = kind == EMPTY ? 0
		     : several     ? EACH
				   : 1,
		.channel = "a",
		.done = on_done,
		.arg = work };
	for (int i = 0; i < EACH; i++) {
		struct message *m = &work->messages[i];

		snprintf(work->data[i], sizeof(work->data[i]), "%d.%d", number,
		    i);
		if (kind == KEYED || kind == CONFLICT)
			snprintf(work->data[i], sizeof(work->data[i]), "%s",
			    kind == KEYED ? "keyed" : "other");
		*m = (struct message){ .channel = "a",
			.data = work->data[i],
			.data_len = strlen(work->data[i]) };
		if (kind == REFUSED && i == 1)
			m->channel = "not a\nchannel";
		if (kind == KEYED || kind == CONFLICT)
			m->dedup = "key";
	}
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until so many jobs are done. */
static bool
wait_for(int jobs)
{
	int64_t end = clock_mono_ms() + (int64_t)(WAIT_MS * patience());
	ev_timer tick;

	ev_timer_init(&tick, on_tick, 0.001, 0.001);
	ev_timer_start(EV_DEFAULT_UC_ & tick);
	while (finished < jobs && clock_mono_ms() < end)
		ev_run(EV_DEFAULT_UC_ 0);
	ev_timer_stop(EV_DEFAULT_UC_ & tick);
	return finished >= jobs;
}

static int64_t
rows_of(const char *data)
{
	return foreign_int(other,
	    "SELECT count(*) FROM changes WHERE channel = 'a' AND data = %Q",
	    data);
}

/* Nothing but `n` messages, the first of which has the dedup. */
static void
fill(struct sqlite3 *handle, int n)
{
	foreign_run(handle, "DELETE FROM changes; DELETE FROM watermarks");
	if (n > 0)
		foreign_run(handle,
		    "INSERT INTO changes (channel, data, dedup) VALUES ('a', "
		    "'keyed', 'key'); WITH RECURSIVE i(n) AS (SELECT 1 UNION "
		    "ALL SELECT n + 1 FROM i WHERE n < %d) INSERT INTO changes "
		    "(channel, data) SELECT 'a', 'before' FROM i WHERE n > 1",
		    n);
}

/* A new database. */
static void
make(const char *path, int n)
{
	struct db db = { 0 };

	table_make(&db, path);
	fill(db.handle, n);
	db_close(&db);
}

/* What one after the other would have come to. */
struct model {
	bool key;      /* the dedup is known */
	bool other;    /* for the other message */
	int64_t older; /* messages that were there before */
};

static enum db_status
expect(struct model *model, struct work *work, size_t n)
{
	switch (work->kind) {
	case REFUSED:
		return DB_REFUSED;
	case KEYED:
	case CONFLICT:
		if (model->key)
			return model->other == (work->kind == CONFLICT)
				   ? DB_OK
				   : DB_REFUSED;
		model->key = true;
		model->other = work->kind == CONFLICT;
		return DB_OK;
	case EMPTY:
		/* All before it are gone, and nobody's dedup is known. */
		*model = (struct model){ .key = false };
		for (struct work *before = work - n; before < work; before++)
			before->job.cost = 0;
		return DB_OK;
	case SINGLE:
	case BATCH:
	case KIND__MAX:
		break;
	}
	return DB_OK;
}

/* All succeed as if they had been alone.  Returns what is wrong, or NULL. */
static const char *
check_exactly(struct work *works, size_t n, int older)
{
	struct model model = { .key = older > 0, .older = older };
	enum db_status want[JOBS];
	int64_t rows = 0;

	for (size_t i = 0; i < n; i++)
		works[i].job.cost = 1; /* its messages are there */
	for (size_t i = 0; i < n; i++) {
		want[i] = expect(&model, &works[i], i);
		if (works[i].job.status != want[i])
			return "a status";
	}
	for (size_t i = 0; i < n; i++) {
		struct job *job = &works[i].job;
		bool there = job->cost == 1 && want[i] == DB_OK;

		if (works[i].kind != SINGLE && works[i].kind != BATCH)
			continue;
		for (size_t m = 0; m < job->n; m++) {
			if (rows_of(works[i].data[m]) != there)
				return "a message";
			rows += there;
		}
	}
	if (rows_of("keyed") != (model.key && !model.other) ||
	    rows_of("other") != (model.key && model.other))
		return "the message with a key";
	rows += model.key;
	if (model.older > 0)
		rows += model.older - 1;
	return foreign_int(other,
		   "SELECT count(*) FROM changes WHERE channel = 'a'") == rows
		   ? NULL
		   : "the number of messages";
}

/* Whatever they come to, what they are told is true. */
static const char *
check_truth(struct work *works, size_t n)
{
	size_t emptied = 0;

	for (size_t i = 0; i < n; i++)
		if (works[i].kind == EMPTY && works[i].job.status == DB_OK)
			emptied = i + 1;
	if (emptied > 0 && rows_of("before") > 0)
		return "what was emptied";
	for (size_t i = 0; i < n; i++) {
		struct job *job = &works[i].job;
		bool stored = job->status == DB_OK, late = i >= emptied;

		if (works[i].kind == REFUSED && stored)
			return "a status";
		if (works[i].kind != SINGLE && works[i].kind != BATCH)
			continue;
		for (size_t m = 0; m < job->n; m++)
			if (rows_of(works[i].data[m]) != (stored && late) &&
			    (late || !stored || rows_of(works[i].data[m]) > 1))
				return stored ? "a message that is not there"
					      : "one that is";
	}
	return NULL;
}

/* Ids of one publisher grow. */
static const char *
check_order(const struct work *works, size_t n)
{
	int64_t last = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t m = 0;
		     works[i].job.status == DB_OK && m < works[i].job.n; m++) {
			if (works[i].outcomes[m].again)
				continue;
			if (works[i].outcomes[m].id <= last)
				return "the order of ids";
			last = works[i].outcomes[m].id;
		}
	return NULL;
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_FSIZE, &limit) == -1)
		bail("setrlimit: %s", strerror(errno));
}

/* Begins the event; it goes on until end_event. */
static void
begin_event(enum event event, struct writer *writer)
{
	struct config before = config;

	switch (event) {
	case RELOAD:
		load(&config, "busy_timeout = 3s\n");
		config_keep_fixed(&config, &before);
		writer_reload(writer, &config, &before);
		return;
	case BUSY:
		foreign_run(other, "BEGIN IMMEDIATE");
		return;
	case FULL:
		limit_files(4096);
		return;
	case REPLACED:
		make(own("new.db"), 700);
		foreign_close(other);
		if (rename(own("new.db"), config.database) == -1)
			bail("rename: %s", strerror(errno));
		other = foreign_open(config.database);
		return;
	case NOTHING:
	case PRUNE:
	case STOP:
	case EVENT__MAX:
		return;
	}
}

static void
end_event(enum event event)
{
	if (event == BUSY)
		foreign_run(other, "ROLLBACK");
	if (event == FULL)
		limit_files(RLIM_INFINITY);
}

/* Locked or full, nobody is told of success who wants to write. */
static const char *
check_failures(enum event event, const struct work *works, size_t n, int older)
{
	for (size_t i = 0; i < n; i++) {
		enum db_status want = event == BUSY ? DB_BUSY : DB_FULL;

		/* There is nothing to be written where nothing is there. */
		if (works[i].kind == EMPTY && older == 0)
			want = DB_OK;
		/* What is known already, or refused, is so without a write. */
		if (event == FULL && older > 0 &&
		    (works[i].kind == REFUSED || works[i].kind == KEYED ||
			works[i].kind == CONFLICT))
			continue;
		if (works[i].job.status != want)
			return want == DB_OK ? "an empty channel" : "a status";
		if (want != DB_OK && works[i].job.error[0] == '\0')
			return "a status without a sentence";
	}
	return foreign_int(other,
		   "SELECT count(*) FROM changes WHERE channel = 'a'") == older
		   ? NULL
		   : "the number of messages";
}

static const char *
check(enum event event, struct work *works, size_t n, int older)
{
	const char *wrong = NULL;

	switch (event) {
	case NOTHING:
	case RELOAD:
	case PRUNE:
	case STOP:
		wrong = check_exactly(works, n, older);
		break;
	case BUSY:
		return check_failures(event, works, n, older);
	case FULL:
		/* A part of a large channel may fit. */
		return older > 500 ? check_truth(works, n)
				   : check_failures(event, works, n, older);
	case REPLACED:
		wrong = check_truth(works, n);
		break;
	case EVENT__MAX:
		break;
	}
	return wrong == NULL ? check_order(works, n) : wrong;
}

static const char *
settings(enum event event)
{
	return event == BUSY ? "busy_timeout = 10ms\n[retention]\nevery = 1h\n"
	       : event == PRUNE
		   ? "[retention]\nevery = 10ms\ncount = 0\ntotal = 0\n"
		   : "[retention]\nevery = 1h\ncount = 0\n";
}

/* A message of another channel; tries until it succeeds. */
static bool
publish_one(struct writer *writer, struct publisher *publisher,
    const char *channel)
{
	int64_t end = clock_mono_ms() + (int64_t)(WAIT_MS * patience());
	struct work work;

	do {
		prepare(&work, SINGLE, 9, publisher);
		work.messages[0].channel = channel;
		finished = 0;
		if (!writer_submit(writer, &work.job) || !wait_for(1))
			return false;
	} while (work.job.status != DB_OK && clock_mono_ms() < end);
	return work.job.status == DB_OK &&
	       foreign_int(other,
		   "SELECT count(*) FROM changes WHERE channel = %Q AND id = "
		   "%lld",
		   channel, (long long)work.outcomes[0].id) == 1;
}

/* One combination, with so many messages in the channel. */
static const char *
combine(const enum kind *kinds, size_t n, enum event event, int older)
{
	bool early = event == BUSY || event == FULL || event == REPLACED;
	struct work works[JOBS];
	struct publisher publisher = { { 0 } };
	struct writer *writer;
	const char *wrong;

	/* As long as one is open, closing the others costs no sync. */
	if (other == NULL) {
		make(config.database, 0);
		other = foreign_open(config.database);
	}
	fill(other, older);
	config_free(&config);
	load(&config, settings(event));
	if (event == PRUNE)
		foreign_run(other,
		    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
		    "FROM i WHERE n < 1200) INSERT INTO changes (channel, "
		    "expires_ms) SELECT 'old', 1 FROM i");
	writer = writer_start(&config, NULL, true);
	/* With these it is at work already. */
	if (early && !publish_one(writer, &publisher, "warm"))
		return "the first message";
	if (early)
		begin_event(event, writer);
	finished = 0;
	for (size_t i = 0; i < n; i++) {
		prepare(&works[i], kinds[i], (int)i, &publisher);
		if (!writer_submit(writer, &works[i].job))
			bail("a job is not taken");
	}
	if (!early)
		begin_event(event, writer);
	if (event == STOP)
		writer_stop(writer);
	wrong = wait_for((int)n) ? NULL : "a job that is never done";
	end_event(event);
	if (wrong == NULL)
		wrong = check(event, works, n, older);
	/* Whatever happened, it goes on. */
	if (event != STOP) {
		if (wrong == NULL && !publish_one(writer, &publisher, "end"))
			wrong = "the message after it";
		writer_stop(writer);
	}
	if (wrong == NULL &&
	    (publisher.waiting[0] != 0 || publisher.waiting[1] != 0))
		wrong = "the publisher's count";
	if (event == REPLACED) {
		foreign_close(other);
		other = NULL;
	}
	return wrong;
}

static void
write_down(const enum kind *kinds, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = letters[kinds[i]];
	out[n] = '\0';
}

static int
combinations(size_t n)
{
	int total = 1;

	for (size_t i = 0; i < n; i++)
		total *= KIND__MAX;
	return total;
}

/* Every step-th combination of `n` kinds; returns how many went wrong. */
static int
combine_each(size_t n, enum event event, int older, int first, int step)
{
	int wrong = 0;

	for (int k = first; k < combinations(n); k += step) {
		enum kind kinds[JOBS];
		const char *what;
		char text[JOBS + 1];
		int rest = k;

		for (size_t i = 0; i < n; i++) {
			kinds[i] = (enum kind)(rest % KIND__MAX);
			rest /= KIND__MAX;
		}
		what = combine(kinds, n, event, older);
		if (what == NULL)
			continue;
		write_down(kinds, n, text);
		if (wrong++ < 10)
			diag("%s: %s is wrong", text, what);
	}
	return wrong;
}

/*
 * The same by processes side by side, each with a database of its own, as
 * files that were exchanged have to rest for a while.
 */
static int
combine_in_parts(size_t n, enum event event, int older)
{
	pid_t pids[PARTS];
	int wrong = 0, status;

	fflush(stdout);
	for (int i = 0; i < PARTS; i++) {
		pids[i] = fork();
		if (pids[i] == -1)
			bail("fork: %s", strerror(errno));
		if (pids[i] != 0)
			continue;
		ev_loop_fork(EV_DEFAULT_UC);
		parents = other;
		other = NULL;
		part = i + 1;
		config_free(&config);
		load(&config, "");
		wrong = combine_each(n, event, older, i, PARTS);
		fflush(stdout);
		_exit(wrong > 100 ? 100 : wrong);
	}
	for (int i = 0; i < PARTS; i++) {
		if (waitpid(pids[i], &status, 0) == -1 || !WIFEXITED(status))
			bail("a part did not end by itself");
		wrong += WEXITSTATUS(status);
	}
	return wrong;
}

static void
test_all(size_t n, enum event event, int older)
{
	int wrong = event == REPLACED ? combine_in_parts(n, event, older)
				      : combine_each(n, event, older, 0, 1);

	is_int(wrong, 0, "%d combinations of %zu behind %d messages, while %s",
	    combinations(n), n, older, event_names[event]);
}

int
main(void)
{
	if (ev_default_loop(0) == NULL)
		bail("no event loop");
	signal(SIGXFSZ, SIG_IGN);
	log_set_sink(no_line);
	load(&config, "");
	test_all(1, NOTHING, 0);
	test_all(2, NOTHING, 0);
	test_all(2, NOTHING, 1300);
	test_all(3, NOTHING, 3);
	for (enum event event = RELOAD; event < EVENT__MAX; event++) {
		test_all(2, event, 0);
		test_all(2, event, event == BUSY || event == FULL ? 3 : 1300);
	}
	if (other != NULL)
		foreign_close(other);
	config_free(&config);
	return done();
}
