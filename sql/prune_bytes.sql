-- SPDX-License-Identifier: MIT
-- Bytes that the ?1 oldest messages take, about; -1: all messages.
SELECT coalesce(sum(length(CAST(data AS BLOB)) + 2 * length(channel) + 60), 0)
FROM (SELECT channel, data FROM changes ORDER BY id LIMIT ?1);
