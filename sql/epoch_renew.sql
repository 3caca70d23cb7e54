-- SPDX-License-Identifier: MIT
-- Gives the database a new epoch if it still has the one in ?1; ?2 is the
-- identity of its file.
INSERT INTO meta (name, value)
    SELECT 'epoch', lower(hex(randomblob(6)))
        WHERE ?1 = (SELECT value FROM meta WHERE name = 'epoch')
    UNION ALL
    SELECT 'file_id', ?2
        WHERE ?1 = (SELECT value FROM meta WHERE name = 'epoch')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
