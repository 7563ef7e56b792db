-- A model and its sidecars are moved as one thing: the transfers of one bundle name the first of them.
-- Sidecars stand in a later phase than their weights, so that they follow them or stay with them.
ALTER TABLE transfers ADD COLUMN bundle INTEGER;

CREATE INDEX transfers_by_bundle ON transfers (bundle) WHERE bundle IS NOT NULL;
