-- SPDX-License-Identifier: MIT
-- What must be said before the first table is made.
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
