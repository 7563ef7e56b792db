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
