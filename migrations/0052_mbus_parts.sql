-- Devices on M-Bus channels are parts of their meter, with series of their own. The place of a part that is retired is free.

ALTER TABLE meter DROP CONSTRAINT meter_parent_id_subunit_key;
CREATE UNIQUE INDEX meter_place ON meter (parent_id, subunit) WHERE state = 'active';

ALTER TABLE mbus_device ADD COLUMN part_id int4 REFERENCES meter (id) ON DELETE CASCADE;

COMMENT ON COLUMN mbus_device.part_id IS 'The meter with what was captured while the device was there; NULL while no device is on the channel, or when its serial number is that of something else.';
