-- Files that left Local for good because the Lake holds their content. A row goes when the file is
-- back. 'lake_path' is where the copy lay that was proved; content that moved since is found by its
-- hash.
CREATE TABLE evictions (
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    match_key  TEXT    NOT NULL,
    lake_path  TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    blake3     BLOB    NOT NULL,
    kind       INTEGER NOT NULL,
    batch_id   INTEGER NOT NULL,
    evicted_at INTEGER NOT NULL,
    PRIMARY KEY (root_id, match_key, path)
) STRICT, WITHOUT ROWID;

-- 1 while a file is being removed for good: it is not listed and can't be put back. What a kill left
-- so is looked at before it is listed again. A 'batch_id' of 0 is a file that was found in the trash
-- and that this database did not put there.
ALTER TABLE trash ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0;

CREATE INDEX trash_by_time ON trash (root_id, leaving, deleted_at, id, size_bytes);

-- The room on a root's disk as it went. Few rows are kept of the past; see domain/space.rs.
CREATE TABLE space_samples (
    root_id     INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    free_bytes  INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL,
    trash_bytes INTEGER NOT NULL,
    PRIMARY KEY (root_id, at)
) STRICT, WITHOUT ROWID;

-- Bytes by age without a look at the files themselves.
CREATE INDEX files_by_age ON files (root_id, modified, size_bytes);
