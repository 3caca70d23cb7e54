/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_MESSAGE_H
#define SHARED_TABLE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a publisher asks for.  Everything is borrowed. */
struct message {
	const char *channel;      /* name_valid */
	const char *event;        /* or NULL */
	const char *content_type; /* or NULL */
	const char *dedup;        /* or NULL */
	const char *data;         /* text or bytes */
	size_t data_len;          /* bytes */
	bool is_blob;             /* data is bytes */
	int64_t expires_ms;       /* since 1970 UTC, 0 = never */
};

#endif
