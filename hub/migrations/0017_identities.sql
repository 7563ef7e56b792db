-- What stands beside a file's size and time: which file it is and when the system last noted a change of it, mixed into
-- one number (domain/identity.rs). Nothing is recorded of what was found before: it counts as it did, and is bound at
-- the next scan.
ALTER TABLE files ADD COLUMN identity INTEGER;
ALTER TABLE hashes ADD COLUMN identity INTEGER;
ALTER TABLE file_ends ADD COLUMN identity INTEGER;
ALTER TABLE file_weights ADD COLUMN identity INTEGER;
ALTER TABLE hash_checkpoints ADD COLUMN identity INTEGER;
ALTER TABLE transfers ADD COLUMN identity INTEGER;
ALTER TABLE trash ADD COLUMN identity INTEGER;

-- Another file of the same size and time leaves its groups, too, also where only its weights had been read. What the
-- hub itself did to a name changes "identity" alone, and starts nothing.
DROP TRIGGER duplicates_go_with_the_content;

CREATE TRIGGER duplicates_go_with_the_content AFTER UPDATE OF size_bytes, modified ON files
WHEN old.size_bytes <> new.size_bytes OR old.modified <> new.modified OR old.identity <> new.identity
     OR old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM duplicate_files WHERE file_id = old.id;
END;
