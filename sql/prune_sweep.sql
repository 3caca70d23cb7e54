-- SPDX-License-Identifier: MIT
-- All messages after id ?1, in order, as retention by age looks at them.
SELECT id, channel, created_ms FROM changes WHERE id > ?1 ORDER BY id;
