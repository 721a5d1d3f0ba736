-- The log of what was stored, for those who follow readings as they come.
--
-- Transactions do not commit in the order in which they began. An entry bears the id of its transaction, and a reader goes
-- only as far as the oldest transaction that still runs: nothing can appear before that any more.

CREATE TABLE reading_batch (
    id          int8 GENERATED ALWAYS AS IDENTITY,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    meter_id    int4 NOT NULL,
    layout_id   int4,
    from_ts     timestamptz NOT NULL,
    to_ts       timestamptz NOT NULL CHECK (to_ts >= from_ts),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, id)
);

CREATE INDEX reading_batch_age ON reading_batch (recorded_at);

COMMENT ON TABLE reading_batch IS 'Readings of one meter that one transaction made or changed. Kept for some days.';
COMMENT ON COLUMN reading_batch.id IS 'Order within a transaction.';
COMMENT ON COLUMN reading_batch.xid IS 'The transaction, set by itself.';
COMMENT ON COLUMN reading_batch.meter_id IS 'The meter.';
COMMENT ON COLUMN reading_batch.layout_id IS 'Layout of the captures; NULL for register values.';
COMMENT ON COLUMN reading_batch.from_ts IS 'The earliest of them.';
COMMENT ON COLUMN reading_batch.to_ts IS 'The latest of them.';
COMMENT ON COLUMN reading_batch.recorded_at IS 'When they were stored.';

CREATE TABLE reading_batch_floor (
    only_one bool PRIMARY KEY DEFAULT true CHECK (only_one),
    xid      xid8 NOT NULL
);

INSERT INTO reading_batch_floor (xid) VALUES ('0');

COMMENT ON TABLE reading_batch_floor IS 'Up to where the log was forgotten: one row. Who wants to go on from before it is refused.';
COMMENT ON COLUMN reading_batch_floor.only_one IS 'Always true: there is one row.';
COMMENT ON COLUMN reading_batch_floor.xid IS 'The latest transaction of which entries were deleted.';
