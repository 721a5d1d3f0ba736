-- Values that are read on their own: registers and clocks.

CREATE TABLE register_row (
    meter_id  int4 NOT NULL,
    obis      bytea NOT NULL CHECK (octet_length(obis) = 6),
    attribute int2 NOT NULL,
    ts        timestamptz NOT NULL,
    value     int8 NOT NULL,
    scaler    int2 NOT NULL,
    unit      int2 NOT NULL,
    job_id    int8 NOT NULL,
    PRIMARY KEY (meter_id, obis, attribute, ts)
);

COMMENT ON TABLE register_row IS 'What a register held at a time.';
COMMENT ON COLUMN register_row.meter_id IS 'The meter.';
COMMENT ON COLUMN register_row.obis IS 'Logical name of the register, 6 octets.';
COMMENT ON COLUMN register_row.attribute IS 'Attribute that was read.';
COMMENT ON COLUMN register_row.ts IS 'When the value arrived, by the head-end''s clock.';
COMMENT ON COLUMN register_row.value IS 'The meter''s own integer.';
COMMENT ON COLUMN register_row.scaler IS 'The value times ten to the power of the scaler is in the unit.';
COMMENT ON COLUMN register_row.unit IS 'Unit code of IEC 62056-6-2; 255 for none.';
COMMENT ON COLUMN register_row.job_id IS 'The job that read it.';

CREATE TABLE clock_reading (
    meter_id   int4 NOT NULL,
    read_at    timestamptz NOT NULL,
    meter_ts   timestamptz NOT NULL,
    offset_min int2,
    status     int2 NOT NULL,
    delay_ms   int8 NOT NULL,
    job_id     int8 NOT NULL,
    PRIMARY KEY (meter_id, read_at)
);

COMMENT ON TABLE clock_reading IS 'What the clock of a meter showed at a time.';
COMMENT ON COLUMN clock_reading.meter_id IS 'The meter.';
COMMENT ON COLUMN clock_reading.read_at IS 'When the answer arrived, by the head-end''s clock.';
COMMENT ON COLUMN clock_reading.meter_ts IS 'What the meter''s clock showed.';
COMMENT ON COLUMN clock_reading.offset_min IS 'The meter''s offset from UTC in minutes, positive to the east; NULL when it did not say.';
COMMENT ON COLUMN clock_reading.status IS 'Clock status bits, as in profile_row.clock_status.';
COMMENT ON COLUMN clock_reading.delay_ms IS 'Milliseconds between question and answer: how exact the comparison can be.';
COMMENT ON COLUMN clock_reading.job_id IS 'The job that read it.';
