-- SPDX-License-Identifier: MIT
-- An application that keeps its own database file attaches the change table, so
-- that one transaction covers both.  (In WAL mode SQLite makes this atomic
-- within each file; after a loss of power the two files could differ.)
--
--     sqlite3 shop.db < attach.sql

ATTACH '/var/lib/tidings/tidings.db' AS tidings;

BEGIN IMMEDIATE;
UPDATE stock SET pieces = pieces - 1 WHERE article = 4711;
INSERT INTO tidings.changes (channel, data)
    SELECT 'stock', json_object('article', article, 'pieces', pieces)
    FROM stock WHERE article = 4711;
COMMIT;
