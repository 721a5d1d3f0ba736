-- What meters tell unasked: alarms, the pushes that are none, and how far each meter has counted.

ALTER TABLE meter
    ADD COLUMN system_title bytea UNIQUE CHECK (octet_length(system_title) = 8),
    ADD COLUMN equipment_id text COLLATE "C" UNIQUE CHECK (length(equipment_id) BETWEEN 1 AND 64);

COMMENT ON COLUMN meter.system_title IS 'System title of the meter, 8 octets: who sent a ciphered push. Given, or learnt with its identity.';
COMMENT ON COLUMN meter.equipment_id IS 'What it calls itself in pushes, when that is neither its serial number nor its logical device name.';

CREATE FUNCTION address_host(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(address FROM '^(.*):[0-9]+$')
$$;

COMMENT ON FUNCTION address_host(text) IS 'The host of an address host:port.';

CREATE INDEX meter_host ON meter (address_host(address));
CREATE INDEX meter_logical_device_name ON meter (logical_device_name) WHERE logical_device_name IS NOT NULL;

CREATE TYPE alarm_severity AS ENUM ('info', 'warning', 'critical');
CREATE TYPE alarm_source AS ENUM ('event', 'bit', 'object', 'data');

CREATE TABLE alarm (
    id              int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id        int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    key             text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
    severity        alarm_severity NOT NULL,
    phase           int2 CHECK (phase BETWEEN 1 AND 3),
    source          alarm_source NOT NULL,
    obis            bytea CHECK (octet_length(obis) = 6),
    code            int8,
    meter_ts        timestamptz,
    meter_time      bytea CHECK (octet_length(meter_time) = 12),
    received_at     timestamptz NOT NULL,
    authenticated   bool NOT NULL,
    peer            text NOT NULL,
    raw             bytea NOT NULL,
    repetitions     int4 NOT NULL DEFAULT 0,
    repeated_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text CHECK (length(note) <= 500),
    CHECK ((source = 'data') = (obis IS NULL)),
    CHECK ((source IN ('event', 'bit')) = (code IS NOT NULL)),
    CHECK ((repetitions = 0) = (repeated_at IS NULL)),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CHECK (note IS NULL OR acknowledged_at IS NOT NULL)
) WITH (fillfactor = 90);

CREATE INDEX alarm_of_meter ON alarm (meter_id, received_at);

COMMENT ON TABLE alarm IS 'What a meter pushed and what it means. Numbers ascend in the order of the commits, because whoever inserts holds alarm_order().';
COMMENT ON COLUMN alarm.id IS 'Number: stable, and the place in the log of alarms.';
COMMENT ON COLUMN alarm.meter_id IS 'The meter.';
COMMENT ON COLUMN alarm.key IS 'Canonical key, by the tables of the meter''s model; unknown when these do not have it, push.data for a push that names nothing.';
COMMENT ON COLUMN alarm.severity IS 'How urgent it is, by the same tables.';
COMMENT ON COLUMN alarm.phase IS 'Phase that it is about, 1 to 3; NULL for none in particular.';
COMMENT ON COLUMN alarm.source IS 'What the push held: a code of a log (event), a bit of a register (bit), an object itself (object), data that name none (data).';
COMMENT ON COLUMN alarm.obis IS 'Logical name of the log, register or object, 6 octets.';
COMMENT ON COLUMN alarm.code IS 'Code in the log, or number of the bit.';
COMMENT ON COLUMN alarm.meter_ts IS 'When it happened, by the meter''s clock; NULL when the meter does not say or its clock is invalid.';
COMMENT ON COLUMN alarm.meter_time IS 'The same as the meter sent it, 12 octets.';
COMMENT ON COLUMN alarm.received_at IS 'When its first push arrived, by the head-end''s clock.';
COMMENT ON COLUMN alarm.authenticated IS 'The push was ciphered with the meter''s keys. What is not authenticated may come from anybody.';
COMMENT ON COLUMN alarm.peer IS 'Where the push came from: tcp or udp, address and port.';
COMMENT ON COLUMN alarm.raw IS 'The push in the clear.';
COMMENT ON COLUMN alarm.repetitions IS 'How often the same was pushed again within ten minutes.';
COMMENT ON COLUMN alarm.repeated_at IS 'When it was last pushed again.';
COMMENT ON COLUMN alarm.acknowledged_at IS 'When somebody took notice; NULL while nobody did.';
COMMENT ON COLUMN alarm.acknowledged_by IS 'Who did.';
COMMENT ON COLUMN alarm.note IS 'What that person wrote.';

CREATE FUNCTION alarm_order() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('alarm_order'))
$$;

