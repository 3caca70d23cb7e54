-- SPDX-License-Identifier: MIT
PRAGMA application_id;
