-- Meters, how they are reached, and what is secret about them.

CREATE TYPE meter_state AS ENUM ('active', 'retired');
CREATE TYPE security_level AS ENUM ('none', 'lls', 'gmac');

CREATE TABLE meter (
    id                  int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial              text COLLATE "C" NOT NULL UNIQUE CHECK (length(serial) BETWEEN 1 AND 64),
    model               text NOT NULL,
    address             text NOT NULL,
    server_sap          int4 NOT NULL CHECK (server_sap BETWEEN 0 AND 65535),
    client_sap          int4 NOT NULL CHECK (client_sap BETWEEN 0 AND 65535),
    zone                text NOT NULL,
    security            security_level NOT NULL,
    client_title        bytea CHECK (octet_length(client_title) = 8),
    state               meter_state NOT NULL DEFAULT 'active',
    created_at          timestamptz NOT NULL DEFAULT now(),
    retired_at          timestamptz,
    logical_device_name text,
    firmware            text,
    identified_at       timestamptz,
    identify_tried_at   timestamptz,
    registers_tried_at  timestamptz,
    lease_owner         uuid,
    lease_until         timestamptz,
    CHECK ((state = 'retired') = (retired_at IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (security <> 'gmac' OR client_title IS NOT NULL)
) WITH (fillfactor = 70);

CREATE INDEX meter_leased ON meter (lease_until) WHERE lease_owner IS NOT NULL;

COMMENT ON TABLE meter IS 'A meter: who it is, how it is reached, and who works on it now.';
COMMENT ON COLUMN meter.id IS 'Key, also the first column of every large table.';
COMMENT ON COLUMN meter.serial IS 'Serial number as printed on the meter; compared with what the meter says before anything is read.';
COMMENT ON COLUMN meter.model IS 'Name of the meter model, which says what can be read.';
COMMENT ON COLUMN meter.address IS 'Where its line ends, host:port.';
COMMENT ON COLUMN meter.server_sap IS 'Address of the logical device inside the meter (wrapper port).';
COMMENT ON COLUMN meter.client_sap IS 'Address under which the head-end speaks to it (wrapper port).';
COMMENT ON COLUMN meter.zone IS 'IANA time zone of its clock, for times that it sends without a deviation.';
COMMENT ON COLUMN meter.security IS 'Level of security of its associations.';
COMMENT ON COLUMN meter.client_title IS 'System title under which the head-end speaks to it, 8 octets; needed with gmac.';
COMMENT ON COLUMN meter.state IS 'Whether it is read (active) or only its readings are kept (retired).';
COMMENT ON COLUMN meter.created_at IS 'When it came into the inventory.';
COMMENT ON COLUMN meter.retired_at IS 'When it was retired.';
COMMENT ON COLUMN meter.logical_device_name IS 'COSEM logical device name, as the meter said.';
COMMENT ON COLUMN meter.firmware IS 'Version of its firmware, as the meter said.';
COMMENT ON COLUMN meter.identified_at IS 'When the meter last said who it is.';
COMMENT ON COLUMN meter.identify_tried_at IS 'When the last planned attempt to identify it ended, well or badly; the next is planned from here.';
COMMENT ON COLUMN meter.registers_tried_at IS 'When the last planned read of its registers ended, well or badly; the next is planned from here.';
COMMENT ON COLUMN meter.lease_owner IS 'The collector that works on it; a meter has one association and one writer.';
COMMENT ON COLUMN meter.lease_until IS 'When the lease ends without a heartbeat; its jobs are due again then.';

CREATE TABLE meter_secret (
    meter_id           int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    password           bytea,
    encryption_key     bytea CHECK (octet_length(encryption_key) = 16),
    authentication_key bytea CHECK (octet_length(authentication_key) = 16)
);

COMMENT ON TABLE meter_secret IS 'Secrets of a meter, apart from it so that nothing lists them by accident. Never logged, never returned.';
COMMENT ON COLUMN meter_secret.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_secret.password IS 'Password of low level security.';
COMMENT ON COLUMN meter_secret.encryption_key IS 'Global unicast encryption key, 16 octets.';
COMMENT ON COLUMN meter_secret.authentication_key IS 'Authentication key, 16 octets.';

CREATE TABLE meter_counter (
    meter_id int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    next     int8 NOT NULL CHECK (next BETWEEN 0 AND 4294967295)
) WITH (fillfactor = 70);

COMMENT ON TABLE meter_counter IS 'Invocation counters of meters with ciphering: reserved here in blocks before they are used.';
COMMENT ON COLUMN meter_counter.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_counter.next IS 'Lowest counter that was never reserved. Only ever raised: a counter used twice with one key gives the key away.';

CREATE FUNCTION meter_counter_only_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next < OLD.next THEN
        RAISE EXCEPTION 'the invocation counter of meter % is % and is never lowered (to %)', OLD.meter_id, OLD.next, NEW.next
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION meter_counter_only_rises() IS 'Refuses to lower an invocation counter, whoever asks.';

CREATE TRIGGER meter_counter_only_rises BEFORE UPDATE ON meter_counter
    FOR EACH ROW EXECUTE FUNCTION meter_counter_only_rises();
