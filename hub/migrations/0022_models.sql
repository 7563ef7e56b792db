-- What the model files are. A model is one content with all its copies once that is hashed; until then each file is one
-- of its own. 'files.model_id' leads to it; a file whose content may have changed loses it, and gets another when the
-- models are brought in line (storage/models/refresh.rs), which also keeps everything here below 'files:'.
CREATE TABLE models (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    blake3         BLOB UNIQUE,
    size_bytes     INTEGER NOT NULL,
    -- 'unread', 'ok', 'odd' or 'damaged'. One that was tried and could not be read stays 'unread'.
    state          TEXT    NOT NULL DEFAULT 'unread',
    tried          INTEGER NOT NULL DEFAULT 0,
    format         TEXT,
    kind           TEXT,
    base           TEXT,
    base_how       TEXT,
    variant        TEXT,
    lineage        TEXT,
    precision      TEXT,
    n_parameters   INTEGER,
    n_tensors      INTEGER,
    comfyui_opens  INTEGER,
    title          TEXT,
    author         TEXT,
    -- JSON: a list of texts.
    trigger_words  TEXT    NOT NULL DEFAULT '[]',
    damage_code    TEXT,
    damage_detail  TEXT,
    -- files: the first copy, Local's before the Lake's, and where copies are.
    name           TEXT    NOT NULL DEFAULT '',
    name_key       TEXT    NOT NULL DEFAULT '',
    modified       INTEGER NOT NULL DEFAULT 0,
    n_local        INTEGER NOT NULL DEFAULT 0,
    n_lake         INTEGER NOT NULL DEFAULT 0,
    is_evicted     INTEGER NOT NULL DEFAULT 0,
    -- What a search looks through: names, title, author, trigger words, in lower case.
    search_key     TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX models_by_name ON models (name_key, id);
CREATE INDEX models_by_size ON models (size_bytes, name_key, id);
CREATE INDEX models_by_modified ON models (modified, name_key, id);
CREATE INDEX models_unread ON models (id) WHERE state = 'unread' AND tried = 0;
CREATE INDEX models_evicted ON models (id) WHERE is_evicted = 1;
CREATE INDEX evictions_by_content ON evictions (blake3);
CREATE INDEX models_unhashed ON models (id) WHERE blake3 IS NULL;
-- All that counts by filters are taken from.
CREATE INDEX models_facets ON models (kind, base, precision, format, state, tried, n_local, n_lake, is_evicted);

-- The rest of what was read, as JSON: see model-header's Description.
CREATE TABLE model_descriptions (
    model_id    INTEGER PRIMARY KEY REFERENCES models (id) ON DELETE CASCADE,
    description TEXT    NOT NULL
) STRICT;

-- What a file beside a model says of it, as JSON; NULL if nothing. A file may belong to several models; 0 is none.
CREATE TABLE sidecar_facts (
    file_id    INTEGER NOT NULL,
    model_id   INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    facts      TEXT,
    PRIMARY KEY (file_id, model_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX sidecar_facts_by_model ON sidecar_facts (model_id);

-- Models whose copies changed.
CREATE TABLE models_stale (
    model_id INTEGER PRIMARY KEY
) STRICT;

ALTER TABLE files ADD COLUMN model_id INTEGER;

CREATE INDEX files_by_model ON files (model_id) WHERE model_id IS NOT NULL;
CREATE INDEX files_without_model ON files (root_id, id) WHERE kind = 0 AND model_id IS NULL;

CREATE INDEX files_beside_models ON files (root_id, id) WHERE kind = 2;

CREATE TRIGGER sidecar_facts_go_with_the_file AFTER DELETE ON files WHEN old.kind = 2
BEGIN
    INSERT OR IGNORE INTO models_stale SELECT model_id FROM sidecar_facts WHERE file_id = old.id AND model_id <> 0;
    DELETE FROM sidecar_facts WHERE file_id = old.id;
END;

CREATE TRIGGER model_loses_the_file AFTER DELETE ON files WHEN old.model_id IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (old.model_id);
END;

CREATE TRIGGER model_loses_the_content AFTER UPDATE OF size_bytes, modified, identity ON files
WHEN old.model_id IS NOT NULL
     AND (old.size_bytes <> new.size_bytes OR old.modified <> new.modified
          OR old.identity IS NOT NULL AND new.identity IS NOT old.identity AND new.blake3 IS NULL
          OR old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3)
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (old.model_id);
    UPDATE files SET model_id = NULL WHERE id = old.id;
END;
