/* SPDX-License-Identifier: MIT */
/* What was pruned before a reader came there. */
#include "config.h"

#include "shared/table/change.h"
#include "shared/table/loss.h"

enum db_status
loss_look(struct db *db, const char *name, size_t len, bool is_prefix,
    int64_t pos, int64_t *told, bool *lost)
{
	enum db_status status;
	int64_t pruned = 0;

	status = change_watermark(db, name, len, is_prefix, &pruned);
	if (status != DB_OK)
		return status;
	if (*told != LOSS_UNKNOWN && pruned > pos && pruned > *told)
		*lost = true;
	if (pruned > *told)
		*told = pruned;
	return DB_OK;
}
