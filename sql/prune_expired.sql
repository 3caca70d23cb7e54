-- SPDX-License-Identifier: MIT
-- Removes up to ?2 messages that ran out before time ?1.
DELETE FROM changes WHERE id IN (SELECT id FROM changes
    WHERE expires_ms <= ?1 LIMIT ?2);
