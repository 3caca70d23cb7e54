/* SPDX-License-Identifier: MIT */
/*
 * The configuration: an INI file read with inih.  Every setting stands in one
 * table with its kind, default and bounds; what is not in the table is refused
 * with its line, because a misspelt limit is no limit.
 */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"

enum kind { KIND_TEXT, KIND_TIME, KIND_SIZE, KIND_WORDS, KIND_CHOICE };

struct setting {
	const char *section;  /* of the file */
	const char *name;     /* of the setting */
	enum kind kind;       /* how it is written */
	size_t offset;        /* of the member in struct config */
	const char *fallback; /* default, as in the file; NULL = none */
	int64_t min, max;     /* bounds of a time (ms) or size */
	const char *yes, *no; /* KIND_CHOICE: words for true and false */
};

#define NAME_MAX_LEN 48 /* bytes; inih keeps 49 of a section */
#define AT(member)   offsetof(struct config, member)
#define DAY_MS       86400000

static const struct setting settings[] = {
	{ "tidings", "database", KIND_TEXT, AT(database),
	    "/var/lib/tidings/tidings.db", 0, 0, NULL, NULL },
	{ "tidings", "run_dir", KIND_TEXT, AT(run_dir), "/run/tidings", 0, 0,
	    NULL, NULL },
	{ "tidings", "user", KIND_TEXT, AT(user), NULL, 0, 0, NULL, NULL },
	{ "tidings", "handover_user", KIND_TEXT, AT(handover_user), NULL, 0, 0,
	    NULL, NULL },
	{ "tidings", "durability", KIND_CHOICE, AT(power), "process", 0, 0,
	    "power", "process" },
	{ "tidings", "busy_timeout", KIND_TIME, AT(busy_timeout_ms), "5s", 0,
	    60000, NULL, NULL },
	{ "tidings", "max_data", KIND_SIZE, AT(max_data), "1M", 1, 16 << 20,
	    NULL, NULL },
	{ "tidings", "max_body", KIND_SIZE, AT(max_body), "8M", 1024, 64 << 20,
	    NULL, NULL },
	{ "tidings", "max_incoming", KIND_SIZE, AT(max_incoming), "64M", 65536,
	    INT64_C(1) << 40, NULL, NULL },
	{ "tidings", "max_clients", KIND_SIZE, AT(max_clients), "20000", 1,
	    1000000, NULL, NULL },
	{ "tidings", "max_channels", KIND_SIZE, AT(max_channels), "100", 1,
	    100000, NULL, NULL },
	{ "tidings", "queue_bytes", KIND_SIZE, AT(queue_bytes), "4M", 1024,
	    1 << 30, NULL, NULL },
	{ "tidings", "stall", KIND_TIME, AT(stall_ms), "30s", 100, DAY_MS, NULL,
	    NULL },
	{ "tidings", "heartbeat", KIND_TIME, AT(heartbeat_ms), "15s", 50,
	    DAY_MS, NULL, NULL },
	{ "tidings", "life_min", KIND_TIME, AT(life_min_ms), "5m", 100, DAY_MS,
	    NULL, NULL },
	{ "tidings", "life_max", KIND_TIME, AT(life_max_ms), "10m", 100, DAY_MS,
	    NULL, NULL },
	{ "tidings", "retry", KIND_TIME, AT(retry_ms), "2s", 10, DAY_MS, NULL,
	    NULL },
	{ "tidings", "check", KIND_TIME, AT(check_ms), "1s", 10, 60000, NULL,
	    NULL },
	{ "tidings", "max_messages", KIND_SIZE, AT(max_messages), "1000", 1,
	    100000, NULL, NULL },
	{ "tidings", "io_uring", KIND_CHOICE, AT(io_uring), "yes", 0, 0, "yes",
	    "no" },
	{ "tidings", "log_level", KIND_CHOICE, AT(debug), "info", 0, 0, "debug",
	    "info" },
	{ "longpoll", "wait", KIND_TIME, AT(wait_ms), "25s", 0, DAY_MS, NULL,
	    NULL },
	{ "longpoll", "wait_max", KIND_TIME, AT(wait_max_ms), "50s", 0, DAY_MS,
	    NULL, NULL },
	{ "access", "origins", KIND_WORDS, AT(origins), NULL, 0, 0, NULL,
	    NULL },
	{ "access", "publish_key", KIND_WORDS, AT(keys), NULL, 0, 0, NULL,
	    NULL },
	{ "access", "publish_from_loopback", KIND_CHOICE,
	    AT(publish_from_loopback), "no", 0, 0, "yes", "no" },
	{ "access", "publish_from_users", KIND_CHOICE, AT(publish_from_users),
	    "no", 0, 0, "yes", "no" },
	{ "access", "trusted_proxies", KIND_WORDS, AT(trusted_proxies),
	    "127.0.0.1 ::1 unix", 0, 0, NULL, NULL },
	{ "wsd", "listen", KIND_TEXT, AT(ws_listen), "127.0.0.1:9999", 0, 0,
	    NULL, NULL },
	{ "wsd", "echo", KIND_CHOICE, AT(ws_echo), "no", 0, 0, "yes", "no" },
	{ "wsd", "max_message", KIND_SIZE, AT(ws_max_message), "16M", 125,
	    256 << 20, NULL, NULL },
	{ "wsd", "max_incoming", KIND_SIZE, AT(ws_max_incoming), "64M", 1024,
	    INT64_C(1) << 40, NULL, NULL },
	{ "wsd", "max_channels", KIND_SIZE, AT(ws_max_channels), "10000", 1,
	    1000000, NULL, NULL },
	{ "wsd", "handshake_timeout", KIND_TIME, AT(ws_handshake_ms), "10s",
	    100, DAY_MS, NULL, NULL },
	{ "wsd", "message_timeout", KIND_TIME, AT(ws_message_ms), "2m", 100,
	    DAY_MS, NULL, NULL },
	{ "wsd", "close_timeout", KIND_TIME, AT(ws_closing_ms), "3s", 100,
	    DAY_MS, NULL, NULL },
	{ "wsd", "drain", KIND_TIME, AT(ws_drain_ms), "2s", 0, 3600000, NULL,
	    NULL },
	{ "wsd", "deflate", KIND_CHOICE, AT(ws_deflate), "yes", 0, 0, "yes",
	    "no" },
	{ "wsd", "deflate_min", KIND_SIZE, AT(ws_deflate_min), "64", 0,
	    16 << 20, NULL, NULL },
	{ "wsd", "deflate_level", KIND_SIZE, AT(ws_deflate_level), "6", 1, 9,
	    NULL, NULL },
	{ "retention", "total", KIND_SIZE, AT(retention_total_bytes), "256M", 0,
	    INT64_C(1) << 40, NULL, NULL },
	{ "retention", "every", KIND_TIME, AT(prune_ms), "10s", 10, DAY_MS,
	    NULL, NULL },
};
#define NSETTINGS (sizeof(settings) / sizeof(settings[0]))

