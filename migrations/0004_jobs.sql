-- Due work. The table is the queue: collectors lease meters and take their due jobs.

CREATE TYPE job_state AS ENUM ('due', 'running', 'done', 'failed', 'cancelled');
CREATE TYPE job_kind AS ENUM ('identify', 'read_clock', 'read_registers', 'read_profile');
CREATE TYPE failure_reason AS ENUM (
    'no_route', 'refused', 'timeout', 'line_cut', 'wrong_password', 'wrong_key', 'counter_rejected', 'counters_spent',
    'wrong_meter', 'layout_changed', 'meter_refused', 'meter_broke_rules', 'unsupported', 'cancelled');

CREATE TABLE job (
    id            int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id      int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    kind          job_kind NOT NULL,
    obis          bytea CHECK (octet_length(obis) = 6),
    from_ts       timestamptz,
    to_ts         timestamptz,
    priority      int2 NOT NULL DEFAULT 0,
    state         job_state NOT NULL DEFAULT 'due',
    due_at        timestamptz NOT NULL DEFAULT now(),
    attempts      int2 NOT NULL DEFAULT 0,
    max_attempts  int2 NOT NULL DEFAULT 5 CHECK (max_attempts BETWEEN 1 AND 100),
    lease_owner   uuid,
    reason        failure_reason,
    detail        text,
    request_id    uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    captures      int8 NOT NULL DEFAULT 0,
    bytes_on_wire int8 NOT NULL DEFAULT 0,
    CHECK (kind <> 'read_profile' OR (obis IS NOT NULL AND from_ts IS NOT NULL AND to_ts IS NOT NULL)),
    CHECK (from_ts <= to_ts),
    CHECK ((state = 'running') = (lease_owner IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'failed' OR reason IS NOT NULL)
) WITH (fillfactor = 70);

-- A planned read exists once while it waits or runs; what people order (priority above 0) may repeat.
CREATE UNIQUE INDEX job_planned ON job (meter_id, kind, coalesce(obis, ''::bytea))
    WHERE state IN ('due', 'running') AND priority = 0;
CREATE INDEX job_queue ON job (priority DESC, due_at) WHERE state = 'due';
CREATE INDEX job_open ON job (meter_id) WHERE state IN ('due', 'running');
CREATE INDEX job_of_meter ON job (meter_id, id);
CREATE INDEX job_of_request ON job (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX job_ended ON job (finished_at) WHERE finished_at IS NOT NULL;

COMMENT ON TABLE job IS 'Due work on one meter. due -> running -> done | failed, back to due when it may succeed later, cancelled on request.';
COMMENT ON COLUMN job.id IS 'Key.';
COMMENT ON COLUMN job.meter_id IS 'The meter.';
COMMENT ON COLUMN job.kind IS 'What is to be done.';
COMMENT ON COLUMN job.obis IS 'The profile to read, or the one register; NULL for all registers of the model and for other kinds.';
COMMENT ON COLUMN job.from_ts IS 'Earliest capture to read, inclusive.';
COMMENT ON COLUMN job.to_ts IS 'Latest capture to read, inclusive.';
COMMENT ON COLUMN job.priority IS 'Higher goes first; 0 is what the program planned by itself.';
COMMENT ON COLUMN job.state IS 'Where it stands.';
COMMENT ON COLUMN job.due_at IS 'Not to be started before.';
COMMENT ON COLUMN job.attempts IS 'How often it was started.';
COMMENT ON COLUMN job.max_attempts IS 'How often it may be started before it fails.';
COMMENT ON COLUMN job.lease_owner IS 'The collector that runs it; only that one may end it.';
COMMENT ON COLUMN job.reason IS 'Why the last attempt that failed did so; stays when a later one succeeded.';
COMMENT ON COLUMN job.detail IS 'The same for a person: what happened and what to do.';
COMMENT ON COLUMN job.request_id IS 'The request that ordered it; NULL for planned work.';
COMMENT ON COLUMN job.created_at IS 'When it was ordered or planned.';
COMMENT ON COLUMN job.started_at IS 'When its last attempt was started.';
COMMENT ON COLUMN job.finished_at IS 'When it came to its final state.';
COMMENT ON COLUMN job.captures IS 'Captures and register values that it brought, over all attempts, those included that were stored already.';
COMMENT ON COLUMN job.bytes_on_wire IS 'Octets sent and received by the attempt that succeeded.';
