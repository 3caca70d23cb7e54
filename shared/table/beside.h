/* SPDX-License-Identifier: MIT */
#ifndef SHARED_TABLE_BESIDE_H
#define SHARED_TABLE_BESIDE_H

/*
 * Opens a file of ours beside the database, such as "-bell", and makes it if
 * need be, for those who may write to the database: whoever can open a file can
 * hold a lock of it.  Returns the descriptor, or -1 with errno set.
 */
int beside_open(const char *db_path, const char *suffix);

#endif
