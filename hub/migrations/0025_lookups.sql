-- What sites answered when they were asked for a content by its SHA-256. An answer counts for a time (lookups::planner).
CREATE TABLE lookups (
    sha256      BLOB    NOT NULL,
    site        TEXT    NOT NULL,
    -- 'found', 'withheld', 'deleted' or 'not_found'.
    said        TEXT    NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (sha256, site)
) STRICT, WITHOUT ROWID;
