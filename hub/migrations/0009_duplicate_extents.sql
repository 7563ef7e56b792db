-- The count is in the order too, so that how many groups a view has, and what they waste, is read from
-- the order alone.
DROP INDEX duplicate_groups_in_local;
DROP INDEX duplicate_groups_in_lake;
CREATE INDEX duplicate_groups_in_local ON duplicate_groups (kind, size_bytes * (n_local - 1), id, n_local)
    WHERE n_local > 1;
CREATE INDEX duplicate_groups_in_lake ON duplicate_groups (kind, size_bytes * (n_lake - 1), id, n_lake)
    WHERE n_lake > 1;
