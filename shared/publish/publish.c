/* SPDX-License-Identifier: MIT */
/*
 * Messages on their way in, from HTTP and from a WebSocket: checked at the edge
 * with a sentence for each refusal, before the database says no.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/publish/publish.h"
#include "shared/table/change.h"

#define VALUES_MAX 200000    /* in one text */
#define TTL_MAX_S  315360000 /* ten years */

static int refuse(struct publish *p, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
refuse(struct publish *p, int status, const char *fmt, ...)
{
	va_list ap;

	p->status = status;
	va_start(ap, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, ap);
	va_end(ap);
	return -1;
}

static bool
is_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return len >= 1 && len <= 255;
}

static int
check(struct publish *p, const struct config *config, const struct message *m)
{
	if (m->channel == NULL)
		return refuse(p, 400, "no channel: name one by channel=");
	if (!name_valid(m->channel, strlen(m->channel)))
		return refuse(p, 400,
		    "a channel name must be 1 to 255 bytes of UTF-8 without "
		    "control characters");
	if (m->event != NULL && (!name_valid(m->event, strlen(m->event)) ||
				    strncmp(m->event, "tidings.", 8) == 0))
		return refuse(p, 400,
		    "an event name must be 1 to 255 bytes of UTF-8 without "
		    "control characters and not begin with \"tidings.\"");
	if (m->content_type != NULL && !is_printable(m->content_type))
		return refuse(p, 400,
		    "a content type must be 1 to 255 printable ASCII "
		    "characters");
	if (m->dedup != NULL &&
	    (m->dedup[0] == '\0' || strlen(m->dedup) > 255 ||
		!utf8_valid(m->dedup, strlen(m->dedup))))
		return refuse(p, 400,
		    "an idempotency key must be 1 to 255 bytes of UTF-8");
	if ((int64_t)m->data_len > config->max_data)
		return refuse(p, 413,
		    "data has %zu bytes, at most %lld are "
		    "taken",
		    m->data_len, (long long)config->max_data);
	if (!m->is_blob && !utf8_valid(m->data, m->data_len))
		return refuse(p, 400, "the text in data is not UTF-8");
	return 0;
}

int
publish_add(struct publish *p, const struct config *config,
    const struct message *message)
{
	struct job *job = &p->job;

	if (check(p, config, message) == -1)
		return -1;
	if ((job->n & (job->n - 1)) == 0)
		job->messages = xreallocarray(job->messages,
		    job->n == 0 ? 1 : job->n * 2, sizeof(*job->messages));
	job->messages[job->n++] = *message;
	return 0;
}

const char *
publish_keep(struct publish *p, const char *text, size_t len)
{
	if ((p->nkeep & (p->nkeep - 1)) == 0)
		p->keep = xreallocarray(p->keep,
		    p->nkeep == 0 ? 1 : p->nkeep * 2, sizeof(*p->keep));
	p->keep[p->nkeep] = xstrndup(text, len);
	return p->keep[p->nkeep++];
}

/* Counts what begins a value, strings skipped; good enough for any text. */
static size_t
count_values(const char *text, size_t len)
{
	bool in_string = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string &&
			 (text[i] == ',' || text[i] == '[' || text[i] == '{'))
			n++;
	}
	return n;
}

json_t *
publish_parse(const char *text, size_t len, char *error, size_t size)
{
	json_error_t wrong;
	json_t *root;

	if (count_values(text, len) > VALUES_MAX) {
		snprintf(error, size, "it has more than %d values", VALUES_MAX);
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
	    &wrong);
	if (root == NULL)
		snprintf(error, size, "%s", wrong.text);
	return root;
}

