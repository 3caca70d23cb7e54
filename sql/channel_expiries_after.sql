-- SPDX-License-Identifier: MIT
-- The messages of channel ?1 after id ?2, in order, and when they run out.
SELECT id, expires_ms FROM changes WHERE channel = ?1 AND id > ?2 ORDER BY id;
