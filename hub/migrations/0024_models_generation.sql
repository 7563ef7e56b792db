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
