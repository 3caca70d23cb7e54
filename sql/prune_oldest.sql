-- SPDX-License-Identifier: MIT
-- Removes the messages up to id ?1.
DELETE FROM changes WHERE id <= ?1;
