/* SPDX-License-Identifier: MIT */
/*
 * A set of channels and prefixes.  A row of the table is matched in one pass
 * along its channel's name, however many prefixes there are.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/table/want.h"

/* The slot of a name: where it is, or where it belongs. */
static uint32_t *
find(const struct wants *wants, uint64_t hash, const char *name, size_t len,
    bool is_prefix)
{
	for (uint64_t i = hash;; i++) {
		uint32_t *slot = &wants->slots[i & (wants->nslots - 1)];
		const struct want *want = &wants->p[*slot - 1];

		if (*slot == 0 ||
		    (want->len == len && want->is_prefix == is_prefix &&
			memcmp(want->name, name, len) == 0))
			return slot;
	}
}

static void
grow(struct wants *wants)
{
	wants->cap = wants->cap == 0 ? 4 : wants->cap * 2;
	wants->p = xreallocarray(wants->p, wants->cap, sizeof(*wants->p));
	free(wants->slots);
	wants->nslots = wants->cap * 2;
	wants->slots = xcalloc(wants->nslots, sizeof(*wants->slots));
	for (size_t i = 0; i < wants->n; i++) {
		const struct want *want = &wants->p[i];

		*find(wants, name_hash(want->name, want->len, want->is_prefix),
		    want->name, want->len, want->is_prefix) = (uint32_t)i + 1;
	}
}

bool
wants_add(struct wants *wants, const char *name, size_t len, bool is_prefix)
{
	uint32_t *slot;

	if (wants->n == wants->cap)
		grow(wants);
	slot =
	    find(wants, name_hash(name, len, is_prefix), name, len, is_prefix);
	if (*slot != 0)
		return false;
	wants->p[wants->n++] =
	    (struct want){ .name = name, .len = len, .is_prefix = is_prefix };
	*slot = (uint32_t)wants->n;
	if (is_prefix) {
		wants->prefix_lens[len]++;
		wants->nprefixes++;
	}
	return true;
}

/* Whether a name begins with one of the prefixes, in its first `len` bytes. */
static bool
has_prefix(const struct wants *wants, const char *name, size_t len)
{
	uint64_t h = name_hash_begin(true);

	for (size_t i = 0; wants->nprefixes > 0 && i < len && i < 255; i++) {
		h = name_hash_add(h, name[i]);
		if (wants->prefix_lens[i + 1] > 0 &&
		    *find(wants, name_hash_end(h), name, i + 1, true) != 0)
			return true;
	}
	return false;
}

bool
wants_covered(const struct wants *wants, const struct want *want)
{
	return has_prefix(wants, want->name,
	    want->is_prefix ? want->len - 1 : want->len);
}

bool
wants_match(const struct wants *wants, const char *channel, size_t len)
{
	if (wants->n > wants->nprefixes &&
	    *find(wants, name_hash(channel, len, false), channel, len, false) !=
		0)
		return true;
	return has_prefix(wants, channel, len);
}

void
wants_free(struct wants *wants)
{
	free(wants->p);
	free(wants->slots);
	*wants = (struct wants){ 0 };
}
