-- The database is one of ours, at the version that stands behind this line
-- when a step is applied.
PRAGMA application_id = 1414087751;
