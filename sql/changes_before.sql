-- SPDX-License-Identifier: MIT
-- Ids and channels before id ?1, newest first.
SELECT id, channel FROM changes NOT INDEXED WHERE id < ?1 ORDER BY id DESC;
