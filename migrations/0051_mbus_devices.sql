-- The devices on the M-Bus channels of meters, with the time from which they are there.

ALTER TYPE flag_rule ADD VALUE 'device_exchanged';

CREATE TABLE mbus_device (
    meter_id       int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    channel        int2 NOT NULL CHECK (channel BETWEEN 1 AND 255),
    since          timestamptz NOT NULL,
    before         timestamptz CHECK (before < since),
    read_at        timestamptz NOT NULL CHECK (read_at >= since),
    identification text COLLATE "C" CHECK (length(identification) = 8),
    manufacturer   text COLLATE "C" CHECK (length(manufacturer) = 3),
    version        int2,
    device_type    int2,
    job_id         int8 NOT NULL,
    stored_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meter_id, channel, since)
) WITH (fillfactor = 70);

COMMENT ON TABLE mbus_device IS 'The devices on the M-Bus channels of meters: one row for each time for which one was there, or none.';
COMMENT ON COLUMN mbus_device.meter_id IS 'The meter.';
COMMENT ON COLUMN mbus_device.channel IS 'The channel, counted from 1.';
COMMENT ON COLUMN mbus_device.since IS 'When the device was first seen there.';
COMMENT ON COLUMN mbus_device.before IS 'When what was there before was last seen: the exchange lies between that and since. NULL for the first that was ever seen there.';
COMMENT ON COLUMN mbus_device.read_at IS 'When the device was last seen there.';
COMMENT ON COLUMN mbus_device.identification IS 'Its number, eight digits (EN 13757-3); NULL, as the other columns, while no device is on the channel.';
COMMENT ON COLUMN mbus_device.manufacturer IS 'The three letters of its maker.';
COMMENT ON COLUMN mbus_device.version IS 'The maker''s version of it.';
COMMENT ON COLUMN mbus_device.device_type IS 'What it measures, by EN 13757-3: 3 gas, 4 heat, 6 warm water, 7 water, and others.';
COMMENT ON COLUMN mbus_device.job_id IS 'The job that saw it first.';
COMMENT ON COLUMN mbus_device.stored_at IS 'When the row was made.';
