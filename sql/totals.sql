-- SPDX-License-Identifier: MIT
-- Messages, channels, oldest id.
SELECT (SELECT count(*) FROM changes),
    (SELECT count(*) FROM (SELECT DISTINCT channel FROM changes)),
    coalesce((SELECT min(id) FROM changes), 0);
