-- SPDX-License-Identifier: MIT
-- Publishes: channel ?1, event ?2, data ?3, content type ?4, time of expiry ?5
-- or NULL, dedup ?6.
INSERT INTO changes (channel, event, data, content_type, expires_ms, dedup)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);
