-- How the clocks of meters are set up, beside what their places need.

CREATE TYPE clock_zone_fault AS ENUM ('offset', 'summer_missing', 'summer_added', 'saving', 'change');

CREATE TABLE meter_clock_setup (
    meter_id     int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    read_at      timestamptz NOT NULL DEFAULT now(),
    standard_min int2,
    summer       bool,
    saving_min   int2,
    zone_fault   clock_zone_fault
) WITH (fillfactor = 70);

CREATE INDEX meter_clock_setup_faulty ON meter_clock_setup (meter_id) WHERE zone_fault IS NOT NULL;

COMMENT ON TABLE meter_clock_setup IS 'What the clock of each meter makes its local time of, as it was read last.';
COMMENT ON COLUMN meter_clock_setup.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_clock_setup.read_at IS 'When it was stored.';
COMMENT ON COLUMN meter_clock_setup.standard_min IS 'Minutes by which its standard time is ahead of UTC; NULL when it does not say, as for the other columns.';
COMMENT ON COLUMN meter_clock_setup.summer IS 'Whether it knows summer time.';
COMMENT ON COLUMN meter_clock_setup.saving_min IS 'Minutes by which summer time moves it.';
COMMENT ON COLUMN meter_clock_setup.zone_fault IS 'The first thing that will be wrong in the zone of the inventory; NULL when nothing is.';
