-- SPDX-License-Identifier: MIT
PRAGMA wal_checkpoint(PASSIVE);
