-- SPDX-License-Identifier: MIT
-- Messages in memory as SQLite sees them; `rows` is the parameter.
CREATE TABLE tidings_rows (channel, event, data, content_type, expires_ms,
    dedup, rows HIDDEN);
