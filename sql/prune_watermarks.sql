-- SPDX-License-Identifier: MIT
-- Removes the watermarks that say no more than the floor.
DELETE FROM watermarks WHERE pruned_id <=
    (SELECT value FROM meta WHERE name = 'floor');
