-- What stands on the plate of a meter, for whoever checks it: nothing is calculated with it.

ALTER TABLE meter
    ADD COLUMN pulses_per_kwh int4 CHECK (pulses_per_kwh BETWEEN 1 AND 1000000),
    ADD COLUMN ratio text COLLATE "C" CHECK (ratio ~ '^[1-9][0-9]{0,6}(/[1-9][0-9]{0,6})?$');

COMMENT ON COLUMN meter.pulses_per_kwh IS 'Pulses of its test output for a kilowatt-hour, as on its plate; NULL when that is not known.';
COMMENT ON COLUMN meter.ratio IS
    'Ratio of the transformers in front of it, primary by secondary, such as 600/5; NULL when there are none or it is not known. Readings are stored as the meter shows them.';
