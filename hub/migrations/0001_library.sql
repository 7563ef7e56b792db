-- Times are milliseconds since 1970 UTC, modification times are ticks of 100 ns since 1970 UTC,
-- sizes are bytes, digests are 32 raw bytes, paths are relative with '/'.

-- A model folder that was adopted once. The configured path of 'local' or 'lake' leads to one of
-- these by its identity; another folder under the same name is another row.
CREATE TABLE roots (
    id             INTEGER PRIMARY KEY,
    root           TEXT    NOT NULL CHECK (root IN ('local', 'lake')),
    identity       TEXT    NOT NULL,
    path           TEXT    NOT NULL,
    case_sensitive INTEGER NOT NULL DEFAULT 1,
    active         INTEGER NOT NULL DEFAULT 0,
    -- Raised by every transaction that changes this root's index.
    generation     INTEGER NOT NULL DEFAULT 0,
    -- The last scan that told the whole truth, and the last one at all.
    complete_scan  INTEGER,
    last_scan      INTEGER,
    adopted_at     INTEGER NOT NULL,
    UNIQUE (root, identity)
) STRICT;

CREATE UNIQUE INDEX roots_active ON roots (root) WHERE active = 1;

-- 'path' is '' for the root's own folder. 'listing' is the digest of what the folder held when it
-- was last listed: a rescan reads the files of a folder only if it differs.
CREATE TABLE folders (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id          INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    parent_id        INTEGER,
    path             TEXT    NOT NULL,
    match_key        TEXT    NOT NULL,
    listing          BLOB,
    n_files          INTEGER NOT NULL DEFAULT 0,
    size_bytes       INTEGER NOT NULL DEFAULT 0,
    n_files_total    INTEGER NOT NULL DEFAULT 0,
    size_bytes_total INTEGER NOT NULL DEFAULT 0,
    UNIQUE (root_id, path)
) STRICT;

CREATE INDEX folders_by_parent ON folders (parent_id, match_key);

-- 'match_key' is the path in NFC and lower case: the key of comparison, and of sorting by name.
-- A folder with all below it is one range of it. Ids are counted in "facts" and only ever grow, so
-- that what the search index has not seen yet is a range of ids. 'blake3' is there while the cached
-- hash fits size and time.
CREATE TABLE files (
    id          INTEGER PRIMARY KEY,
    root_id     INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    folder_id   INTEGER NOT NULL,
    path        TEXT    NOT NULL,
    match_key   TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    modified    INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    placeholder INTEGER NOT NULL DEFAULT 0,
    conflict    INTEGER NOT NULL DEFAULT 0,
    blake3      BLOB
) STRICT;

CREATE INDEX files_by_key ON files (root_id, match_key);
CREATE INDEX files_by_folder ON files (folder_id);
CREATE INDEX files_by_size ON files (root_id, size_bytes);
CREATE INDEX files_by_modified ON files (root_id, modified);
CREATE INDEX files_by_content ON files (blake3) WHERE blake3 IS NOT NULL;
CREATE INDEX files_in_conflict ON files (root_id, match_key) WHERE conflict = 1;

-- Trigrams of 'match_key'. Only which file holds a trigram is stored; the reader checks the text.
CREATE VIRTUAL TABLE files_search USING fts5 (
    match_key, content = '', contentless_delete = 1, tokenize = 'trigram', detail = 'none'
);

-- What a folder holds that can't be managed: links, special files, names that not every system
-- can store.
CREATE TABLE skipped_entries (
    root_id   INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    folder_id INTEGER NOT NULL,
    path      TEXT    NOT NULL,
    why       TEXT    NOT NULL
) STRICT;

CREATE INDEX skipped_entries_by_folder ON skipped_entries (folder_id);

CREATE TABLE scans (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    state       TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    -- JSON: per root its state and counts, and the errors.
    report      TEXT    NOT NULL
) STRICT;

-- The hash cache. It outlives the index: a file that comes back unchanged is not read again.
CREATE TABLE hashes (
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    blake3     BLOB    NOT NULL,
    sha256     BLOB,
    hashed_at  INTEGER NOT NULL,
    PRIMARY KEY (root_id, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX hashes_by_content ON hashes (blake3);

-- One BLAKE3 chaining value of 32 bytes per MiB of a content larger than that.
CREATE TABLE content_groups (
    blake3       BLOB PRIMARY KEY,
    size_bytes   INTEGER NOT NULL,
    group_values BLOB    NOT NULL
) STRICT;

CREATE TRIGGER groups_go_with_the_last_hash AFTER DELETE ON hashes
WHEN NOT EXISTS (SELECT 1 FROM hashes WHERE blake3 = old.blake3)
BEGIN
    DELETE FROM content_groups WHERE blake3 = old.blake3;
END;

CREATE TRIGGER groups_go_with_a_changed_hash AFTER UPDATE OF blake3 ON hashes
WHEN old.blake3 <> new.blake3 AND NOT EXISTS (SELECT 1 FROM hashes WHERE blake3 = old.blake3)
BEGIN
    DELETE FROM content_groups WHERE blake3 = old.blake3;
END;

-- How far the hash of a big file has come, with the state to go on from.
CREATE TABLE hash_checkpoints (
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    checkpoint BLOB    NOT NULL,
    PRIMARY KEY (root_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE hash_jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    root        TEXT    NOT NULL,
    -- JSON: a folder or a list of paths.
    scope       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    n_total     INTEGER NOT NULL DEFAULT 0,
    n_done      INTEGER NOT NULL DEFAULT 0,
    n_failed    INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0,
    bytes_done  INTEGER NOT NULL DEFAULT 0,
    detail      TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

CREATE INDEX hash_jobs_by_state ON hash_jobs (state);

-- The comparison, one row per file or pair of files. 'path' is the Lake's where both sides have
-- the file. 'moved_from' is the Local side's key in a row that pairs two different paths.
CREATE TABLE pairs (
    match_key  TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    local_id   INTEGER,
    lake_id    INTEGER,
    size_bytes INTEGER NOT NULL,
    moved_from TEXT,
    PRIMARY KEY (match_key, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX pairs_by_status ON pairs (status, match_key, path, size_bytes);
CREATE INDEX pairs_by_moved_from ON pairs (moved_from) WHERE moved_from IS NOT NULL;
CREATE INDEX pairs_by_local ON pairs (local_id) WHERE local_id IS NOT NULL;
CREATE INDEX pairs_by_lake ON pairs (lake_id) WHERE lake_id IS NOT NULL;

-- Keys whose pairs are out of date; '*' stands for all of them.
CREATE TABLE pairs_stale (
    match_key TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Small facts about this database: its token in part files' names, how far the search index has
-- come, whether the queue is paused.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
