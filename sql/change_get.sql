-- SPDX-License-Identifier: MIT
-- The row with id ?1.
SELECT id, channel, event, content_type, created_ms, expires_ms, data
FROM changes WHERE id = ?1;
