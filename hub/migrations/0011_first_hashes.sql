-- A file's first hash takes it out of no group. For every row that SQLite writes it starts a trigger that names a
-- written column, only to find that out: so whoever puts a hash in the place of another names "modified" as well.
DROP TRIGGER duplicates_go_with_the_content;

CREATE TRIGGER duplicates_go_with_the_content AFTER UPDATE OF size_bytes, modified ON files
WHEN old.size_bytes <> new.size_bytes OR old.modified <> new.modified
     OR old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM duplicate_files WHERE file_id = old.id;
END;
