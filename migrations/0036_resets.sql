-- Orders to end billing periods and to reset maximum demands.

ALTER TYPE command_kind ADD VALUE 'close_billing_period';
ALTER TYPE command_kind ADD VALUE 'reset_demand';
ALTER TYPE command_outcome ADD VALUE 'billing_period_closed';
ALTER TYPE command_outcome ADD VALUE 'demand_reset';

ALTER TABLE command ADD COLUMN baseline int8;

COMMENT ON COLUMN command.baseline IS
    'What the meter''s counter showed before anything was sent, of an order that moves it by one: kept by its first attempt before it sends, and never changed. NULL for others, and as long as nothing was kept.';

-- Kinds are compared as texts: the new ones are no values yet in the transaction that adds them.
CREATE OR REPLACE FUNCTION command_waits(job int8) RETURNS bool LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM command c JOIN command before ON before.meter_id = c.meter_id AND before.id < c.id
        WHERE c.job_id = job AND before.finished_at IS NULL
            AND before.state IN ('accepted', 'sending', 'unknown') AND before.not_before <= now()
            AND (c.kind IN ('disconnect', 'reconnect', 'release_tamper_lock')
                    AND before.kind IN ('disconnect', 'reconnect', 'release_tamper_lock')
                OR c.kind::text = 'set_parameter' AND before.kind::text = 'set_parameter'
                OR c.kind::text IN ('close_billing_period', 'reset_demand')
                    AND before.kind::text IN ('close_billing_period', 'reset_demand')))
$$;

COMMENT ON FUNCTION command_waits(int8) IS
    'Whether an order to the switch, to the parameters, or to reset something, of the same meter that was accepted earlier has to come to its end before: a disconnect that was delayed must not undo the reconnect after it.';
