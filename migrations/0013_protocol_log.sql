-- Knobs of the protocol log: whose conversation with the head-end is written to its log, for a limited time.

CREATE TABLE protocol_log (
    id          int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id    int4 UNIQUE REFERENCES meter (id) ON DELETE CASCADE,
    address     text UNIQUE CHECK (length(address) BETWEEN 1 AND 256),
    application bool NOT NULL,
    frame       bool NOT NULL,
    bytes       bool NOT NULL,
    until       timestamptz NOT NULL,
    set_by      text NOT NULL CHECK (length(set_by) BETWEEN 1 AND 256),
    set_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(meter_id, address) = 1),
    CHECK (application OR frame OR bytes),
    CHECK (until <= set_at + interval '24 hours')
);

COMMENT ON TABLE protocol_log IS 'Whose conversation with the head-end is logged now, and which parts of it; a row means nothing after its time.';
COMMENT ON COLUMN protocol_log.id IS 'Key.';
COMMENT ON COLUMN protocol_log.meter_id IS 'The meter; NULL when a line is meant.';
COMMENT ON COLUMN protocol_log.address IS 'The address of the line, host:port, whichever meter is behind it; NULL when a meter is meant.';
COMMENT ON COLUMN protocol_log.application IS 'Whether each request and what came of it is logged.';
COMMENT ON COLUMN protocol_log.frame IS 'Whether each frame is logged.';
COMMENT ON COLUMN protocol_log.bytes IS 'Whether the octets on the line are logged; what may be secret is hidden.';
COMMENT ON COLUMN protocol_log.until IS 'When it ends by itself, at most a day after it was set.';
COMMENT ON COLUMN protocol_log.set_by IS 'The principal who set it.';
COMMENT ON COLUMN protocol_log.set_at IS 'When it was set.';
