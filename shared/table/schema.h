/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_SCHEMA_H
#define SHARED_TABLE_SCHEMA_H

#include <sys/types.h>

#include <stdbool.h>

#include "shared/table/connection.h"

/*
 * Makes the database if there is none, and brings an older one up to the
 * present version, step by step, each in a transaction of its own.
 * `mode_bits` are the permissions of a new file.  Sets *made.  The connection
 * is closed, whatever came of it.
 */
enum db_status schema_create(struct db *db, const char *path, mode_t mode_bits,
    bool *made);

/* The same with other steps than the built-in ones, for tests. */
enum db_status schema_migrate(struct db *db, const char *const *steps,
    int nsteps);

/* The version of the schema that this build writes. */
int schema_version(void);

#endif
