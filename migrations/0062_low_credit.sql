-- Credit that is low by a level of the head-end's own.

CREATE TABLE credit_state (
    meter_id  int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    obis      bytea NOT NULL CHECK (octet_length(obis) = 6),
    is_low    bool NOT NULL DEFAULT false,
    judged_ts timestamptz NOT NULL,
    before_ts timestamptz,
    PRIMARY KEY (meter_id, obis),
    CHECK (before_ts <= judged_ts)
) WITH (fillfactor = 70);

COMMENT ON TABLE credit_state IS
    'Whether what remains of the prepaid energy of a meter is low. Each value is judged once, in the order of time, in the transaction that stores it.';
COMMENT ON COLUMN credit_state.meter_id IS 'The meter.';
COMMENT ON COLUMN credit_state.obis IS 'Logical name of the register with what remains, 6 octets.';
COMMENT ON COLUMN credit_state.is_low IS
    'It fell below the level (event credit.low) and has not come far enough above it since (event credit.restored).';
COMMENT ON COLUMN credit_state.judged_ts IS 'Time of the latest value that was judged: what is not later is known, or came late and says nothing of now.';
COMMENT ON COLUMN credit_state.before_ts IS
    'What judged_ts was before, so that whoever moves it on learns from where in the same statement; NULL as long as there was nothing before.';

COMMENT ON COLUMN event.log IS 'Logical name of the meter''s log, or of the register that tells of it, 6 octets.';
COMMENT ON COLUMN event.code IS
    'Code in the log, or the value of one bit of a status word; of a register that is read a bit that is not set any more is negative. Of credit 1 when it became low, -1 when it is not any more.';
COMMENT ON COLUMN event.logged IS 'What the entry of the log holds: the code, or the whole status word. Of credit what the register showed, the meter''s own integer.';
COMMENT ON COLUMN event.meter_ts IS
    'When it happened, by the meter''s clock; NULL when that shows no time that there is. Of what registers tell: when it was seen, by the head-end''s clock.';
