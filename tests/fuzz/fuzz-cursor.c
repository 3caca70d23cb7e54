/* SPDX-License-Identifier: MIT */
/* Cursors and entity tags: what is taken can be written and taken again. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/table/cursor.h"
#include "tests/fuzz/fuzz.h"

static void
check(const struct cursor *cursor)
{
	struct cursor again;
	char text[80];

	MUST(cursor->id >= 0);
	MUST(memchr(cursor->epoch, '\0', sizeof(cursor->epoch)) != NULL);
	if (cursor->kind == CURSOR_AT)
		snprintf(text, sizeof(text), "%s%s%lld", cursor->epoch,
		    cursor->epoch[0] == '\0' ? "" : "-", (long long)cursor->id);
	else if (cursor->kind == CURSOR_LAST)
		snprintf(text, sizeof(text), "-%lld", (long long)cursor->id);
	else
		snprintf(text, sizeof(text), "%s",
		    cursor->kind == CURSOR_LATEST ? "latest" : "earliest");
	MUST(cursor_parse(text, &again));
	MUST(again.kind == cursor->kind && again.id == cursor->id);
	MUST(strcmp(again.epoch, cursor->epoch) == 0);
}

int
fuzz_cursor(const uint8_t *data, size_t len)
{
	char *text = xstrndup((const char *)data, len);
	struct cursor cursor;

	if (cursor_parse(text, &cursor))
		check(&cursor);
	if (cursor_parse_tags(text, "ab12", &cursor) == CURSOR_TAGS_OURS)
		check(&cursor);
	free(text);
	return 0;
}
