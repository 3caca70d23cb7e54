/* SPDX-License-Identifier: MIT */
/* The cursor: one form on every transport, EPOCH-ID, opaque to clients. */
#include "config.h"

#include <string.h>

#include "shared/table/cursor.h"

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

/* Whether a byte may stand in an entity tag (RFC 9110, section 8.8.3). */
static bool
is_etagc(char c)
{
	return c == '!' || ((unsigned char)c >= '#' && c != 0x7f);
}

/* What one tag, without its quotes, says. */
static bool
read_tag(const char *text, size_t len, struct cursor *cursor)
{
	char tag[80];

	if (len >= sizeof(tag))
		return false;
	memcpy(tag, text, len);
	tag[len] = '\0';
	drop_suffix(tag, "-gzip");
	drop_suffix(tag, "-br");
	return cursor_parse(tag, cursor);
}

/*
 * Takes one tag off the front of *text.  One without quotes is taken if it is a
 * cursor: some clients send what stands in the body.
 */
static enum cursor_tags
next_tag(const char **text, struct cursor *cursor)
{
	const char *p = *text;
	size_t len = 0;
	bool quoted, ours;

	if (strncmp(p, "W/", 2) == 0)
		p += 2;
	quoted = *p == '"';
	p += quoted;
	while (quoted ? is_etagc(p[len]) : strchr(", \t\"", p[len]) == NULL)
		len++;
	if (quoted && p[len] != '"')
		return CURSOR_TAGS_BAD;
	ours = read_tag(p, len, cursor);
	*text = p + len + quoted;
	if (ours)
		return CURSOR_TAGS_OURS;
	return quoted ? CURSOR_TAGS_FOREIGN : CURSOR_TAGS_BAD;
}

static bool
is_here(const struct cursor *cursor, const char *epoch)
{
	return cursor->kind == CURSOR_AT &&
	       (cursor->epoch[0] == '\0' || strcmp(cursor->epoch, epoch) == 0);
}

/* Whether `a` is to be preferred to `b`, which came before. */
static bool
is_better(const struct cursor *a, const struct cursor *b, const char *epoch)
{
	return is_here(a, epoch) && (!is_here(b, epoch) || a->id > b->id);
}

enum cursor_tags
cursor_parse_tags(const char *text, const char *epoch, struct cursor *cursor)
{
	enum cursor_tags found = CURSOR_TAGS_BAD;
	struct cursor one;

	text += strspn(text, " \t");
	if (text[0] == '*' && text[1 + strspn(text + 1, " \t")] == '\0') {
		cursor_parse("latest", cursor);
		return CURSOR_TAGS_OURS;
	}
	for (text += strspn(text, ", \t"); *text != '\0';) {
		enum cursor_tags tag = next_tag(&text, &one);

		text += strspn(text, " \t");
		if (tag == CURSOR_TAGS_BAD || (*text != ',' && *text != '\0'))
			return CURSOR_TAGS_BAD;
		if (tag == CURSOR_TAGS_OURS &&
		    (found != CURSOR_TAGS_OURS ||
			is_better(&one, cursor, epoch)))
			*cursor = one;
		if (found != CURSOR_TAGS_OURS)
			found = tag;
		text += strspn(text, ", \t");
	}
	return found;
}
