-- SPDX-License-Identifier: MIT
-- Of the ?2 oldest messages after id ?1: count, first, last id.
SELECT count(*), min(id), max(id) FROM (SELECT id FROM changes
    WHERE id > ?1 ORDER BY id LIMIT ?2);
