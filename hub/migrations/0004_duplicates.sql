CREATE TABLE duplicate_scans (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    local             INTEGER NOT NULL,
    lake              INTEGER NOT NULL,
    min_size          INTEGER NOT NULL,
    state             TEXT    NOT NULL,
    n_candidates      INTEGER NOT NULL DEFAULT 0,
    n_done            INTEGER NOT NULL DEFAULT 0,
    n_failed          INTEGER NOT NULL DEFAULT 0,
    bytes_total       INTEGER NOT NULL DEFAULT 0,
    bytes_done        INTEGER NOT NULL DEFAULT 0,
    n_groups          INTEGER NOT NULL DEFAULT 0,
    reclaimable_bytes INTEGER NOT NULL DEFAULT 0,
    detail            TEXT,
    created_at        INTEGER NOT NULL,
    finished_at       INTEGER
) STRICT;

CREATE INDEX duplicate_scans_by_state ON duplicate_scans (state);

-- What the last complete scan found. 'kind' 0: the same content; 1: the same weights under different
-- headers. 'digest' is of the content or of the weights. Files are counted, not names: hard links are
-- one file, also where one name is on Local and another on the Lake.
CREATE TABLE duplicate_groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    scan_id    INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    size_bytes INTEGER NOT NULL,
    n_files    INTEGER NOT NULL,
    n_local    INTEGER NOT NULL,
    n_lake     INTEGER NOT NULL,
    UNIQUE (kind, digest)
) STRICT;

-- By the bytes that one copy less would free, for each of the three views.
CREATE INDEX duplicate_groups_everywhere ON duplicate_groups (kind, size_bytes * (n_files - 1), id);
CREATE INDEX duplicate_groups_in_local ON duplicate_groups (kind, size_bytes * (n_local - 1), id) WHERE n_local > 1;
CREATE INDEX duplicate_groups_in_lake ON duplicate_groups (kind, size_bytes * (n_lake - 1), id) WHERE n_lake > 1;

-- Names of the groups. Names of one file have the same 'node' within their group.
CREATE TABLE duplicate_files (
    file_id  INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    group_id INTEGER NOT NULL REFERENCES duplicate_groups (id) ON DELETE CASCADE,
    root     TEXT    NOT NULL,
    node     INTEGER NOT NULL,
    PRIMARY KEY (file_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX duplicate_files_by_group ON duplicate_files (group_id, root, node);

-- A file that goes or changes leaves its groups at once, and a group of one is none.
CREATE TRIGGER duplicates_go_with_the_file AFTER DELETE ON files
BEGIN
    DELETE FROM duplicate_files WHERE file_id = old.id;
END;

CREATE TRIGGER duplicates_go_with_the_content AFTER UPDATE OF size_bytes, modified, blake3 ON files
WHEN old.size_bytes <> new.size_bytes OR old.modified <> new.modified
     OR old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM duplicate_files WHERE file_id = old.id;
END;

CREATE TRIGGER duplicate_groups_shrink AFTER DELETE ON duplicate_files
WHEN EXISTS (SELECT 1 FROM duplicate_groups WHERE id = old.group_id)
BEGIN
    UPDATE duplicate_groups
    SET n_files = (SELECT count(DISTINCT node) FROM duplicate_files WHERE group_id = old.group_id),
        n_local = (SELECT count(DISTINCT node) FROM duplicate_files WHERE group_id = old.group_id AND root = 'local'),
        n_lake  = (SELECT count(DISTINCT node) FROM duplicate_files WHERE group_id = old.group_id AND root = 'lake')
    WHERE id = old.group_id;
    DELETE FROM duplicate_groups WHERE id = old.group_id AND n_files < 2;
END;

-- The hash of a file's first and last 64 KiB, at this size and time.
CREATE TABLE file_ends (
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    ends       BLOB    NOT NULL,
    PRIMARY KEY (root_id, path)
) STRICT, WITHOUT ROWID;

-- What a safetensors file holds apart from what its maker wrote about it, at this size and time:
-- the digest of its table of tensors (none if it has no readable one), where their bytes begin, and
-- the digest of these, once someone needed it.
CREATE TABLE file_weights (
    root_id    INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    tensors    BLOB,
    data_start INTEGER NOT NULL,
    weights    BLOB,
    PRIMARY KEY (root_id, path)
) STRICT, WITHOUT ROWID;
