-- The clocks of meters beside those of collectors and of the database, and orders to put them right.

ALTER TYPE command_kind ADD VALUE 'sync_clock';
ALTER TYPE command_outcome ADD VALUE 'clock_right';
ALTER TYPE failure_reason ADD VALUE 'boundary_near';
ALTER TYPE failure_reason ADD VALUE 'boundary_crossed';
ALTER TYPE failure_reason ADD VALUE 'clock_untrusted';

-- What was read before is compared as it would be now: a clock shows whole seconds.
ALTER TABLE clock_reading ADD COLUMN drift_ms int8, ADD COLUMN uncertainty_ms int8, ADD COLUMN server_ms int8;
UPDATE clock_reading SET uncertainty_ms = 500 + delay_ms / 2,
    drift_ms = round(extract(epoch FROM meter_ts - read_at) * 1000)::int8 + 500 + delay_ms / 2;
ALTER TABLE clock_reading ALTER COLUMN drift_ms SET NOT NULL, ALTER COLUMN uncertainty_ms SET NOT NULL;
CREATE INDEX clock_reading_read_at ON clock_reading USING brin (read_at);

COMMENT ON TABLE clock_reading IS 'What the clock of a meter showed at a time: whenever somebody asked for it, and of what was looked at beside other reads one an hour and every change. Kept for clock.keep.';
COMMENT ON COLUMN clock_reading.drift_ms IS 'Milliseconds by which the meter''s clock was ahead of that of the collector, negative when it was behind: the middle of what is possible.';
COMMENT ON COLUMN clock_reading.uncertainty_ms IS 'How far the true difference may be from it, to either side: half the delay and half the step in which the meter shows its time.';
COMMENT ON COLUMN clock_reading.server_ms IS 'Milliseconds by which the clock of the collector was ahead of that of the database, when they were last compared; NULL when they were not.';

CREATE TABLE meter_clock (
    meter_id       int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    read_at        timestamptz NOT NULL,
    meter_ts       timestamptz NOT NULL,
    drift_ms       int8 NOT NULL,
    uncertainty_ms int8 NOT NULL,
    offset_min     int2,
    status         int2 NOT NULL,
    server_ms      int8,
    kept_at        timestamptz NOT NULL,
    kept_drift_ms  int8 NOT NULL,
    kept_status    int2 NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX meter_clock_worst ON meter_clock (abs(drift_ms), meter_id);

COMMENT ON TABLE meter_clock IS 'What the clock of each meter showed last.';
COMMENT ON COLUMN meter_clock.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_clock.read_at IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.meter_ts IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.drift_ms IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.uncertainty_ms IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.offset_min IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.status IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.server_ms IS 'As in clock_reading.';
COMMENT ON COLUMN meter_clock.kept_at IS 'Which row of clock_reading was kept last: its read_at.';
COMMENT ON COLUMN meter_clock.kept_drift_ms IS 'The drift in that row.';
COMMENT ON COLUMN meter_clock.kept_status IS 'The status in that row.';

INSERT INTO meter_clock
SELECT DISTINCT ON (meter_id) meter_id, read_at, meter_ts, drift_ms, uncertainty_ms, offset_min, status, server_ms, read_at, drift_ms, status
FROM clock_reading JOIN meter ON meter.id = meter_id ORDER BY meter_id, read_at DESC;
