-- SPDX-License-Identifier: MIT
-- The last id of channel ?1 before id ?2.
SELECT id FROM changes WHERE channel = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1;
