-- SPDX-License-Identifier: MIT
PRAGMA schema_version;
