-- The ratios of the transformers in front of meters, as they were set into them, with the time from which they hold.

ALTER TYPE flag_rule ADD VALUE 'ratio_changed';

CREATE TABLE meter_ratio (
    meter_id            int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    since               timestamptz NOT NULL,
    before              timestamptz CHECK (before < since),
    read_at             timestamptz NOT NULL CHECK (read_at >= since),
    current_numerator   int8,
    current_denominator int8,
    voltage_numerator   int8,
    voltage_denominator int8,
    job_id              int8 NOT NULL,
    stored_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meter_id, since)
) WITH (fillfactor = 70);

COMMENT ON TABLE meter_ratio IS 'The ratios of the transformers in front of meters: one row for each time for which they held. No reading is ever multiplied by them.';
COMMENT ON COLUMN meter_ratio.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_ratio.since IS 'When they were first read.';
COMMENT ON COLUMN meter_ratio.before IS 'When the ratios that held before were last read: the change lies between that and since. NULL for the first that were ever read.';
COMMENT ON COLUMN meter_ratio.read_at IS 'When they were last read.';
COMMENT ON COLUMN meter_ratio.current_numerator IS 'Of the current transformers (IEC 62056-6-1: 1.0.0.4.2.255), as the meter has it; NULL when it never showed that.';
COMMENT ON COLUMN meter_ratio.current_denominator IS 'The other number of that ratio (1.0.0.4.5.255).';
COMMENT ON COLUMN meter_ratio.voltage_numerator IS 'Of the voltage transformers (1.0.0.4.3.255), likewise.';
COMMENT ON COLUMN meter_ratio.voltage_denominator IS 'The other number of that ratio (1.0.0.4.6.255).';
COMMENT ON COLUMN meter_ratio.job_id IS 'The job that read them first.';
COMMENT ON COLUMN meter_ratio.stored_at IS 'When the row was made.';
