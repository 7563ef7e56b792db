-- Models are brought in line by what changed alone, in portions, and carry what people write about them.
ALTER TABLE models ADD COLUMN is_hashed INTEGER NOT NULL DEFAULT 0;
UPDATE models SET is_hashed = 1 WHERE blake3 IS NOT NULL;
-- Whether files beside it tell something that is in its row, too.
ALTER TABLE models ADD COLUMN has_facts_beside INTEGER NOT NULL DEFAULT 0;
UPDATE models SET has_facts_beside = 1 WHERE id IN (SELECT model_id FROM sidecar_facts);
ALTER TABLE models ADD COLUMN notes TEXT NOT NULL DEFAULT '';

-- Whether its header holds a picture, as its description says.
ALTER TABLE models ADD COLUMN has_thumbnail INTEGER NOT NULL DEFAULT 0;
-- Its header tells the SHA-256 of its data, which is not compared yet: 1: it is once the content is hashed;
-- 2: the data could not be read.
ALTER TABLE models ADD COLUMN digest_waits INTEGER NOT NULL DEFAULT 0;
-- Machines that have it, kept in storage/models/refresh.rs.
ALTER TABLE models ADD COLUMN n_agents INTEGER NOT NULL DEFAULT 0;

UPDATE models SET
    has_thumbnail = coalesce((SELECT d.description ->> '$.thumbnail.is_showable' FROM model_descriptions d
                              WHERE d.model_id = models.id), 0),
    digest_waits = state = 'ok' AND format = 'safetensors' AND size_bytes > 1048576 AND EXISTS (SELECT 1 FROM model_descriptions d
                    WHERE d.model_id = models.id AND d.description ->> '$.declared_sha256' IS NOT NULL);

CREATE INDEX models_digest ON models (id) WHERE digest_waits = 1;

-- All that counts are taken from.
DROP INDEX models_facets;
CREATE INDEX models_facets
    ON models (kind, base, precision, format, state, tried, n_local, n_lake, is_evicted, n_agents, is_hashed,
               size_bytes);

-- Files that got or lost their hash say so themselves; they were searched for among all that have none.
DROP INDEX models_unhashed;

CREATE TRIGGER model_meets_its_content AFTER UPDATE OF blake3 ON files
WHEN old.model_id IS NOT NULL AND old.blake3 IS NULL AND new.blake3 IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (old.model_id);
END;

CREATE TRIGGER model_loses_the_hash AFTER UPDATE OF blake3 ON files
WHEN old.model_id IS NOT NULL AND old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (old.model_id);
    UPDATE files SET model_id = NULL WHERE id = old.id;
END;

INSERT OR IGNORE INTO models_stale
SELECT m.id FROM models m JOIN files f ON f.model_id = m.id WHERE m.blake3 IS NULL AND f.blake3 IS NOT NULL;

-- Filters of the list of models that people keep: the address behind the '?'.
CREATE TABLE saved_filters (
    name       TEXT    PRIMARY KEY,
    query      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Contents that a machine has, as far as it was asked or sent them.
CREATE TABLE agent_contents (
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    blake3   BLOB NOT NULL,
    PRIMARY KEY (agent_id, blake3)
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_contents_by_content ON agent_contents (blake3);

INSERT OR IGNORE INTO agent_contents
SELECT j.agent_id, j.blake3 FROM remote_jobs j JOIN agents a ON a.id = j.agent_id
WHERE j.kind = 'asset_download' AND j.state = 'succeeded' AND j.blake3 IS NOT NULL AND a.removed_at IS NULL;

CREATE TRIGGER agent_gets_a_content AFTER UPDATE OF state ON remote_jobs
WHEN new.state = 'succeeded' AND new.kind = 'asset_download' AND new.blake3 IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO agent_contents VALUES (new.agent_id, new.blake3);
END;

CREATE TRIGGER agent_is_taken_out AFTER UPDATE OF removed_at ON agents WHEN new.removed_at IS NOT NULL
BEGIN
    DELETE FROM agent_contents WHERE agent_id = new.id;
END;

CREATE TRIGGER content_reaches_an_agent AFTER INSERT ON agent_contents
BEGIN
    INSERT OR IGNORE INTO models_stale SELECT id FROM models WHERE blake3 = new.blake3;
END;

CREATE TRIGGER content_leaves_an_agent AFTER DELETE ON agent_contents
BEGIN
    INSERT OR IGNORE INTO models_stale SELECT id FROM models WHERE blake3 = old.blake3;
END;

INSERT OR IGNORE INTO models_stale SELECT m.id FROM models m JOIN agent_contents a ON a.blake3 = m.blake3;
