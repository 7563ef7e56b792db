-- A duplicate that is removed for good is no delete, which goes to the trash.
UPDATE transfers SET operation = 'remove_duplicate' WHERE operation = 'delete' AND to_root_id IS NOT NULL;
UPDATE batches SET operation = 'remove_duplicate'
WHERE operation = 'delete'
      AND EXISTS (SELECT 1 FROM transfers WHERE batch_id = batches.id AND operation = 'remove_duplicate');

-- What makes way, and what was made, are two things.
ALTER TABLE transfers ADD COLUMN occupant_size INTEGER;
ALTER TABLE transfers ADD COLUMN occupant_modified INTEGER;
UPDATE transfers
SET occupant_size = result_size, occupant_modified = result_modified, result_size = NULL, result_modified = NULL
WHERE state <> 'completed' AND result_size IS NOT NULL;
