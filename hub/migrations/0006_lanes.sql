-- Queued transfers stand in lanes: those between two roots that wait for no phase, and those of each
-- phase of a batch. All of a lane can begin at the same moment or none can, so whoever asks who is next
-- looks at the heads of the lanes and never at what waits behind them.
ALTER TABLE transfers ADD COLUMN lane INTEGER GENERATED ALWAYS AS (iif(phase > 0, batch_id, 0)) VIRTUAL;
ALTER TABLE transfers ADD COLUMN lane_to INTEGER GENERATED ALWAYS AS (coalesce(to_root_id, 0)) VIRTUAL;

CREATE INDEX transfers_by_lane ON transfers (lane, phase, from_root_id, lane_to, position) WHERE state = 'queued';

-- The lowest phase of a batch that has not ended is the first entry, whatever became of those before.
CREATE INDEX transfers_open_phases ON transfers (batch_id, phase) WHERE phase > 0 AND finished_at IS NULL;
