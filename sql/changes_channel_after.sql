-- SPDX-License-Identifier: MIT
-- Rows of channel ?1 after id ?2, in order.
SELECT id, channel, event, content_type, created_ms, expires_ms, data
FROM changes WHERE channel = ?1 AND id > ?2 ORDER BY id;
