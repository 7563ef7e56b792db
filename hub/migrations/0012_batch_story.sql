-- What history tells of a batch in one line: what it is called there where its operation does not say it
-- ('bring_back', 'duplicates'), how many files were asked for, and how many of them were skipped. The
-- line that told its end; where some were tried again after that, that line stays ('told_again'), and
-- another one tells of the rest.
ALTER TABLE batches ADD COLUMN told_as TEXT;
ALTER TABLE batches ADD COLUMN told_n INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN told_skipped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN told_end INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN told_again INTEGER NOT NULL DEFAULT 0;

UPDATE batches SET told_skipped = json_array_length(skipped),
                   told_n = (SELECT count(*) FROM transfers WHERE batch_id = batches.id);

-- Whether a batch has ended is asked after each group of it.
CREATE INDEX transfers_open ON transfers (batch_id) WHERE finished_at IS NULL;
