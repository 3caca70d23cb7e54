/* SPDX-License-Identifier: MIT */
/* The cursor: one form on every transport, EPOCH-ID, opaque to clients. */
#include "config.h"

#include <string.h>

#include "shared/cursor.h"

#define ID_DIGITS_MAX 18 /* more than any id has, less than an overflow */

/* Digits to the end of the text and nothing else. */
static bool
parse_id(const char *text, int64_t *id)
{
	size_t n = strlen(text);

	if (n < 1 || n > ID_DIGITS_MAX || strspn(text, "0123456789") != n)
		return false;
	*id = 0;
	while (*text != '\0')
		*id = *id * 10 + (*text++ - '0');
	return true;
}

static bool
parse_epoch(const char *text, size_t len, struct cursor *cursor)
{
	static const char set[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	if (len < 1 || len >= sizeof(cursor->epoch) || strspn(text, set) < len)
		return false;
	memcpy(cursor->epoch, text, len);
	cursor->epoch[len] = '\0';
	return true;
}

bool
cursor_parse(const char *text, struct cursor *cursor)
{
	const char *dash;

	*cursor = (struct cursor){ .kind = CURSOR_AT };
	if (strcmp(text, "latest") == 0) {
		cursor->kind = CURSOR_LATEST;
		return true;
	}
	if (strcmp(text, "earliest") == 0) {
		cursor->kind = CURSOR_EARLIEST;
		return true;
	}
	if (text[0] == '-') {
		cursor->kind = CURSOR_LAST;
		return parse_id(text + 1, &cursor->id);
	}
	dash = strchr(text, '-');
	if (dash == NULL)
		return parse_id(text, &cursor->id);
	return parse_epoch(text, (size_t)(dash - text), cursor) &&
	       parse_id(dash + 1, &cursor->id);
}

/* Takes a suffix off that a filter of httpd put on. */
static void
drop_suffix(char *tag, const char *suffix)
{
	size_t len = strlen(tag), n = strlen(suffix);

	if (len > n && strcmp(tag + len - n, suffix) == 0)
		tag[len - n] = '\0';
}

bool
cursor_parse_etag(const char *text, struct cursor *cursor)
{
	char tag[80];
	size_t len;

	text += strspn(text, " \t");
	if (strcmp(text, "*") == 0)
		return cursor_parse("latest", cursor);
	if (strncmp(text, "W/", 2) == 0)
		text += 2;
	if (*text == '"') {
		text++;
		len = strcspn(text, "\"");
		if (text[len] != '"')
			return false;
	} else {
		len = strcspn(text, ", \t");
	}
	if (len >= sizeof(tag))
		return false;
	memcpy(tag, text, len);
	tag[len] = '\0';
	drop_suffix(tag, "-gzip");
	drop_suffix(tag, "-br");
	return cursor_parse(tag, cursor);
}
