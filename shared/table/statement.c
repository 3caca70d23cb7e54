/* SPDX-License-Identifier: MIT */
/*
 * Every statement, one file of sql/ each, built in as text.  C composes no SQL.
 */
#include "config.h"

#include "shared/table/db.h"

static const char *const statements[DB__MAX] = {
	[DB_ANY_EXPIRED] =
#include "sql/any_expired.inc"
	    ,
	[DB_APPLICATION_ID] =
#include "sql/application_id.inc"
	    ,
	[DB_BEGIN] =
#include "sql/begin.inc"
	    ,
	[DB_BEGIN_IMMEDIATE] =
#include "sql/begin_immediate.inc"
	    ,
	[DB_CHANGES_AFTER] =
#include "sql/changes_after.inc"
	    ,
	[DB_CHANGES_BEFORE] =
#include "sql/changes_before.inc"
	    ,
	[DB_CHANGES_CHANNEL_AFTER] =
#include "sql/changes_channel_after.inc"
	    ,
	[DB_CHANGE_DEDUP] =
#include "sql/change_dedup.inc"
	    ,
	[DB_CHANGE_DELETE] =
#include "sql/change_delete.inc"
	    ,
	[DB_CHANGE_EXPIRY] =
#include "sql/change_expiry.inc"
	    ,
	[DB_CHANGE_GET] =
#include "sql/change_get.inc"
	    ,
	[DB_CHANGE_INSERT] =
#include "sql/change_insert.inc"
	    ,
	[DB_CHANGE_INSERT_ROWS] =
#include "sql/change_insert_rows.inc"
	    ,
	[DB_CHANNEL_COUNT] =
#include "sql/channel_count.inc"
	    ,
	[DB_CHANNEL_EXPIRIES_AFTER] =
#include "sql/channel_expiries_after.inc"
	    ,
	[DB_CHANNEL_IDS] =
#include "sql/channel_ids.inc"
	    ,
	[DB_CHANNEL_NEWEST] =
#include "sql/channel_newest.inc"
	    ,
	[DB_CHANNEL_NEXT_ID] =
#include "sql/channel_next_id.inc"
	    ,
	[DB_CHANNEL_PREVIOUS_ID] =
#include "sql/channel_previous_id.inc"
	    ,
	[DB_CHANNEL_TIMES] =
#include "sql/channel_times.inc"
	    ,
	[DB_CHANNEL_WATERMARK] =
#include "sql/channel_watermark.inc"
	    ,
	[DB_CHECKPOINT] =
#include "sql/checkpoint.inc"
	    ,
	[DB_COMMIT] =
#include "sql/commit.inc"
	    ,
	[DB_COUNT_AFTER] =
#include "sql/count_after.inc"
	    ,
	[DB_DATA_VERSION] =
#include "sql/data_version.inc"
	    ,
	[DB_EPOCH_RENEW] =
#include "sql/epoch_renew.inc"
	    ,
	[DB_EXPIRED_IDS] =
#include "sql/expired_ids.inc"
	    ,
	[DB_FLOOR_RAISE] =
#include "sql/floor_raise.inc"
	    ,
	[DB_HEAD] =
#include "sql/head.inc"
	    ,
	[DB_INCREMENTAL_VACUUM] =
#include "sql/incremental_vacuum.inc"
	    ,
	[DB_MAX_DATA_SET] =
#include "sql/max_data_set.inc"
	    ,
	[DB_PREFIX_WATERMARK] =
#include "sql/prefix_watermark.inc"
	    ,
	[DB_PRUNE_BYTES] =
#include "sql/prune_bytes.inc"
	    ,
	[DB_PRUNE_CHANNEL_COUNT] =
#include "sql/prune_channel_count.inc"
	    ,
	[DB_PRUNE_NEXT_CHANNEL] =
#include "sql/prune_next_channel.inc"
	    ,
	[DB_PRUNE_SWEEP] =
#include "sql/prune_sweep.inc"
	    ,
	[DB_PRUNE_WATERMARKS] =
#include "sql/prune_watermarks.inc"
	    ,
	[DB_RELEASE] =
#include "sql/release.inc"
	    ,
	[DB_ROLLBACK] =
#include "sql/rollback.inc"
	    ,
	[DB_ROLLBACK_TO] =
#include "sql/rollback_to.inc"
	    ,
	[DB_SAVEPOINT] =
#include "sql/savepoint.inc"
	    ,
	[DB_SCHEMA_VERSION] =
#include "sql/schema_version.inc"
	    ,
	[DB_SIZE] =
#include "sql/size.inc"
	    ,
	[DB_USER_VERSION] =
#include "sql/user_version.inc"
	    ,
	[DB_WATERMARKS_ABOVE] =
#include "sql/watermarks_above.inc"
	    ,
	[DB_WATERMARKS_AFTER] =
#include "sql/watermarks_after.inc"
	    ,
	[DB_WATERMARK_COUNT] =
#include "sql/watermark_count.inc"
	    ,
	[DB_WATERMARK_RAISE] =
#include "sql/watermark_raise.inc"
	    ,
};

const char *
db_statement_text(enum db_statement which)
{
	return statements[which];
}
