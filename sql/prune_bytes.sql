-- SPDX-License-Identifier: MIT
-- Each message after id ?1, in order, and the bytes that it takes in the file,
-- about: whole pages of 4096 bytes with as many rows as fit, and its place in
-- the index.
SELECT id, iif(size < 4061, 4096 / (4061 / size), size + 200) + name
FROM (SELECT id, length(channel) + 14 AS name,
          length(CAST(data AS BLOB)) + length(channel) + 24 AS size
      FROM changes WHERE id > ?1 ORDER BY id);
