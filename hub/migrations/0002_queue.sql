CREATE TABLE batches (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    operation   TEXT    NOT NULL,
    from_root   TEXT    NOT NULL,
    to_root     TEXT,
    on_conflict TEXT    NOT NULL DEFAULT 'skip',
    -- JSON: what was asked for but not queued, with the reason.
    skipped     TEXT    NOT NULL DEFAULT '[]',
    undo_of     INTEGER REFERENCES batches (id),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX batches_by_undo ON batches (undo_of) WHERE undo_of IS NOT NULL;

-- The queue lives here; memory only caches it. 'size_bytes' and 'modified' are the source's as
-- they were when the transfer was made: a source that differs later is not touched.
CREATE TABLE transfers (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id       INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    operation      TEXT    NOT NULL,
    from_root      TEXT    NOT NULL,
    from_root_id   INTEGER NOT NULL,
    to_root        TEXT,
    to_root_id     INTEGER,
    path           TEXT    NOT NULL,
    -- Where it goes on the other side; differs from 'path' for keep_both and for a restore.
    to_path        TEXT,
    on_conflict    TEXT    NOT NULL DEFAULT 'skip',
    state          TEXT    NOT NULL,
    -- 'pause' or 'cancel' while the worker has not stopped yet.
    stop           TEXT,
    position       REAL    NOT NULL,
    size_bytes     INTEGER NOT NULL,
    modified       INTEGER NOT NULL,
    bytes_done     INTEGER NOT NULL DEFAULT 0,
    -- Bytes of the part file that are known to be on the disk.
    synced_bytes   INTEGER NOT NULL DEFAULT 0,
    -- Stands for the content of these bytes, so that a resume proves them.
    synced_proof   BLOB,
    -- The digests of a finished part file, committed before it gets its final name.
    part_blake3    BLOB,
    part_sha256    BLOB,
    attempts       INTEGER NOT NULL DEFAULT 0,
    error_code     TEXT,
    error_detail   TEXT,
    blake3         BLOB,
    -- Where a deleted or replaced file lies in the trash, below the trash folder.
    trash_path     TEXT,
    -- The finished file's size and time: an undo touches nothing that differs from it.
    result_size    INTEGER,
    result_modified INTEGER,
    next_try_at    INTEGER,
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    finished_at    INTEGER,
    -- Taken out of the queue's lists by a person; the batch still tells of it.
    cleared        INTEGER NOT NULL DEFAULT 0,
    -- Its part file may still lie there: it is removed as soon as the root can be reached.
    part_left      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX transfers_by_order ON transfers (state, position);
CREATE INDEX transfers_by_batch ON transfers (batch_id, id);
CREATE INDEX transfers_due ON transfers (next_try_at) WHERE state = 'waiting';
CREATE INDEX transfers_finished ON transfers (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX transfers_with_part ON transfers (id) WHERE part_left = 1;
-- Paths that some unfinished transfer reads or writes.
CREATE INDEX transfers_by_path ON transfers (path) WHERE finished_at IS NULL;

-- What the queue's summary says of each state, kept up to date: a count over all transfers would be
-- asked for several times a second.
CREATE TABLE queue_totals (
    state      TEXT PRIMARY KEY,
    n          INTEGER NOT NULL,
    bytes_left INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER queue_totals_gain AFTER INSERT ON transfers WHEN new.cleared = 0
BEGIN
    INSERT INTO queue_totals VALUES (new.state, 1, new.size_bytes - new.bytes_done)
    ON CONFLICT (state) DO UPDATE SET n = n + 1, bytes_left = bytes_left + excluded.bytes_left;
END;

CREATE TRIGGER queue_totals_lose AFTER DELETE ON transfers WHEN old.cleared = 0
BEGIN
    UPDATE queue_totals SET n = n - 1, bytes_left = bytes_left - (old.size_bytes - old.bytes_done)
    WHERE state = old.state;
END;

CREATE TRIGGER queue_totals_change AFTER UPDATE OF state, size_bytes, bytes_done, cleared ON transfers
BEGIN
    UPDATE queue_totals SET n = n - 1, bytes_left = bytes_left - (old.size_bytes - old.bytes_done)
    WHERE old.cleared = 0 AND state = old.state;
    INSERT INTO queue_totals SELECT new.state, 1, new.size_bytes - new.bytes_done WHERE new.cleared = 0
    ON CONFLICT (state) DO UPDATE SET n = n + 1, bytes_left = bytes_left + excluded.bytes_left;
END;

CREATE TABLE trash (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id     INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE,
    batch_id    INTEGER NOT NULL,
    transfer_id INTEGER NOT NULL,
    path        TEXT    NOT NULL,
    trash_path  TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    modified    INTEGER NOT NULL,
    blake3      BLOB,
    deleted_at  INTEGER NOT NULL,
    UNIQUE (root_id, trash_path)
) STRICT;

CREATE INDEX trash_by_batch ON trash (batch_id);

-- What happened, for people: one line per scan, batch, failure, setting.
CREATE TABLE history (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    level    TEXT    NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    summary  TEXT    NOT NULL,
    detail   TEXT,
    root     TEXT,
    batch_id INTEGER
) STRICT;

CREATE INDEX history_by_kind ON history (kind, id);
