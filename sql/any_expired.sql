-- SPDX-License-Identifier: MIT
-- Whether any message ran out before time ?1.
SELECT EXISTS (SELECT 1 FROM changes WHERE expires_ms <= ?1);
