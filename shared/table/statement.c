/* SPDX-License-Identifier: MIT */
/*
 * Every statement, one file of sql/ each, built in as text.  C composes no SQL.
 */
#include "config.h"

#include "shared/table/statement.h"

static const char *const statements[STATEMENT__MAX] = {
	[STATEMENT_ANY_EXPIRED] =
#include "sql/any_expired.inc"
	    ,
	[STATEMENT_APPLICATION_ID] =
#include "sql/application_id.inc"
	    ,
	[STATEMENT_BEGIN] =
#include "sql/begin.inc"
	    ,
	[STATEMENT_BEGIN_IMMEDIATE] =
#include "sql/begin_immediate.inc"
	    ,
	[STATEMENT_CHANGES_AFTER] =
#include "sql/changes_after.inc"
	    ,
	[STATEMENT_CHANGES_BEFORE] =
#include "sql/changes_before.inc"
	    ,
	[STATEMENT_CHANGES_CHANNEL_AFTER] =
#include "sql/changes_channel_after.inc"
	    ,
	[STATEMENT_CHANGE_DEDUP] =
#include "sql/change_dedup.inc"
	    ,
	[STATEMENT_CHANGE_DELETE] =
#include "sql/change_delete.inc"
	    ,
	[STATEMENT_CHANGE_EXPIRY] =
#include "sql/change_expiry.inc"
	    ,
	[STATEMENT_CHANGE_GET] =
#include "sql/change_get.inc"
	    ,
	[STATEMENT_CHANGE_INSERT] =
#include "sql/change_insert.inc"
	    ,
	[STATEMENT_CHANGE_INSERT_ROWS] =
#include "sql/change_insert_rows.inc"
	    ,
	[STATEMENT_CHANNEL_COUNT] =
#include "sql/channel_count.inc"
	    ,
	[STATEMENT_CHANNEL_EXPIRIES_AFTER] =
#include "sql/channel_expiries_after.inc"
	    ,
	[STATEMENT_CHANNEL_IDS] =
#include "sql/channel_ids.inc"
	    ,
	[STATEMENT_CHANNEL_NEWEST] =
#include "sql/channel_newest.inc"
	    ,
	[STATEMENT_CHANNEL_NEXT_ID] =
#include "sql/channel_next_id.inc"
	    ,
	[STATEMENT_CHANNEL_PREVIOUS_ID] =
#include "sql/channel_previous_id.inc"
	    ,
	[STATEMENT_CHANNEL_TIMES] =
#include "sql/channel_times.inc"
	    ,
	[STATEMENT_CHANNEL_WATERMARK] =
#include "sql/channel_watermark.inc"
	    ,
	[STATEMENT_CHECKPOINT] =
#include "sql/checkpoint.inc"
	    ,
	[STATEMENT_COMMIT] =
#include "sql/commit.inc"
	    ,
	[STATEMENT_COUNT_AFTER] =
#include "sql/count_after.inc"
	    ,
	[STATEMENT_DATA_VERSION] =
#include "sql/data_version.inc"
	    ,
	[STATEMENT_EPOCH_RENEW] =
#include "sql/epoch_renew.inc"
	    ,
	[STATEMENT_EXPIRED_IDS] =
#include "sql/expired_ids.inc"
	    ,
	[STATEMENT_FLOOR_RAISE] =
#include "sql/floor_raise.inc"
	    ,
	[STATEMENT_HEAD] =
#include "sql/head.inc"
	    ,
	[STATEMENT_INCREMENTAL_VACUUM] =
#include "sql/incremental_vacuum.inc"
	    ,
	[STATEMENT_MAX_DATA_SET] =
#include "sql/max_data_set.inc"
	    ,
	[STATEMENT_PREFIX_WATERMARK] =
#include "sql/prefix_watermark.inc"
	    ,
	[STATEMENT_PRUNE_BYTES] =
#include "sql/prune_bytes.inc"
	    ,
	[STATEMENT_PRUNE_CHANNEL_COUNT] =
#include "sql/prune_channel_count.inc"
	    ,
	[STATEMENT_PRUNE_NEXT_CHANNEL] =
#include "sql/prune_next_channel.inc"
	    ,
	[STATEMENT_PRUNE_SWEEP] =
#include "sql/prune_sweep.inc"
	    ,
	[STATEMENT_PRUNE_WATERMARKS] =
#include "sql/prune_watermarks.inc"
	    ,
	[STATEMENT_RELEASE] =
#include "sql/release.inc"
	    ,
	[STATEMENT_ROLLBACK] =
#include "sql/rollback.inc"
	    ,
	[STATEMENT_ROLLBACK_TO] =
#include "sql/rollback_to.inc"
	    ,
	[STATEMENT_SAVEPOINT] =
#include "sql/savepoint.inc"
	    ,
	[STATEMENT_SCHEMA_VERSION] =
#include "sql/schema_version.inc"
	    ,
	[STATEMENT_SIZE] =
#include "sql/size.inc"
	    ,
	[STATEMENT_USER_VERSION] =
#include "sql/user_version.inc"
	    ,
	[STATEMENT_WATERMARKS_ABOVE] =
#include "sql/watermarks_above.inc"
	    ,
	[STATEMENT_WATERMARKS_AFTER] =
#include "sql/watermarks_after.inc"
	    ,
	[STATEMENT_WATERMARK_COUNT] =
#include "sql/watermark_count.inc"
	    ,
	[STATEMENT_WATERMARK_RAISE] =
#include "sql/watermark_raise.inc"
	    ,
};

const char *
statement_text(enum statement which)
{
	return statements[which];
}
