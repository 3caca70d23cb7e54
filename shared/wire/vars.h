/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_VARS_H
#define SHARED_WIRE_VARS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/str.h"

/* A CGI variable (RFC 3875, section 4.1). */
struct var {
	const char *name;  /* borrowed from the arena */
	const char *value; /* borrowed from the arena */
};

/* Those of one request.  `= {0}` has none. */
struct vars {
	struct str arena; /* their text */
	struct var *var;  /* rows, sorted by nothing */
	size_t n;         /* used rows */
};

/*
 * Fills the variables from FastCGI's name-value pairs.  Returns -1 if the bytes
 * are not well-formed or hold a NUL.
 */
int vars_set_pairs(struct vars *vars, const void *bytes, size_t len);

/*
 * Fills the variables from "NAME\0VALUE\0" each.  Returns -1 if the bytes are
 * none, are not in pairs, or a name is empty.
 */
int vars_set_text(struct vars *vars, const char *text, size_t len);

/* Adds one variable; both texts are copied. */
void vars_add(struct vars *vars, const char *name, const char *value);

/* Call once after the last vars_add. */
void vars_done(struct vars *vars);

/* Fills empty ones with a copy of those that are named, if they are set. */
void vars_keep(struct vars *vars, const struct vars *from,
    const char *const *names, size_t n);

void vars_free(struct vars *vars);

/* The value, or "" if it is not set. */
const char *vars_get(const struct vars *vars, const char *name);

/* Whether it is set, be it to "". */
bool vars_has(const struct vars *vars, const char *name);

#endif
