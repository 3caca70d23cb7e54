-- SPDX-License-Identifier: MIT
-- Id and time of the messages of channel ?1 after id ?2, in order.
SELECT id, created_ms FROM changes WHERE channel = ?1 AND id > ?2 ORDER BY id;
