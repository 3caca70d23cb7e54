-- SPDX-License-Identifier: MIT
-- Up to which id rows of channels that begin with ?1 may be gone.
SELECT max(
    (SELECT value FROM meta WHERE name = 'floor'),
    coalesce((SELECT max(pruned_id) FROM watermarks
        WHERE channel >= ?1 AND channel < ?1 || x'FF'), 0));
