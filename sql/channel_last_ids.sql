-- SPDX-License-Identifier: MIT
-- The newest ?2 ids of channel ?1 up to id ?3, newest first.
SELECT id FROM changes WHERE channel = ?1 AND id <= ?3
ORDER BY id DESC LIMIT ?2;
