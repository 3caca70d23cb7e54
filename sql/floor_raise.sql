-- SPDX-License-Identifier: MIT
-- Raises the floor to ?1.
UPDATE meta SET value = ?1 WHERE name = 'floor' AND value < ?1;
