-- Times in which agents may come. At most one has not ended. Of a key only its SHA-256 is kept.
CREATE TABLE remote_sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What agents know it by.
    session    TEXT    NOT NULL UNIQUE,
    key_sha256 BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,
    -- 'expired' or 'revoked'.
    ended_by   TEXT
) STRICT;

CREATE UNIQUE INDEX remote_sessions_live ON remote_sessions ((ended_at IS NULL)) WHERE ended_at IS NULL;

-- Agents that came at least once. 'boot_id' is random per start of an agent: one that comes back
-- after another has spoken under the same id is a cloned disk.
CREATE TABLE agents (
    id               TEXT    PRIMARY KEY,
    boot_id          TEXT    NOT NULL,
    previous_boot_id TEXT,
    version          TEXT    NOT NULL,
    slots            INTEGER NOT NULL,
    -- JSON, as the agent told it last.
    facts            TEXT    NOT NULL,
    -- The latest connection; larger than all before it, of any agent.
    generation       INTEGER NOT NULL,
    -- The session it came in last.
    session_id       INTEGER NOT NULL REFERENCES remote_sessions (id),
    first_seen_at    INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    -- Taken out by a person: it is refused for as long as that session lives.
    removed_at       INTEGER
) STRICT, WITHOUT ROWID;

-- What agents were asked to do. 'size_bytes' and 'modified' are the file's as they were when the
-- job was made: one that differs later is not sent as if it were the same.
CREATE TABLE remote_jobs (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    agent_id      TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    kind          TEXT    NOT NULL,
    root          TEXT,
    path          TEXT,
    size_bytes    INTEGER,
    modified      INTEGER,
    blake3        BLOB,
    -- The hash job that it waits for.
    hash_job      INTEGER,
    -- JSON: the order of a job that is about no file.
    spec          TEXT,
    state         TEXT    NOT NULL,
    -- The number of the latest try; what belongs to another is dropped.
    attempt       INTEGER NOT NULL DEFAULT 0,
    -- A person dropped it and the agent has not said that it stopped.
    cancel_at     INTEGER,
    bytes_done    INTEGER NOT NULL DEFAULT 0,
    bytes_total   INTEGER,
    -- Not assigned before this time: the agent was busy.
    not_before    INTEGER,
    -- JSON: how it ended, with what each source gave.
    outcome       TEXT,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    finished_at   INTEGER
) STRICT;

CREATE INDEX remote_jobs_by_agent ON remote_jobs (agent_id, number);
CREATE INDEX remote_jobs_open ON remote_jobs (agent_id, number) WHERE finished_at IS NULL;
CREATE INDEX remote_jobs_by_content ON remote_jobs (blake3) WHERE finished_at IS NULL AND blake3 IS NOT NULL;
CREATE INDEX remote_jobs_by_state ON remote_jobs (state, number);

-- Lines for people; the oldest of a job go when it has too many.
CREATE TABLE remote_job_lines (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id  TEXT    NOT NULL REFERENCES remote_jobs (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    text    TEXT    NOT NULL
) STRICT;

CREATE INDEX remote_job_lines_by_job ON remote_job_lines (job_id, id);
