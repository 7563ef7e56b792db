-- The hash that a file should have, where it was read and holds something else, though neither its size nor its time nor
-- its identity says that anything wrote to it. "blake3" is then what it was found to hold.
ALTER TABLE files ADD COLUMN rotted BLOB;

CREATE INDEX files_rotted ON files (root_id, match_key) WHERE rotted IS NOT NULL;

-- 'missing': what has no hash; 'verify': everything, whatever is known of it; 'scrub': the same in idle hours.
ALTER TABLE hash_jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'missing';

-- What the source has to hold: nothing else may take the place of the file that is there.
ALTER TABLE transfers ADD COLUMN wanted BLOB;
