-- SPDX-License-Identifier: MIT
-- Of the ?3 oldest messages of channel ?1 after id ?2: count, first, last id.
SELECT count(*), min(id), max(id) FROM (SELECT id FROM changes
    WHERE channel = ?1 AND id > ?2 ORDER BY id LIMIT ?3);