/* What the callback of inih carries. */
struct reading {
	struct config *config; /* being filled */
	bool seen[NSETTINGS];  /* settings that the file has */
	FILE *file;            /* being read */
	int line;              /* of the file, from 1 */
	int error_line;        /* of the first complaint, 0 = none */
	char error[200];       /* its sentence */
};

/* A number and its unit.  Units are pairs of name and factor. */
struct unit {
	const char *name; /* what stands behind the digits */
	int64_t factor;   /* to the base unit */
};

static bool
parse_units(const char *text, const struct unit *units, int64_t *value)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 13)
		return false;
	for (; units->name != NULL; units++)
		if (strcmp(text + digits, units->name) == 0) {
			*value = strtoll(text, NULL, 10);
			if (*value > INT64_MAX / units->factor)
				return false;
			*value *= units->factor;
			return true;
		}
	return false;
}

bool
config_parse_time(const char *text, int64_t *ms)
{
	static const struct unit units[] = { { "", 1000 }, { "ms", 1 },
		{ "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", DAY_MS }, { NULL, 0 } };

	return parse_units(text, units, ms);
}

bool
config_parse_size(const char *text, int64_t *bytes)
{
	static const struct unit units[] = { { "", 1 }, { "K", 1 << 10 },
		{ "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 } };

	return parse_units(text, units, bytes);
}

static void
words_add(struct words *words, const char *text)
{
	static const char gaps[] = " \t,";

	for (text += strspn(text, gaps); *text != '\0';
	     text += strspn(text, gaps)) {
		size_t len = strcspn(text, gaps);

		words->word = xreallocarray(words->word, words->n + 1,
		    sizeof(*words->word));
		words->word[words->n++] = xstrndup(text, len);
		text += len;
	}
}

static void
words_free(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct words){ 0 };
}

static bool
set_number(const struct setting *s, int64_t *to, const char *value, char *error,
    size_t size)
{
	bool ok = s->kind == KIND_TIME ? config_parse_time(value, to)
				       : config_parse_size(value, to);

	if (!ok) {
		snprintf(error, size, "%s: \"%.40s\" is not %s", s->name, value,
		    s->kind == KIND_TIME ? "a time such as 15s or 250ms"
					 : "a number such as 100, 64K or 1M");
		return false;
	}
	if (*to < s->min || *to > s->max) {
		snprintf(error, size,
		    "%s: %s is out of bounds (%lld to %lld%s)", s->name, value,
		    (long long)s->min, (long long)s->max,
		    s->kind == KIND_TIME ? " ms" : "");
		return false;
	}
	return true;
}

static bool
set_choice(const struct setting *s, bool *to, const char *value, char *error,
    size_t size)
{
	if (strcmp(value, s->yes) != 0 && strcmp(value, s->no) != 0) {
		snprintf(error, size, "%s: \"%.40s\" is neither %s nor %s",
		    s->name, value, s->yes, s->no);
		return false;
	}
	*to = strcmp(value, s->yes) == 0;
	return true;
}

static bool
apply(struct config *config, const struct setting *s, const char *value,
    char *error, size_t size)
{
	char *base = (char *)config + s->offset;

	switch (s->kind) {
	case KIND_TEXT:
		if (value[0] == '\0') {
			snprintf(error, size, "%s: is empty", s->name);
			return false;
		}
		free(*(char **)(void *)base);
		*(char **)(void *)base = xstrndup(value, strlen(value));
		return true;
	case KIND_WORDS:
		words_add((struct words *)(void *)base, value);
		return true;
	case KIND_TIME:
	case KIND_SIZE:
		return set_number(s, (int64_t *)(void *)base, value, error,
		    size);
	case KIND_CHOICE:
		break;
	}
	return set_choice(s, (bool *)(void *)base, value, error, size);
}

/* The row for a pattern, made if need be; NULL is the row for all channels. */
static struct retention *
retention_row(struct config *config, const char *pattern)
{
	struct retention *rows = config->retention;
	size_t last = config->nretention - 1;

	if (pattern == NULL)
		return &rows[last];
	for (size_t i = 0; i < last; i++)
		if (strcmp(rows[i].pattern, pattern) == 0)
			return &rows[i];
	rows = xreallocarray(rows, last + 2, sizeof(*rows));
	config->retention = rows;
	config->nretention++;
	rows[last + 1] = rows[last];
	rows[last].pattern = xstrndup(pattern, strlen(pattern));
	rows[last].age_ms = rows[last].count = -1; /* see inherit_retention */
	return &rows[last];
}

static bool
apply_retention(struct config *config, const char *pattern, const char *name,
    const char *value, char *error, size_t size)
{
	static const struct setting age = { "retention", "age", KIND_TIME, 0,
		NULL, 0, INT64_C(3650) * DAY_MS, NULL, NULL };
	static const struct setting count = { "retention", "count", KIND_SIZE,
		0, NULL, 0, INT64_C(1) << 40, NULL, NULL };
	struct retention *row = retention_row(config, pattern);

	if (strcmp(name, "age") == 0)
		return set_number(&age, &row->age_ms, value, error, size);
	return set_number(&count, &row->count, value, error, size);
}

/* A list in the file takes the place of the default, line by line. */
static void
forget_default(struct reading *reading, size_t i)
{
	char *base = (char *)reading->config + settings[i].offset;

	if (settings[i].kind == KIND_WORDS && !reading->seen[i])
		words_free((struct words *)(void *)base);
	reading->seen[i] = true;
}

static bool
find_and_apply(struct reading *reading, const char *section, const char *name,
    const char *value, char *error, size_t size)
{
	struct config *config = reading->config;
	const char *pattern = NULL;

	if (strncmp(section, "retention ", 10) == 0) {
		pattern = section + 10;
		section = "retention";
	}
	if (strcmp(section, "retention") == 0 &&
	    (strcmp(name, "age") == 0 || strcmp(name, "count") == 0))
		return apply_retention(config, pattern, name, value, error,
		    size);
	for (size_t i = 0; i < NSETTINGS && pattern == NULL; i++)
		if (strcmp(settings[i].section, section) == 0 &&
		    strcmp(settings[i].name, name) == 0) {
			forget_default(reading, i);
			return apply(config, &settings[i], value, error, size);
		}
	snprintf(error, size, "there is no setting \"%.60s\" in [%.60s]", name,
	    section);
	return false;
}

static void
complain(struct reading *reading, const char *text)
{
	if (reading->error_line != 0)
		return;
	reading->error_line = reading->line;
	snprintf(reading->error, sizeof(reading->error), "%s", text);
}

static int
on_setting(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;
	char error[200];

	if (!find_and_apply(reading, section, name, value, error,
		sizeof(error)))
		complain(reading, error);
	return 1;
}

static void
set_defaults(struct config *config)
{
	char error[200];

	*config = (struct config){ 0 };
	config->retention = xcalloc(1, sizeof(*config->retention));
	config->nretention = 1;
	config->retention[0].age_ms = 3600000;
	config->retention[0].count = 1000;
	for (size_t i = 0; i < NSETTINGS; i++)
		if (settings[i].fallback != NULL)
			apply(config, &settings[i], settings[i].fallback, error,
			    sizeof(error));
}

/* What a pattern does not say is as for all channels. */
static void
inherit_retention(struct config *config)
{
	const struct retention *all =
	    &config->retention[config->nretention - 1];

	for (size_t i = 0; i + 1 < config->nretention; i++) {
		struct retention *row = &config->retention[i];

		row->age_ms = row->age_ms == -1 ? all->age_ms : row->age_ms;
		row->count = row->count == -1 ? all->count : row->count;
	}
}

/* inih would cut a long name, and one with a "]" inside. */
static void
check_section(struct reading *reading, const char *line)
{
	size_t len = strcspn(line, "]");
	const char *rest = line + len + (line[len] == ']');

	if (len - 1 > NAME_MAX_LEN)
		complain(reading, "the name of a section has at most 48 bytes");
	rest += strspn(rest, " \t\r\n");
	if (*rest != '\0' && *rest != ';' && *rest != '#')
		complain(reading, "a section ends with its first \"]\"");
}

/*
 * Hands inih one line, as fgets does.  Blanks in front are taken off, because
 * inih reads an indented line as more of the value before; a line that does not
 * fit is refused, because inih would take its rest for another line.
 */
static char *
next_line(char *line, int size, void *stream)
{
	struct reading *reading = stream;
	int len = 0, c;

	reading->line++;
	while ((c = getc(reading->file)) == ' ' || c == '\t')
		;
	for (; c != EOF && c != '\n'; c = getc(reading->file)) {
		if (len == size - 2) {
			complain(reading, "longer than 198 bytes");
			break;
		}
		line[len++] = (char)c;
	}
	if (c == EOF && len == 0)
		return NULL;
	while (c != EOF && c != '\n')
		c = getc(reading->file);
	line[len++] = '\n';
	line[len] = '\0';
	if (line[0] == '[')
		check_section(reading, line);
	return line;
}

static int
check_together(const struct config *config, char *error, size_t size)
{
	if (config->life_min_ms > config->life_max_ms) {
		snprintf(error, size, "life_min is longer than life_max");
		return -1;
	}
	if (config->wait_ms > config->wait_max_ms) {
		snprintf(error, size, "wait is longer than wait_max");
		return -1;
	}
	if (strncmp(config->ws_listen, "unix:", 5) != 0 &&
	    strrchr(config->ws_listen, ':') == NULL) {
		snprintf(error, size,
		    "listen: \"%.60s\" is neither ADDRESS:PORT nor unix:PATH",
		    config->ws_listen);
		return -1;
	}
	if (config->max_body < config->max_data) {
		snprintf(error, size, "max_body is smaller than max_data");
		return -1;
	}
	return 0;
}

int
config_load(struct config *config, const char *path, char *error, size_t size)
{
	struct reading reading = { .config = config };
	FILE *file;
	int line;

	set_defaults(config);
	if (path == NULL)
		return 0;
	file = fopen(path, "re");
	if (file == NULL) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		config_free(config);
		return -1;
	}
	reading.file = file;
	line = ini_parse_stream(next_line, &reading, on_setting, &reading);
	fclose(file);
	inherit_retention(config);
	if (line != 0 &&
	    (reading.error_line == 0 || line < reading.error_line)) {
		reading.error_line = line;
		snprintf(reading.error, sizeof(reading.error),
		    "not \"name = value\"");
	}
	if (reading.error_line != 0) {
		snprintf(error, size, "%s, line %d: %s", path,
		    reading.error_line, reading.error);
		config_free(config);
		return -1;
	}
	if (check_together(config, reading.error, sizeof(reading.error))) {
		snprintf(error, size, "%s: %s", path, reading.error);
		config_free(config);
		return -1;
	}
	return 0;
}

