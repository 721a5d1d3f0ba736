-- Ways to meters: lines with a lease of their own, sub-units, further ways to one meter, and groups whose load is limited.

CREATE TABLE line (
    name        text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 255),
    lease_owner uuid,
    lease_until timestamptz,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX line_leased ON line (lease_owner) WHERE lease_owner IS NOT NULL;

COMMENT ON TABLE line IS 'What one collector at a time may use: a socket, a bus, a device, a connection of a meter, a concentrator. All meters behind it share it.';
COMMENT ON COLUMN line.name IS 'The address without what several meters of the line may differ in, as address_line() cuts it.';
COMMENT ON COLUMN line.lease_owner IS 'The collector that has a channel on it.';
COMMENT ON COLUMN line.lease_until IS 'When the lease ends without a heartbeat; others may use the line then.';

CREATE FUNCTION address_line(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN address LIKE 'concentrator://%' THEN substring(address FROM '^concentrator://[^/?]*')
        WHEN address LIKE 'inbound://%' THEN split_part(address, '?', 1)
        ELSE regexp_replace(split_part(address, '?', 1), '^[a-z0-9]+://', '')
    END
$$;

COMMENT ON FUNCTION address_line(text) IS 'The line of an address: without scheme and options, but for what exists by its scheme only; of a node, its concentrator.';

ALTER TABLE meter
    DROP CONSTRAINT meter_device_address_check,
    ALTER COLUMN device_address TYPE int8,
    ADD CHECK (device_address BETWEEN 0 AND 999999999999),
    ADD COLUMN line text COLLATE "C",
    ADD COLUMN path int2 NOT NULL DEFAULT 0 CHECK (path BETWEEN 0 AND 4),
    ADD COLUMN path_since timestamptz,
    ADD COLUMN parent_id int4 REFERENCES meter (id),
    ADD COLUMN subunit int2 CHECK (subunit BETWEEN 1 AND 255),
    ADD COLUMN throttle_group text COLLATE "C" CHECK (length(throttle_group) BETWEEN 1 AND 64),
    ADD CHECK ((parent_id IS NULL) = (subunit IS NULL)),
    ADD CHECK ((path = 0) = (path_since IS NULL)),
    ADD UNIQUE (parent_id, subunit);

UPDATE meter SET line = address_line(address);
INSERT INTO line (name) SELECT DISTINCT line FROM meter;
ALTER TABLE meter ALTER COLUMN line SET NOT NULL, ADD FOREIGN KEY (line) REFERENCES line (name);

CREATE INDEX meter_of_line ON meter (line);

COMMENT ON COLUMN meter.address IS 'Where its line ends and what way octets take, in the form of CreateMeterRequest.address with every option.';
COMMENT ON COLUMN meter.device_address IS 'The meter on a line with several, by the language that is spoken there; NULL where it needs none.';
COMMENT ON COLUMN meter.line IS 'The line over which it is reached now.';
COMMENT ON COLUMN meter.path IS 'The way over which it is reached now: 0 for its address, n for that of meter_path.';
COMMENT ON COLUMN meter.path_since IS 'When the way before it failed; NULL while it is reached over its address.';
COMMENT ON COLUMN meter.parent_id IS 'The meter that it is a sub-unit of; NULL when it is a device of its own.';
COMMENT ON COLUMN meter.subunit IS 'Which sub-unit of its parent it is: household or M-Bus channel.';
COMMENT ON COLUMN meter.throttle_group IS 'What carries it together with others and must not be asked for too much: a cell, an APN, a concentrator, a bus. NULL for nothing in particular.';

CREATE TABLE meter_path (
    meter_id       int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    place          int2 NOT NULL CHECK (place BETWEEN 1 AND 4),
    address        text NOT NULL,
    line           text COLLATE "C" NOT NULL REFERENCES line (name),
    device_address int8 CHECK (device_address BETWEEN 0 AND 999999999999),
    PRIMARY KEY (meter_id, place)
);

COMMENT ON TABLE meter_path IS 'Further ways to a meter, for when the one before does not reach it.';
COMMENT ON COLUMN meter_path.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_path.place IS 'Its place in the order in which the ways are tried, from 1 without gaps; 0 is the meter''s own address.';
COMMENT ON COLUMN meter_path.address IS 'As meter.address.';
COMMENT ON COLUMN meter_path.line IS 'The line of the address.';
COMMENT ON COLUMN meter_path.device_address IS 'As meter.device_address.';

CREATE FUNCTION address_has_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.line := coalesce(NEW.line, address_line(NEW.address));
    ELSIF NEW.address <> OLD.address AND OLD.line = address_line(OLD.address) THEN
        NEW.line := address_line(NEW.address);
    END IF;
    INSERT INTO line (name) VALUES (NEW.line) ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION address_has_line() IS 'Names the line of a new address, unless it was named, and makes sure that it can be leased.';

CREATE TRIGGER meter_has_line BEFORE INSERT OR UPDATE OF address ON meter
    FOR EACH ROW EXECUTE FUNCTION address_has_line();
CREATE TRIGGER meter_path_has_line BEFORE INSERT OR UPDATE OF address ON meter_path
    FOR EACH ROW EXECUTE FUNCTION address_has_line();

-- What it says of the addresses that exist stays as it was, and so does the index over it.
CREATE OR REPLACE FUNCTION address_host(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(address FROM '^(?:hdlc://|udp://)?([^/]*):[0-9]+$')
$$;

COMMENT ON FUNCTION address_host(text) IS 'The host of an address host:port, hdlc://host:port or udp://host:port; NULL for any other.';
