-- SPDX-License-Identifier: MIT
-- After every step: the database is one of ours.  A step ends with its own
-- number in user_version.
PRAGMA application_id = 1414087751;
