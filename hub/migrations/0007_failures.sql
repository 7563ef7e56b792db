-- What failed of a batch and of the whole queue, for lists, for history and to be tried again.
CREATE INDEX transfers_failed ON transfers (batch_id, id) WHERE state = 'failed';
CREATE INDEX transfers_failed_listed ON transfers (id) WHERE state = 'failed' AND cleared = 0;
CREATE INDEX history_by_batch ON history (batch_id, id) WHERE batch_id IS NOT NULL;

-- How many, by reason, kept up to date: history counts them after each group of a large batch.
CREATE TABLE batch_failures (
    batch_id INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    code     TEXT    NOT NULL,
    n        INTEGER NOT NULL,
    PRIMARY KEY (batch_id, code)
) STRICT, WITHOUT ROWID;

INSERT INTO batch_failures
SELECT batch_id, coalesce(error_code, ''), count(*) FROM transfers WHERE state = 'failed' GROUP BY 1, 2;

CREATE TRIGGER batch_failures_gain AFTER UPDATE OF state ON transfers
WHEN new.state = 'failed' AND old.state <> 'failed'
BEGIN
    INSERT INTO batch_failures VALUES (new.batch_id, coalesce(new.error_code, ''), 1)
    ON CONFLICT (batch_id, code) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER batch_failures_lose AFTER UPDATE OF state ON transfers
WHEN old.state = 'failed' AND new.state <> 'failed'
BEGIN
    UPDATE batch_failures SET n = n - 1 WHERE batch_id = old.batch_id AND code = coalesce(old.error_code, '');
END;
