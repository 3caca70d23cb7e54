-- SPDX-License-Identifier: MIT
-- Bytes that all messages take in the file, about: whole pages of 4096 bytes
-- with as many rows as fit, and their place in the index.
SELECT coalesce(sum(iif(size < 4061, 4096 / (4061 / size), size + 200) + name), 0)
FROM (SELECT length(channel) + 14 AS name,
          length(CAST(data AS BLOB)) + length(channel) + 24 AS size
      FROM changes);
