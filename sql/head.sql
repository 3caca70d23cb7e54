-- SPDX-License-Identifier: MIT
-- What this database is and how far it goes.
SELECT
    (SELECT value FROM meta WHERE name = 'epoch'),
    (SELECT value FROM meta WHERE name = 'file_id'),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0);