COMMENT ON FUNCTION alarm_order() IS
    'One transaction after the other writes alarms, until its end, so that whoever follows their numbers leaves nothing out.';

CREATE FUNCTION alarm_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM alarm_order();
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION alarm_in_order() IS 'Takes alarm_order() before the first number is drawn, whoever inserts.';

CREATE TRIGGER alarm_in_order BEFORE INSERT ON alarm FOR EACH STATEMENT EXECUTE FUNCTION alarm_in_order();

-- A notification numbers its repetitions; what it says stands behind that number.
CREATE FUNCTION push_content(raw bytea) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN get_byte(raw, 0) = 15 THEN substr(raw, 6) ELSE raw END
$$;

COMMENT ON FUNCTION push_content(bytea) IS 'A push without the number of its data-notification: equal for repetitions.';

CREATE TABLE meter_push_counter (
    meter_id int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    last     int8 NOT NULL CHECK (last BETWEEN 0 AND 4294967295),
    seen     int8 NOT NULL
) WITH (fillfactor = 70);

COMMENT ON TABLE meter_push_counter IS 'Invocation counters that a meter used in pushes under its present key; what bears one of them again is a replay.';
COMMENT ON COLUMN meter_push_counter.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_push_counter.last IS 'The highest one. Only ever raised, but with a new key.';
COMMENT ON COLUMN meter_push_counter.seen IS 'Bit n: the counter n + 1 below the highest was used, too. Lower ones count as used.';

CREATE FUNCTION meter_push_counter_only_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last < OLD.last THEN
        RAISE EXCEPTION 'the push counter of meter % is % and is never lowered (to %)', OLD.meter_id, OLD.last, NEW.last
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION meter_push_counter_only_rises() IS 'Refuses to lower the counter of a meter''s pushes, whoever asks.';

CREATE TRIGGER meter_push_counter_only_rises BEFORE UPDATE ON meter_push_counter
    FOR EACH ROW EXECUTE FUNCTION meter_push_counter_only_rises();

CREATE FUNCTION meter_push_counter_of_new_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM meter_push_counter WHERE meter_id = NEW.meter_id;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meter_push_counter_of_new_key() IS 'A meter counts anew under a new key.';

CREATE TRIGGER meter_push_counter_of_new_key AFTER UPDATE OF encryption_key ON meter_secret FOR EACH ROW
    WHEN (OLD.encryption_key IS DISTINCT FROM NEW.encryption_key) EXECUTE FUNCTION meter_push_counter_of_new_key();

CREATE TYPE push_fate AS ENUM (
    'stored', 'repeated', 'unknown_code', 'unknown_sender', 'wrong_tag', 'replayed_counter', 'undecodable', 'too_many',
    'queue_full', 'evicted');

CREATE TABLE push_quarantine (
    id          int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    peer        text NOT NULL,
    reason      push_fate NOT NULL CHECK (reason IN (
        'unknown_sender', 'wrong_tag', 'replayed_counter', 'undecodable', 'too_many')),
    detail      text NOT NULL,
    meter_id    int4 REFERENCES meter (id) ON DELETE CASCADE,
    octets      bytea NOT NULL
);

COMMENT ON TABLE push_quarantine IS 'The latest pushes that became no alarm, as many as the configuration allows.';
COMMENT ON COLUMN push_quarantine.id IS 'Number; a later one is higher.';
COMMENT ON COLUMN push_quarantine.received_at IS 'When it arrived, by the head-end''s clock.';
COMMENT ON COLUMN push_quarantine.peer IS 'Where it came from: tcp or udp, address and port.';
COMMENT ON COLUMN push_quarantine.reason IS 'Why it became no alarm.';
COMMENT ON COLUMN push_quarantine.detail IS 'The same for a person.';
COMMENT ON COLUMN push_quarantine.meter_id IS 'The meter that it claims to be from; NULL when that is not known.';
COMMENT ON COLUMN push_quarantine.octets IS 'What arrived, without the wrapper header where one was understood.';

CREATE TABLE push_tally (
    fate   push_fate PRIMARY KEY,
    pushes int8 NOT NULL
);

COMMENT ON TABLE push_tally IS 'What became of pushes since the beginning.';
COMMENT ON COLUMN push_tally.fate IS 'stored counts alarms, repeated repetitions, unknown_code those of both that the tables of the model do not have, queue_full pushes that were not taken, evicted entries that left the quarantine for newer ones; the others are entries of the quarantine.';
COMMENT ON COLUMN push_tally.pushes IS 'How many.';
