-- SPDX-License-Identifier: MIT
-- The change table: version 1 of the schema.  Later versions are the numbered
-- files in migrations/, applied one after the other, to a new file as well.
-- Times are milliseconds since 1970 UTC.  A channel is any text of 1 to 255
-- bytes of UTF-8 without control characters; URLs are channels too.  (SQLite has
-- no way to check UTF-8: what is ill-formed is repaired on its way out.)

-- What is true of this database as a whole, one fact a row:
--   epoch     random text made with the database; a new one when it is replaced
--   file_id   device, inode and birth time of the file that `epoch` was made
--             for, so that a restored copy is noticed
--   floor     rows up to this id may be gone in any channel
--   max_data  largest `data`, in bytes
CREATE TABLE meta (
    name  TEXT PRIMARY KEY, -- which fact
    value NOT NULL          -- text or integer
) WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES
    ('epoch', lower(hex(randomblob(6)))),
    ('file_id', ''),
    ('floor', 0),
    ('max_data', 1048576);

-- One row a message.  `channel` and `data` are enough to publish.
CREATE TABLE changes (
    -- Order of commit, never used twice; on the wire EPOCH-ID.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Where it is published.
    channel TEXT NOT NULL
        CONSTRAINT "channel must be text of 1 to 255 bytes without control characters"
        CHECK (typeof(channel) = 'text'
            AND length(CAST(channel AS BLOB)) BETWEEN 1 AND 255
            AND instr(CAST(channel AS BLOB), x'00') = 0
            AND channel NOT GLOB '*[' || char(1) || '-' || char(31)
                || char(127) || '-' || char(159) || ']*'),
    -- Name of the event (SSE), NULL for a plain message.  Names that begin
    -- with "tidings." are the server's own.
    event TEXT
        CONSTRAINT "event must be text of 1 to 255 bytes without control characters, not tidings.*"
        CHECK (event IS NULL OR (typeof(event) = 'text'
            AND length(CAST(event AS BLOB)) BETWEEN 1 AND 255
            AND instr(CAST(event AS BLOB), x'00') = 0
            AND event NOT GLOB '*[' || char(1) || '-' || char(31)
                || char(127) || '-' || char(159) || ']*'
            AND event NOT GLOB 'tidings.*')),
    -- What is published: text, number or BLOB.  A BLOB is a binary frame on a
    -- WebSocket and a data: URL where text is needed.
    data NOT NULL DEFAULT '',
    -- Media type of `data`, NULL for plain text or unnamed bytes.
    content_type TEXT
        CONSTRAINT "content_type must be 1 to 255 printable ASCII characters"
        CHECK (content_type IS NULL OR (typeof(content_type) = 'text'
            AND length(content_type) BETWEEN 1 AND 255
            AND content_type NOT GLOB '*[^ -~]*')),
    -- When it was published, milliseconds since 1970 UTC.
    created_ms INTEGER NOT NULL
        DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
        CONSTRAINT "created_ms must be an integer"
        CHECK (typeof(created_ms) = 'integer'),
    -- After this it is not delivered any more, NULL for never.
    expires_ms INTEGER
        CONSTRAINT "expires_ms must be an integer or NULL"
        CHECK (expires_ms IS NULL OR typeof(expires_ms) = 'integer'),
    -- Unique with the channel: inserting it twice is one message.
    dedup TEXT
        CONSTRAINT "dedup must be text of 1 to 255 bytes"
        CHECK (dedup IS NULL OR (typeof(dedup) = 'text'
            AND length(CAST(dedup AS BLOB)) BETWEEN 1 AND 255))
);

-- A channel in order.
CREATE INDEX changes_channel ON changes (channel, id);
-- Publishing twice.
CREATE UNIQUE INDEX changes_dedup ON changes (channel, dedup)
    WHERE dedup IS NOT NULL;
-- What runs out.
CREATE INDEX changes_expires ON changes (expires_ms)
    WHERE expires_ms IS NOT NULL;

-- Up to which id rows of a channel may be gone.  A client whose cursor is
-- lower has missed something and is told so.  What had run out by itself is
-- missed by nobody.
CREATE TABLE watermarks (
    channel   TEXT PRIMARY KEY,
    pruned_id INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER changes_dedup_once BEFORE INSERT ON changes
WHEN NEW.dedup IS NOT NULL AND EXISTS (SELECT 1 FROM changes
    WHERE channel = NEW.channel AND dedup = NEW.dedup)
BEGIN
    SELECT RAISE(IGNORE);
END;

CREATE TRIGGER changes_size BEFORE INSERT ON changes
WHEN length(CAST(NEW.data AS BLOB)) >
    (SELECT value FROM meta WHERE name = 'max_data')
BEGIN
    SELECT RAISE(ABORT, 'data is larger than max_data');
END;

-- Cursors rely on ids that only grow.
CREATE TRIGGER changes_id_grows AFTER INSERT ON changes
WHEN NEW.id < (SELECT max(id) FROM changes) OR NEW.id > 9007199254740991
    OR NEW.id <= coalesce((SELECT seq FROM sqlite_sequence
        WHERE name = 'changes'), 0)
BEGIN
    SELECT RAISE(ABORT, 'changes.id must grow: leave it to the database');
END;

CREATE TRIGGER changes_append_only BEFORE UPDATE ON changes
BEGIN
    SELECT RAISE(ABORT, 'changes are never altered: insert a new one');
END;

CREATE TRIGGER changes_watermark AFTER DELETE ON changes
WHEN OLD.expires_ms IS NULL OR OLD.expires_ms >
    CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
BEGIN
    INSERT INTO watermarks (channel, pruned_id) VALUES (OLD.channel, OLD.id)
        ON CONFLICT (channel) DO UPDATE
        SET pruned_id = max(pruned_id, excluded.pruned_id);
END;

PRAGMA user_version = 1;
