-- SPDX-License-Identifier: MIT
-- Removes ?3 messages of channel ?1 up to id ?2, oldest first.
DELETE FROM changes WHERE id IN (SELECT id FROM changes
    WHERE channel = ?1 AND id <= ?2 ORDER BY id LIMIT ?3);
