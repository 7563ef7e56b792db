-- What came of a batch whose transfers were removed because they ended long ago. JSON: number and
-- bytes by state. 'n_skipped' stands for the list of what was skipped, which goes too.
ALTER TABLE batches ADD COLUMN outcomes TEXT;
ALTER TABLE batches ADD COLUMN n_skipped INTEGER NOT NULL DEFAULT 0;
