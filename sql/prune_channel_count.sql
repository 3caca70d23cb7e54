-- SPDX-License-Identifier: MIT
-- The newest id of channel ?1 that ?2 newer messages have pushed out.
SELECT id FROM changes WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2;
