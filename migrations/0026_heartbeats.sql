-- When a meter that is connected gave its last sign of life.

ALTER TABLE caller ADD COLUMN beat_at timestamptz;
UPDATE caller SET beat_at = since;
ALTER TABLE caller ALTER COLUMN beat_at SET NOT NULL;

COMMENT ON COLUMN caller.beat_at IS 'Its last login or heartbeat, some seconds after it came.';
