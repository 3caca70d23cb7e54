-- SPDX-License-Identifier: MIT
-- The first id of channel ?1 after id ?2.
SELECT id FROM changes WHERE channel = ?1 AND id > ?2 ORDER BY id LIMIT 1;
