-- What takes a person when it goes on is counted by itself: a meter that was not reached for weeks has failed not once for its counters.

ALTER TABLE meter_trouble ADD COLUMN patience_spent int4 NOT NULL DEFAULT 0 CHECK (patience_spent BETWEEN 0 AND failures);
UPDATE meter_trouble SET patience_spent = failures WHERE cause NOT IN ('route', 'busy');

COMMENT ON COLUMN meter_trouble.patience_spent IS 'Those of the failed jobs that failed for something that takes a person when it goes on; the others come back by themselves.';
