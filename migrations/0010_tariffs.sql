-- What meters hold of their tariffs.

ALTER TYPE job_kind ADD VALUE 'read_tariff';

CREATE TABLE tariff_reading (
    meter_id        int4 NOT NULL,
    job_id          int8 NOT NULL,
    read_at         timestamptz NOT NULL DEFAULT now(),
    active          bytea[] NOT NULL CHECK (cardinality(active) = 4),
    passive         bytea[] NOT NULL CHECK (cardinality(passive) = 4),
    activation_time bytea NOT NULL,
    special_days    bytea,
    PRIMARY KEY (meter_id, job_id)
);

COMMENT ON TABLE tariff_reading IS 'The tariff objects of a meter as they were read: encoded values (A-XDR), nothing left out.';
COMMENT ON COLUMN tariff_reading.meter_id IS 'The meter.';
COMMENT ON COLUMN tariff_reading.job_id IS 'The job that read it.';
COMMENT ON COLUMN tariff_reading.read_at IS 'When it was stored.';
COMMENT ON COLUMN tariff_reading.active IS 'Name, seasons, weeks and days of the active calendar.';
COMMENT ON COLUMN tariff_reading.passive IS 'Name, seasons, weeks and days of the passive calendar.';
COMMENT ON COLUMN tariff_reading.activation_time IS 'When the passive calendar becomes the active one.';
COMMENT ON COLUMN tariff_reading.special_days IS 'The special days; NULL when the meter has no table for them.';
