-- SPDX-License-Identifier: MIT
-- The message that was published with dedup ?2 in channel ?1; 1 if it says the
-- same as event ?3, data ?4, content type ?5.
SELECT id, event IS ?3 AND CAST(data AS BLOB) IS CAST(?4 AS BLOB)
    AND content_type IS ?5
FROM changes WHERE channel = ?1 AND dedup = ?2;
