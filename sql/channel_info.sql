-- SPDX-License-Identifier: MIT
-- Count, first and last id, newest time of channel ?1.
SELECT count(*), min(id), max(id) FROM changes WHERE channel = ?1;
