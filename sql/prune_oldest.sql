-- SPDX-License-Identifier: MIT
-- Removes the ?1 oldest messages.
DELETE FROM changes WHERE id IN (SELECT id FROM changes ORDER BY id LIMIT ?1);
