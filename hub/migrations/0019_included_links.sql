-- Links whose folders are a part of a root, because a person included them. 'target' is the real path of the folder,
-- 'disk' and 'file' tell it from others; 'file' is NULL where the file system makes numbers up.
CREATE TABLE included_links (
    root_id     INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path        TEXT    NOT NULL,
    match_key   TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    disk        TEXT    NOT NULL,
    file        INTEGER,
    included_at INTEGER NOT NULL,
    PRIMARY KEY (root_id, match_key, path)
) STRICT, WITHOUT ROWID;
