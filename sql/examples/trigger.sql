-- SPDX-License-Identifier: MIT
-- An application's own table that publishes by itself: whoever inserts a row,
-- in whatever language, has told every open page.  The table lies in the same
-- database file, so that row and message are committed together or not at all.
--
--     sqlite3 /var/lib/tidings/tidings.db < trigger.sql

CREATE TABLE IF NOT EXISTS articles (
    id       INTEGER PRIMARY KEY,
    headline TEXT NOT NULL,
    link     TEXT
);

CREATE TRIGGER IF NOT EXISTS articles_publish AFTER INSERT ON articles
BEGIN
    INSERT INTO changes (channel, event, content_type, data)
    VALUES ('articles', 'headline', 'application/json',
        json_object('id', NEW.id, 'headline', NEW.headline,
            'link', NEW.link));
END;

CREATE TRIGGER IF NOT EXISTS articles_correct AFTER UPDATE ON articles
BEGIN
    INSERT INTO changes (channel, event, content_type, data)
    VALUES ('articles', 'correction', 'application/json',
        json_object('id', NEW.id, 'headline', NEW.headline,
            'link', NEW.link));
END;
