-- SPDX-License-Identifier: MIT
-- The newest id of channel ?1, NULL if it is empty.
SELECT max(id) FROM changes WHERE channel = ?1;
