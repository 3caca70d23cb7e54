/* SPDX-License-Identifier: MIT */
#ifndef SHARED_PUBLISH_PUBLISH_H
#define SHARED_PUBLISH_PUBLISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/str.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"

struct config;

/*
 * Messages to be published, in the making.  Texts that the caller can't lend
 * for as long as the job lives are kept in `keep`.
 */
struct publish {
	struct job job;  /* what the writer gets */
	json_t *root;    /* lends texts, or NULL */
	char **keep;     /* texts of ours */
	size_t nkeep;    /* rows of `keep` */
	char error[300]; /* why a message is refused */
	int status;      /* HTTP status of the refusal */
};

/*
 * Adds a message.  Everything is checked as the schema will: returns 0, or -1
 * with `error` and `status` set.  Texts are borrowed.
 */
int publish_add(struct publish *p, const struct config *config,
    const struct message *message);

/*
 * Reads one message object: channel or topic, data, event or type,
 * content_type, dedup, ttl (seconds), expires_ms.  `channel` is the default, or
 * NULL.  The texts are lent by `object`.  Data that is no string is stored as
 * JSON text.
 */
int publish_add_json(struct publish *p, const struct config *config,
    json_t *object, const char *channel);

/*
 * Parses JSON text; duplicate members are refused, and so is what would take
 * very much more memory than its text (200,000 values).  Returns NULL
 * with a phrase in `error`.
 */
json_t *publish_parse(const char *text, size_t len, char *error, size_t size);

/* Keeps a copy of a text as long as the job lives. */
const char *publish_keep(struct publish *p, const char *text, size_t len);

void publish_free(struct publish *p);

/*
 * Whether data of this media type is text (RFC 2046: text/…, JSON, XML,
 * JavaScript) or bytes.
 */
bool publish_type_is_text(const char *content_type);

/* The status that a job's end is answered with, 201 for DB_OK. */
int publish_status(const struct job *job);

/* Appends {"id":"…","channel":"…"}. */
void publish_add_result(struct str *out, const struct job *job, size_t i);

#endif
