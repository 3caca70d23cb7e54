-- SPDX-License-Identifier: MIT
-- What the load generator publishes with: as a writer does that knows nothing
-- of Tidings but its change table. The first statement goes for its own
-- connection; ?1 is the channel, ?2 the message. The last two are around the
-- messages of a batch, where there are batches.
PRAGMA synchronous = NORMAL;
INSERT INTO changes(channel, data) VALUES (?1, ?2);
BEGIN IMMEDIATE;
COMMIT;
