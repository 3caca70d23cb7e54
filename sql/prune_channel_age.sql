-- SPDX-License-Identifier: MIT
-- The newest id, among the ?3 oldest of channel ?1, published before time ?2.
SELECT max(id) FROM (SELECT id, created_ms FROM changes
    WHERE channel = ?1 ORDER BY id LIMIT ?3) WHERE created_ms < ?2;
