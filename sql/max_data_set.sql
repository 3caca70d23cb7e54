-- SPDX-License-Identifier: MIT
-- Sets the largest data, in bytes, if it is not ?1 already.
UPDATE meta SET value = ?1 WHERE name = 'max_data' AND value <> ?1;
