-- What a root holds that the index does not see: links, names that not every system can store, folders
-- that could not be listed, folders whose disk is another one or is missing; and what is left alone by
-- rule. The next scan fills it.
DROP TABLE skipped_entries;

-- 'folder_id' is the folder in whose listing it stands; none for a folder of which as a whole nothing is
-- known. 'keys' is a JSON list: 'match_key' and every other key under which another system may hold the
-- same. 'mount' is what was found in the place of the disk that is missing.
CREATE TABLE skipped_entries (
    id         INTEGER PRIMARY KEY,
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    folder_id  INTEGER,
    path       TEXT    NOT NULL,
    match_key  TEXT    NOT NULL,
    keys       TEXT    NOT NULL,
    reason     INTEGER NOT NULL,
    is_unknown INTEGER NOT NULL,
    detail     TEXT,
    mount      TEXT
) STRICT;

CREATE INDEX skipped_entries_by_key ON skipped_entries (root_id, match_key, id);
CREATE INDEX skipped_entries_by_folder ON skipped_entries (folder_id) WHERE folder_id IS NOT NULL;

-- The outermost unknown places of a root, each a key with '/' behind it. No place lies within another,
-- so the last one that is not behind "key/" is the one that the key lies at or below, if any is.
CREATE TABLE unknown_places (
    root_id  INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    place    TEXT    NOT NULL,
    entry_id INTEGER NOT NULL,
    PRIMARY KEY (root_id, place)
) STRICT, WITHOUT ROWID;

-- The disk that was mounted on a folder when it was last listed: '' if none was, NULL if that was not
-- recorded yet.
ALTER TABLE folders ADD COLUMN mount TEXT;

-- The last scan, if it told of every folder whether it was seen.
ALTER TABLE roots ADD COLUMN proved_scan INTEGER;

-- Every folder is looked at file by file once, so that what is skipped in it is written down.
UPDATE folders SET listing = NULL;

-- The place that was not seen, and why, where a row is left alone for that.
ALTER TABLE plan_items ADD COLUMN place TEXT;

CREATE INDEX folders_mounted ON folders (root_id, path) WHERE mount <> '';
