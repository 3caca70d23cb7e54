-- SPDX-License-Identifier: MIT
-- What was pruned behind id ?1: the channels, '' for all of them.
SELECT channel, pruned_id FROM watermarks WHERE pruned_id > ?1
UNION ALL
SELECT '', value FROM meta WHERE name = 'floor' AND value > ?1;
