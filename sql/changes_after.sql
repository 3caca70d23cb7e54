-- SPDX-License-Identifier: MIT
-- Rows of every channel after id ?1, in order.
SELECT id, channel, event, content_type, created_ms, expires_ms, data
FROM changes WHERE id > ?1 ORDER BY id;
