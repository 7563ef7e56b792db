-- Only a content larger than a group of 1 MiB has group values, and only they ask which files still hold a content:
-- the small files, of which there may be many, need not stand in that order.
DROP TRIGGER groups_go_with_the_last_hash;
DROP TRIGGER groups_go_with_a_changed_hash;
DROP INDEX hashes_by_content;

CREATE INDEX hashes_by_content ON hashes (blake3) WHERE size_bytes > 1048576;

CREATE TRIGGER groups_go_with_the_last_hash AFTER DELETE ON hashes
WHEN old.size_bytes > 1048576
     AND NOT EXISTS (SELECT 1 FROM hashes WHERE blake3 = old.blake3 AND size_bytes > 1048576)
BEGIN
    DELETE FROM content_groups WHERE blake3 = old.blake3;
END;

CREATE TRIGGER groups_go_with_a_changed_hash AFTER UPDATE OF blake3 ON hashes
WHEN old.blake3 <> new.blake3 AND old.size_bytes > 1048576
     AND NOT EXISTS (SELECT 1 FROM hashes WHERE blake3 = old.blake3 AND size_bytes > 1048576)
BEGIN
    DELETE FROM content_groups WHERE blake3 = old.blake3;
END;
