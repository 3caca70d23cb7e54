-- SPDX-License-Identifier: MIT
-- The number of watermarks, but no more than ?1.
SELECT count(*) FROM (SELECT 1 FROM watermarks LIMIT ?1);
