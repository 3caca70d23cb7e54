-- SPDX-License-Identifier: MIT
-- ?2 ids of messages that ran out at time ?1 or before.
SELECT id FROM changes WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2;
