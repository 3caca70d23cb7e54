-- SPDX-License-Identifier: MIT
-- Watermarks behind channel ?1, in order of name.
SELECT channel, pruned_id FROM watermarks WHERE channel > ?1 ORDER BY channel;
