-- SPDX-License-Identifier: MIT
-- What every connection needs.
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = ON;
PRAGMA journal_size_limit = 4194304;
PRAGMA temp_store = MEMORY;
