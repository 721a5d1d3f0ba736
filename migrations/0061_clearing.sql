-- Orders to clear meters, and what these held before.

ALTER TYPE command_kind ADD VALUE 'clear';
ALTER TYPE command_outcome ADD VALUE 'cleared';

CREATE TABLE command_holding (
    command_id int8 NOT NULL REFERENCES command (id),
    meter_id   int4 NOT NULL REFERENCES meter (id),
    obis       bytea NOT NULL CHECK (octet_length(obis) = 6),
    attribute  int2 NOT NULL,
    class_id   int4 NOT NULL,
    ts         timestamptz NOT NULL,
    value      int8 NOT NULL,
    scaler     int2 NOT NULL,
    unit       int2 NOT NULL,
    PRIMARY KEY (command_id, meter_id, obis)
);

COMMENT ON TABLE command_holding IS 'What a meter and its sub-units held when an order to clear them was about to be sent: read, and stored here and among the readings, before that. Kept for ever, like its command.';
COMMENT ON COLUMN command_holding.command_id IS 'The order that clears it.';
COMMENT ON COLUMN command_holding.meter_id IS 'Whose register it is: the meter of the order, or one of its sub-units.';
COMMENT ON COLUMN command_holding.obis IS 'Logical name of the register, 6 octets.';
COMMENT ON COLUMN command_holding.attribute IS 'Attribute that was read.';
COMMENT ON COLUMN command_holding.class_id IS 'Interface class.';
COMMENT ON COLUMN command_holding.ts IS 'When it was read, by our clock.';
COMMENT ON COLUMN command_holding.value IS 'The meter''s own integer.';
COMMENT ON COLUMN command_holding.scaler IS 'The value times ten to the power of the scaler is in the unit.';
COMMENT ON COLUMN command_holding.unit IS 'Unit by its number in IEC 62056-6-2; 255 for none.';

-- Kinds are compared as texts: the new one is no value yet in the transaction that adds it.
CREATE FUNCTION command_is_for_two_persons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind::text = 'clear' AND NEW.state <> 'awaiting_approval' THEN
        RAISE EXCEPTION 'an order to clear a meter waits for a second person' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION command_is_for_two_persons() IS 'Refuses an order that one person alone can not give, whatever the server is configured to.';

CREATE TRIGGER command_is_for_two_persons BEFORE INSERT ON command
    FOR EACH ROW EXECUTE FUNCTION command_is_for_two_persons();

CREATE OR REPLACE FUNCTION command_waits(job int8) RETURNS bool LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM command c JOIN meter m ON m.id = c.meter_id
        JOIN command before ON before.meter_id IN (c.meter_id, m.parent_id) AND before.id < c.id
        WHERE c.job_id = job AND before.finished_at IS NULL
            AND before.state IN ('accepted', 'sending', 'unknown') AND before.not_before <= now()
            AND CASE WHEN before.meter_id = c.meter_id THEN
                c.kind::text IN ('disconnect', 'reconnect', 'force_reconnect', 'release_tamper_lock')
                    AND before.kind::text IN ('disconnect', 'reconnect', 'force_reconnect', 'release_tamper_lock')
                OR c.kind::text = 'set_parameter' AND before.kind::text = 'set_parameter'
                OR c.kind::text = 'set_times' AND before.kind::text = 'set_times'
                OR c.kind::text IN ('buy_credit', 'clear') AND before.kind::text IN ('buy_credit', 'clear')
                OR c.kind::text IN ('close_billing_period', 'reset_demand')
                    AND before.kind::text IN ('close_billing_period', 'reset_demand')
            ELSE c.kind::text IN ('buy_credit', 'clear') AND before.kind::text = 'clear' END)
$$;

COMMENT ON FUNCTION command_waits(int8) IS
    'Whether an order to the switch, to the parameters, to the credit, or to reset something, of the same meter that was accepted earlier has to come to its end before: a disconnect that was delayed must not undo the reconnect after it, a purchase is lost when the one after it is taken first, and what is bought after a meter was to be cleared must not be cleared with it, of the meter or of that whose sub-unit it is.';
