-- Work that runs in the background: scans, hash jobs, searches for duplicates. Jobs of one kind and queue run one after
-- the other, in the order of their ids.
CREATE TABLE background_jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    -- JSON: what was asked for.
    payload     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    n_total     INTEGER NOT NULL DEFAULT 0,
    n_done      INTEGER NOT NULL DEFAULT 0,
    n_failed    INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0,
    bytes_done  INTEGER NOT NULL DEFAULT 0,
    -- JSON: what came of it, beside the counts.
    report      TEXT    NOT NULL,
    detail      TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

CREATE INDEX background_jobs_by_kind ON background_jobs (kind, id);
CREATE INDEX background_jobs_open ON background_jobs (kind, queue, id) WHERE finished_at IS NULL;

-- Scans keep their ids, which roots refer to; the others come behind them.
INSERT INTO background_jobs (id, kind, queue, payload, state, n_done, n_failed, bytes_done, report, created_at, finished_at)
SELECT id, 'scan', '',
       json_object('roots', json((SELECT json_group_array(key) FROM json_each(report, '$.roots')))), state,
       coalesce((SELECT sum(value ->> 'n_files') FROM json_each(report, '$.roots')), 0),
       coalesce((SELECT sum(value ->> 'n_errors') FROM json_each(report, '$.roots')), 0),
       coalesce((SELECT sum(value ->> 'size_bytes') FROM json_each(report, '$.roots')), 0),
       report, started_at, finished_at
FROM scans;

INSERT INTO background_jobs (id, kind, queue, payload, state, n_total, n_done, n_failed, bytes_total, bytes_done, report,
                             detail, created_at, finished_at)
SELECT id + (SELECT coalesce(max(id), 0) FROM scans), 'hash', root,
       json_object('root', root, 'scope', json(scope), 'kind', kind), state, n_total, n_done, n_failed, bytes_total,
       bytes_done, 'null', detail, created_at, finished_at
FROM hash_jobs;

INSERT INTO background_jobs (id, kind, queue, payload, state, n_failed, report, detail, created_at, finished_at)
SELECT id + (SELECT coalesce(max(id), 0) FROM scans) + (SELECT coalesce(max(id), 0) FROM hash_jobs), 'duplicates', '',
       json_object('roots', json(iif(local, iif(lake, '["local","lake"]', '["local"]'), '["lake"]')),
                   'min_size', min_size),
       state, n_failed,
       json_object('n_candidates', n_candidates, 'n_groups', n_groups, 'reclaimable_bytes', reclaimable_bytes),
       detail, created_at, finished_at
FROM duplicate_scans;

UPDATE duplicate_groups
SET scan_id = scan_id + (SELECT coalesce(max(id), 0) FROM scans) + (SELECT coalesce(max(id), 0) FROM hash_jobs);

UPDATE remote_jobs SET hash_job = hash_job + (SELECT coalesce(max(id), 0) FROM scans) WHERE hash_job IS NOT NULL;

DROP TABLE scans;
DROP TABLE hash_jobs;
DROP TABLE duplicate_scans;

-- A scan that tells what is gone.
ALTER TABLE roots RENAME COLUMN proved_scan TO conclusive_scan;
