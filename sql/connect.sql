-- SPDX-License-Identifier: MIT
-- What every connection needs.
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = ON;
PRAGMA journal_size_limit = 4194304;
PRAGMA temp_store = MEMORY;
-- Pages that become free are not overwritten: that would double what removing
-- costs.  Rows in pages that stay in use are.
PRAGMA secure_delete = FAST;
