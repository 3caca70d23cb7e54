-- SPDX-License-Identifier: MIT
-- Raises the floor to the highest watermark but the ?1 newest ones, so that
-- watermarks do not grow for ever.
UPDATE meta SET value = max(value, coalesce((SELECT pruned_id FROM watermarks
    ORDER BY pruned_id DESC LIMIT 1 OFFSET ?1), 0)) WHERE name = 'floor';
