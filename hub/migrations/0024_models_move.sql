-- Counts of models are kept until a model changes, and a file that is moved keeps its model.

-- Raised by every change of what counts of models are taken from.
CREATE TABLE models_generation (
    n INTEGER NOT NULL
) STRICT;
INSERT INTO models_generation VALUES (0);

CREATE TRIGGER models_gain AFTER INSERT ON models
BEGIN
    UPDATE models_generation SET n = n + 1;
END;

CREATE TRIGGER models_lose AFTER DELETE ON models
BEGIN
    UPDATE models_generation SET n = n + 1;
END;

CREATE TRIGGER models_change
AFTER UPDATE OF kind, base, precision, format, state, tried, n_local, n_lake, is_evicted, n_agents, is_hashed, size_bytes,
    search_key ON models
BEGIN
    UPDATE models_generation SET n = n + 1;
END;

-- A file that the hub moved to the same path on the other root stays what it is, with its model.
DROP TRIGGER model_loses_the_content;

CREATE TRIGGER model_loses_the_content AFTER UPDATE OF size_bytes, modified, identity ON files
WHEN old.model_id IS NOT NULL AND old.root_id = new.root_id
     AND (old.size_bytes <> new.size_bytes OR old.modified <> new.modified
          OR old.identity IS NOT NULL AND new.identity IS NOT old.identity AND new.blake3 IS NULL
          OR old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3)
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (old.model_id);
    UPDATE files SET model_id = NULL WHERE id = old.id;
END;

CREATE TRIGGER model_is_on_the_other_root AFTER UPDATE OF root_id ON files WHEN new.model_id IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO models_stale VALUES (new.model_id);
END;

CREATE TRIGGER duplicates_stay_on_their_root AFTER UPDATE OF root_id ON files
BEGIN
    DELETE FROM duplicate_files WHERE file_id = old.id;
END;