/* A member that must be text; its length must be told by strlen. */
static int
read_text(struct publish *p, const char *name, json_t *value, const char **text)
{
	if (json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return refuse(p, 400, "%s must be a string", name);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return refuse(p, 400, "%s holds a NUL", name);
	*text = json_string_value(value);
	return 0;
}

static int
read_data(struct publish *p, json_t *value, struct message *m)
{
	char *text;

	if (json_is_string(value)) {
		m->data = json_string_value(value);
		m->data_len = json_string_length(value);
		return 0;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		return refuse(p, 400, "data can't be written as JSON");
	m->data = publish_keep(p, text, strlen(text));
	m->data_len = strlen(text);
	if (m->content_type == NULL)
		m->content_type = "application/json";
	free(text);
	return 0;
}

static int
read_expiry(struct publish *p, const char *name, json_t *value,
    int64_t *expires_ms)
{
	double number = json_number_value(value);

	if (json_is_null(value))
		return 0;
	if (!json_is_number(value) || number < 0 || number > 1e15)
		return refuse(p, 400, "%s must be a number", name);
	if (strcmp(name, "ttl") == 0 && number > TTL_MAX_S)
		return refuse(p, 400, "ttl is longer than ten years");
	*expires_ms = strcmp(name, "ttl") == 0
			  ? clock_wall_ms() + (int64_t)(number * 1000)
			  : (int64_t)number;
	return 0;
}

static int
read_member(struct publish *p, const char *name, json_t *value,
    struct message *m)
{
	if (strcmp(name, "channel") == 0 || strcmp(name, "topic") == 0)
		return read_text(p, name, value, &m->channel);
	if (strcmp(name, "event") == 0 || strcmp(name, "type") == 0)
		return read_text(p, name, value, &m->event);
	if (strcmp(name, "content_type") == 0)
		return read_text(p, name, value, &m->content_type);
	if (strcmp(name, "dedup") == 0 || strcmp(name, "idempotency_key") == 0)
		return read_text(p, name, value, &m->dedup);
	if (strcmp(name, "data") == 0)
		return read_data(p, value, m);
	if (strcmp(name, "ttl") == 0 || strcmp(name, "expires_ms") == 0)
		return read_expiry(p, name, value, &m->expires_ms);
	return refuse(p, 400, "a message has no member \"%.60s\"", name);
}

int
publish_add_json(struct publish *p, const struct config *config, json_t *object,
    const char *channel)
{
	struct message m = { .channel = channel };
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return refuse(p, 400, "a message must be a JSON object");
	json_object_foreach(object, name,
	    value) if (read_member(p, name, value, &m) == -1) return -1;
	if (m.data == NULL)
		return refuse(p, 400, "a message needs data");
	return publish_add(p, config, &m);
}

void
publish_free(struct publish *p)
{
	for (size_t i = 0; i < p->nkeep; i++)
		free(p->keep[i]);
	free(p->keep);
	free(p->job.messages);
	free(p->job.outcomes);
	json_decref(p->root);
	*p = (struct publish){ 0 };
}

static bool
ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && strncasecmp(text + len - n, end, n) == 0;
}

bool
publish_type_is_text(const char *content_type)
{
	size_t len = strcspn(content_type, "; \t");

	return strncasecmp(content_type, "text/", 5) == 0 ||
	       ends_with(content_type, len, "/json") ||
	       ends_with(content_type, len, "+json") ||
	       ends_with(content_type, len, "/xml") ||
	       ends_with(content_type, len, "+xml") ||
	       ends_with(content_type, len, "/javascript") ||
	       ends_with(content_type, len, "/x-www-form-urlencoded");
}

int
publish_status(const struct job *job)
{
	switch (job->status) {
	case DB_OK:
		return 201;
	case DB_REFUSED:
		return job->outcomes[job->failed].again ? 409 : 400;
	case DB_BUSY:
	case DB_CHANGING:
	case DB_FULL:
	case DB_MISSING:
	case DB_NOT_OURS:
	case DB_DAMAGED:
	case DB_FAILED:
		break;
	}
	return 503;
}

void
publish_add_result(struct str *out, const struct job *job, size_t i)
{
	const char *channel = job->messages[i].channel;

	str_addf(out, "{\"id\":\"%s-%lld\",\"channel\":", job->epoch,
	    (long long)job->outcomes[i].id);
	str_add_json(out, channel, strlen(channel));
	str_addz(out, "}");
}
