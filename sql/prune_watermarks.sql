-- SPDX-License-Identifier: MIT
-- Removes ?1 of the watermarks that say no more than the floor.
DELETE FROM watermarks WHERE channel IN (SELECT channel FROM watermarks
    WHERE pruned_id <= (SELECT value FROM meta WHERE name = 'floor') LIMIT ?1);
