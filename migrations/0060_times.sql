-- Orders to set the times at which meters switch their households by themselves.

ALTER TYPE command_kind ADD VALUE 'set_times';
ALTER TYPE command_outcome ADD VALUE 'times_set';

-- Kinds are compared as texts: the new one is no value yet in the transaction that adds it.
CREATE OR REPLACE FUNCTION command_waits(job int8) RETURNS bool LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM command c JOIN command before ON before.meter_id = c.meter_id AND before.id < c.id
        WHERE c.job_id = job AND before.finished_at IS NULL
            AND before.state IN ('accepted', 'sending', 'unknown') AND before.not_before <= now()
            AND (c.kind::text IN ('disconnect', 'reconnect', 'force_reconnect', 'release_tamper_lock')
                    AND before.kind::text IN ('disconnect', 'reconnect', 'force_reconnect', 'release_tamper_lock')
                OR c.kind::text = 'set_parameter' AND before.kind::text = 'set_parameter'
                OR c.kind::text = 'buy_credit' AND before.kind::text = 'buy_credit'
                OR c.kind::text = 'set_times' AND before.kind::text = 'set_times'
                OR c.kind::text IN ('close_billing_period', 'reset_demand')
                    AND before.kind::text IN ('close_billing_period', 'reset_demand')))
$$;
