-- A plan to make one root, or one folder of it, like the other: a preview that is carried out as it
-- was shown or not at all. The generations are those of the indexes that it was made from.
CREATE TABLE plans (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    from_root       TEXT    NOT NULL,
    from_root_id    INTEGER NOT NULL,
    from_generation INTEGER NOT NULL,
    to_root         TEXT    NOT NULL,
    to_root_id      INTEGER NOT NULL,
    to_generation   INTEGER NOT NULL,
    folder          TEXT    NOT NULL DEFAULT '',
    compare         TEXT    NOT NULL,
    with_deletes    INTEGER NOT NULL,
    with_overwrites INTEGER NOT NULL,
    -- JSON: counts and bytes by action, and what the destination holds.
    totals          TEXT    NOT NULL DEFAULT '{}',
    batch_id        INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX plans_by_batch ON plans (batch_id) WHERE batch_id IS NOT NULL;

-- One row per file that the two sides don't agree on. 'path' with its size and time is the file that
-- is read, moved or deleted; 'to_path' is where it goes if that is another path, and 'there_size'
-- with 'there_modified' is what lies there and makes way. 'gone_id' is the file of the destination
-- whose content this row takes away.
CREATE TABLE plan_items (
    plan_id        INTEGER NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    action         INTEGER NOT NULL,
    n              INTEGER NOT NULL,
    phase          INTEGER NOT NULL,
    path           TEXT    NOT NULL,
    size_bytes     INTEGER NOT NULL,
    modified       INTEGER NOT NULL,
    to_path        TEXT,
    there_size     INTEGER,
    there_modified INTEGER,
    source_id      INTEGER,
    dest_id        INTEGER,
    gone_id        INTEGER,
    last_copy      INTEGER NOT NULL DEFAULT 0,
    -- Why nothing is done with it.
    why            INTEGER,
    PRIMARY KEY (plan_id, action, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX plan_items_gone ON plan_items (plan_id, gone_id) WHERE gone_id IS NOT NULL;

-- Of a batch with phases, a transfer begins when all of the phases before have ended. 0 has none.
ALTER TABLE transfers ADD COLUMN phase INTEGER NOT NULL DEFAULT 0;

CREATE INDEX transfers_not_done ON transfers (batch_id, phase, finished_at) WHERE phase > 0 AND state <> 'completed';
