-- SPDX-License-Identifier: MIT
-- Channel ?1 is about to lose all up to id ?2: raises its watermark at once to
-- where the last step of that will leave it, so that clients are told once.
-- What has run out at time ?3 is missed by nobody; of that, the newest ?4 are
-- passed over.
INSERT INTO watermarks (channel, pruned_id)
SELECT channel, id FROM (SELECT channel, id, expires_ms FROM changes
    WHERE channel = ?1 AND id <= ?2 ORDER BY id DESC LIMIT ?4)
WHERE expires_ms IS NULL OR expires_ms > ?3
ORDER BY id DESC LIMIT 1
ON CONFLICT (channel) DO UPDATE SET pruned_id = excluded.pruned_id
    WHERE pruned_id < excluded.pruned_id;
