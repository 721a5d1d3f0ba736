-- Lines with several meters on them: HDLC over TCP and on serial devices.

ALTER TABLE meter ADD COLUMN device_address int4 CHECK (device_address BETWEEN 1 AND 16381);

COMMENT ON COLUMN meter.address IS 'Where its line ends and what is spoken on it: host:port, hdlc://host:port, serial:///dev/…, optical:///dev/…, with every option. All meters of a bus have the same.';
COMMENT ON COLUMN meter.device_address IS 'The meter on an HDLC line (lower HDLC address); NULL with the wrapper, and where the meter takes an address without it.';
COMMENT ON COLUMN meter.server_sap IS 'Address of the logical device inside the meter (wrapper port, upper HDLC address).';
COMMENT ON COLUMN meter.client_sap IS 'Address under which the head-end speaks to it (wrapper port, HDLC address).';
COMMENT ON COLUMN protocol_log.address IS 'The address of the line as in meter.address, whichever meter is behind it; NULL when a meter is meant.';

-- What it says of the addresses that exist, all of them host:port, stays as it was, and so does the index over it.
CREATE OR REPLACE FUNCTION address_host(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(address FROM '^(?:hdlc://)?([^/]*):[0-9]+$')
$$;

COMMENT ON FUNCTION address_host(text) IS 'The host of an address host:port or hdlc://host:port; NULL for a device.';
