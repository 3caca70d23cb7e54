-- SPDX-License-Identifier: MIT
-- The channel behind ?1 in order of name.
SELECT min(channel) FROM changes WHERE channel > ?1;
