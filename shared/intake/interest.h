/* SPDX-License-Identifier: MIT */
#ifndef SHARED_INTAKE_INTEREST_H
#define SHARED_INTAKE_INTEREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/table/cursor.h"
#include "shared/table/want.h"

struct req;

/* What a client asks to hear, and from where on. */
struct interest {
	struct wants wants;   /* the names are the request's */
	struct cursor cursor; /* CURSOR_LATEST if none was given */
	bool conditional;     /* there is an If-None-Match */
	bool is_given;        /* some cursor was */
	bool newest_only;     /* of what is there it gets the last alone */
};

/*
 * Reads channel, topic, channels, prefix and the cursor from a request whose
 * arguments are parsed.  Returns 0, or -1 after it answered with 400.  With
 * `may_be_empty` no channel at all is fine.
 */
int interest_read(struct req *req, struct interest *interest,
    bool may_be_empty);
void interest_free(struct interest *interest);

#endif
