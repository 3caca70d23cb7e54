# SPDX-License-Identifier: MIT
SQL = \
	%D%/any_expired.sql \
	%D%/application_id.sql \
	%D%/begin.sql \
	%D%/begin_immediate.sql \
	%D%/change_dedup.sql \
	%D%/change_delete.sql \
	%D%/change_expiry.sql \
	%D%/change_get.sql \
	%D%/change_insert.sql \
	%D%/change_insert_rows.sql \
	%D%/changes_after.sql \
	%D%/changes_before.sql \
	%D%/changes_channel_after.sql \
	%D%/channel_count.sql \
	%D%/channel_expiries_after.sql \
	%D%/channel_ids.sql \
	%D%/channel_newest.sql \
	%D%/channel_next_id.sql \
	%D%/channel_previous_id.sql \
	%D%/channel_times.sql \
	%D%/channel_watermark.sql \
	%D%/checkpoint.sql \
	%D%/commit.sql \
	%D%/connect.sql \
	%D%/count_after.sql \
	%D%/create.sql \
	%D%/data_version.sql \
	%D%/durability_none.sql \
	%D%/durability_power.sql \
	%D%/durability_process.sql \
	%D%/epoch_renew.sql \
	%D%/expired_ids.sql \
	%D%/finish_migration.sql \
	%D%/floor_raise.sql \
	%D%/head.sql \
	%D%/incremental_vacuum.sql \
	%D%/max_data_set.sql \
	%D%/prefix_watermark.sql \
	%D%/prune_bytes.sql \
	%D%/prune_channel_count.sql \
	%D%/prune_next_channel.sql \
	%D%/prune_sweep.sql \
	%D%/prune_watermarks.sql \
	%D%/query_only.sql \
	%D%/query_write.sql \
	%D%/release.sql \
	%D%/rollback.sql \
	%D%/rollback_to.sql \
	%D%/rows.sql \
	%D%/savepoint.sql \
	%D%/schema.sql \
	%D%/schema_version.sql \
	%D%/size.sql \
	%D%/user_version.sql \
	%D%/watermark_count.sql \
	%D%/watermark_raise.sql \
	%D%/watermarks_above.sql \
	%D%/watermarks_after.sql
EXTRA_DIST += $(SQL)
BUILT_SOURCES += $(SQL:.sql=.inc)
CLEANFILES += $(SQL:.sql=.inc)
EXTRA_DIST += \
	%D%/examples/attach.sql \
	%D%/examples/trigger.sql
dist_man_MANS += \
	%D%/tidings-sql.7
