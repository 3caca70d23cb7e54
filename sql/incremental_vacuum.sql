-- SPDX-License-Identifier: MIT
PRAGMA incremental_vacuum(256);
