/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_FLOOR_H
#define SHARED_TABLE_FLOOR_H

#include <stdbool.h>

#include "shared/table/db.h"

/* The work of many steps; NULL before the first one and after the last. */
struct floor;

/*
 * One small step of keeping watermarks few: once there are more than 10,000,
 * the newest 5,000 stay, and the floor of all channels says of the others.
 * *again tells that there is more to do.
 */
enum db_status floor_step(struct db *db, struct floor **floor, bool *again);

/* Gives the work up.  NULL is fine. */
void floor_free(struct floor *floor);

#endif
