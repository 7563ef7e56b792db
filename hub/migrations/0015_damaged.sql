-- Whether it was said that a damaged file may take the place of another one.
ALTER TABLE plans ADD COLUMN include_damaged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN include_damaged INTEGER NOT NULL DEFAULT 0;
