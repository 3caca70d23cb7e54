-- SPDX-License-Identifier: MIT
-- The newest ?2 ids, up to id ?3, of channels that begin with ?1, newest first.
SELECT id FROM changes NOT INDEXED
WHERE channel >= ?1 AND channel < ?1 || x'FF' AND id <= ?3
ORDER BY id DESC LIMIT ?2;
