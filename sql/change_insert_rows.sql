-- SPDX-License-Identifier: MIT
-- Publishes all messages of ?1 (shared/table/rows), in their order.
INSERT INTO changes (channel, event, data, content_type, expires_ms, dedup)
SELECT channel, event, data, content_type, expires_ms, dedup
FROM tidings_rows(?1);
