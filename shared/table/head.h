/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_HEAD_H
#define SHARED_TABLE_HEAD_H

#include <stdint.h>

#include "shared/table/connection.h"

/*
 * Reads epoch (into db->epoch) and newest id ever given out.  Statement-wise
 * a read of its own unless a transaction is open.
 */
enum db_status head_read(struct db *db, int64_t *newest);

/*
 * Gives the database a new epoch, unless another process did so already
 * (its epoch is not `old` any more).
 */
enum db_status head_renew_epoch(struct db *db, const char *old);

/*
 * A file that is not the one that its epoch was made for gets a new epoch, and
 * so does one whose -wal was lost: ids that only were in there are given out
 * again.
 */
enum db_status head_check(struct db *db);

#endif
