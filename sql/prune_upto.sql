-- SPDX-License-Identifier: MIT
-- Of the ?1 oldest messages: up to which id they have to go until ?2 bytes are
-- gone, and how many bytes those take, counted as in prune_bytes.sql.
SELECT max(id), coalesce(sum(bytes), 0)
FROM (SELECT id, bytes, sum(bytes) OVER (ORDER BY id) - bytes AS older
      FROM (SELECT id,
                iif(size < 4061, 4096 / (4061 / size), size + 200) + name
                    AS bytes
            FROM (SELECT id, length(channel) + 14 AS name,
                      length(CAST(data AS BLOB)) + length(channel) + 24 AS size
                  FROM changes ORDER BY id LIMIT ?1)))
WHERE older < ?2;
