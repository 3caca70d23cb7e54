-- SPDX-License-Identifier: MIT
-- Removes the row with id ?1.
DELETE FROM changes WHERE id = ?1;