void
config_keep_fixed(struct config *config, const struct config *before)
{
	const struct {
		const char *name;
		char **now, *then;
	} fixed[] = { { "database", &config->database, before->database },
		{ "run_dir", &config->run_dir, before->run_dir },
		{ "user", &config->user, before->user },
		{ "listen", &config->ws_listen, before->ws_listen } };

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		const char *then = fixed[i].then;

		if (then != NULL && *fixed[i].now != NULL &&
		    strcmp(*fixed[i].now, then) == 0)
			continue;
		if (then != NULL || *fixed[i].now != NULL)
			log_warnx("%s: another value counts at the next start",
			    fixed[i].name);
		free(*fixed[i].now);
		*fixed[i].now =
		    then == NULL ? NULL : xstrndup(then, strlen(then));
	}
}

void
config_free(struct config *config)
{
	free(config->database);
	free(config->run_dir);
	free(config->user);
	free(config->handover_user);
	free(config->ws_listen);
	words_free(&config->origins);
	words_free(&config->keys);
	words_free(&config->trusted_proxies);
	for (size_t i = 0; i < config->nretention; i++)
		free(config->retention[i].pattern);
	free(config->retention);
	*config = (struct config){ 0 };
}

const struct retention *
config_retention(const struct config *config, const char *channel)
{
	size_t last = config->nretention - 1;

	for (size_t i = 0; i < last; i++)
		if (fnmatch(config->retention[i].pattern, channel, 0) == 0)
			return &config->retention[i];
	return &config->retention[last];
}
