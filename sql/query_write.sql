-- SPDX-License-Identifier: MIT
PRAGMA query_only = OFF;
