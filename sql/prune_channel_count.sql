-- SPDX-License-Identifier: MIT
-- The id of channel ?1 below ?2 that ?3 newer ones, below ?2 as well, stand
-- before.
SELECT id FROM changes WHERE channel = ?1 AND id < ?2
ORDER BY id DESC LIMIT 1 OFFSET ?3;
