-- SPDX-License-Identifier: MIT
-- The oldest ?3 ids of channel ?1 up to id ?2, in order.
SELECT id FROM changes WHERE channel = ?1 AND id <= ?2 ORDER BY id LIMIT ?3;
