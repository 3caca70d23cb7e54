-- SPDX-License-Identifier: MIT
-- Up to which id rows of channel ?1 may be gone.
SELECT max(
    (SELECT value FROM meta WHERE name = 'floor'),
    coalesce((SELECT pruned_id FROM watermarks WHERE channel = ?1), 0));
