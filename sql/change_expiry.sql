-- SPDX-License-Identifier: MIT
-- When the message ?1 runs out; NULL for never.
SELECT expires_ms FROM changes WHERE id = ?1;
