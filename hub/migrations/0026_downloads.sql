-- A download is a transfer that comes from no root: its row names the root that it goes to as both. What it is of
-- stands here. Neither a token nor a signed address is ever written down.
CREATE TABLE downloads (
    transfer_id INTEGER PRIMARY KEY REFERENCES transfers (id) ON DELETE CASCADE,
    -- The address that was named; where there is none, those that the library knows of the content ('wanted').
    url         TEXT,
    -- The SHA-256 that it has to have, where that is known and BLAKE3 is not.
    sha256      BLOB,
    -- The site that it is fetched from, for people.
    host        TEXT    NOT NULL,
    -- Whether a digest was known beforehand, once it is there.
    is_verified INTEGER
) STRICT;

-- Downloads have a lane of their own, and places of their own: a site that does not answer holds up no copy.
DROP INDEX transfers_by_lane;
ALTER TABLE transfers DROP COLUMN lane;
ALTER TABLE transfers ADD COLUMN lane INTEGER
    GENERATED ALWAYS AS (iif(operation = 'download', -1, iif(phase > 0, batch_id, 0))) VIRTUAL;

CREATE INDEX transfers_by_lane ON transfers (lane, phase, from_root_id, lane_to, position) WHERE state = 'queued';
