-- What meters logged: each event once, whether it was read from its log, pushed, or both; and where entries of a log may be lost.

CREATE TABLE event (
    id            int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id      int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    log           bytea NOT NULL CHECK (octet_length(log) = 6),
    code          int8 NOT NULL,
    logged        int8 NOT NULL,
    meter_ts      timestamptz,
    meter_time    bytea NOT NULL CHECK (octet_length(meter_time) = 12),
    clock_status  int2 NOT NULL GENERATED ALWAYS AS (get_byte(meter_time, 11)) STORED,
    key           text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
    severity      alarm_severity NOT NULL,
    phase         int2 CHECK (phase BETWEEN 1 AND 3),
    cim           text COLLATE "C" CHECK (length(cim) BETWEEN 7 AND 23),
    authenticated bool NOT NULL,
    pushed_at     timestamptz,
    polled_at     timestamptz,
    job_id        int8,
    stored_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (pushed_at IS NOT NULL OR polled_at IS NOT NULL),
    CHECK ((polled_at IS NULL) = (job_id IS NULL)),
    CHECK (authenticated OR polled_at IS NULL)
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX event_once ON event (meter_id, log, code, meter_ts) WHERE meter_ts IS NOT NULL;
CREATE UNIQUE INDEX event_once_without_time ON event (meter_id, log, code, meter_time) WHERE meter_ts IS NULL;
CREATE INDEX event_of_meter ON event (meter_id, id);

COMMENT ON TABLE event IS 'What a meter logged, and what that means. Numbers ascend in the order of the commits, because whoever inserts holds event_order().';
COMMENT ON COLUMN event.id IS 'Number: stable, and the place in the log of events.';
COMMENT ON COLUMN event.meter_id IS 'The meter.';
COMMENT ON COLUMN event.log IS 'Logical name of the meter''s log, 6 octets.';
COMMENT ON COLUMN event.code IS 'Code in the log, or the value of one bit of a status word.';
COMMENT ON COLUMN event.logged IS 'What the entry of the log holds: the code, or the whole status word.';
COMMENT ON COLUMN event.meter_ts IS 'When it happened, by the meter''s clock; NULL when that shows no time that there is.';
COMMENT ON COLUMN event.meter_time IS 'The same as the meter has it, 12 octets.';
COMMENT ON COLUMN event.clock_status IS 'Clock status bits of that time: 0 invalid, 1 doubtful, 2 other time base, 3 invalid status, 7 summer time; 255 not given.';
COMMENT ON COLUMN event.key IS 'Canonical key, by the tables of the meter''s model; unknown when these do not have the code.';
COMMENT ON COLUMN event.severity IS 'How urgent it is, by the same tables.';
COMMENT ON COLUMN event.phase IS 'Phase that it is about, 1 to 3; NULL for none in particular.';
COMMENT ON COLUMN event.cim IS 'EndDeviceEventType of IEC 61968-9, by the table of keys; NULL when that has none.';
COMMENT ON COLUMN event.authenticated IS 'It was read from the meter''s log, or pushed under the meter''s keys. What is not authenticated may come from anybody.';
COMMENT ON COLUMN event.pushed_at IS 'When it was first pushed, by the head-end''s clock; NULL when it was not.';
COMMENT ON COLUMN event.polled_at IS 'When it was first read from the log; NULL when it was not yet.';
COMMENT ON COLUMN event.job_id IS 'The job that first read it from the log.';
COMMENT ON COLUMN event.stored_at IS 'When it was first heard of.';

CREATE FUNCTION event_order() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('event_order'))
$$;

COMMENT ON FUNCTION event_order() IS
    'One transaction after the other writes events, until its end, so that none is stored twice and whoever follows their numbers leaves nothing out.';

CREATE FUNCTION event_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_order();
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION event_in_order() IS 'Takes event_order() before the first number is drawn, whoever inserts.';

CREATE TRIGGER event_in_order BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION event_in_order();

ALTER TABLE alarm ADD COLUMN event_id int8 REFERENCES event (id) ON DELETE SET NULL;

COMMENT ON COLUMN alarm.event_id IS 'The event that it tells of; NULL as long as none is known.';

CREATE INDEX alarm_of_event ON alarm (event_id) WHERE event_id IS NOT NULL;

CREATE TYPE event_loss_cause AS ENUM ('overflow', 'cleared');

CREATE TABLE event_loss (
    id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id   int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    log        bytea NOT NULL CHECK (octet_length(log) = 6),
    cause      event_loss_cause NOT NULL,
    after_ts   timestamptz NOT NULL,
    until_ts   timestamptz,
    entries    int4 NOT NULL CHECK (entries >= 0),
    job_id     int8 NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (after_ts < until_ts),
    UNIQUE (meter_id, log, after_ts)
);

COMMENT ON TABLE event_loss IS 'A log whose latest entry known before was not there any more: entries in between may be lost.';
COMMENT ON COLUMN event_loss.id IS 'Number; a later one is higher.';
COMMENT ON COLUMN event_loss.meter_id IS 'The meter.';
COMMENT ON COLUMN event_loss.log IS 'Logical name of the log, 6 octets.';
COMMENT ON COLUMN event_loss.cause IS 'overflow: the log was full of entries that were all new. cleared: it had fewer, so it was cleared, or the clock or zone of the meter is another one.';
COMMENT ON COLUMN event_loss.after_ts IS 'Time of the latest entry that was read before.';
COMMENT ON COLUMN event_loss.until_ts IS 'Time of the earliest entry that was there instead; NULL when there was none.';
COMMENT ON COLUMN event_loss.entries IS 'Entries that were there.';
COMMENT ON COLUMN event_loss.job_id IS 'The job that found it.';
COMMENT ON COLUMN event_loss.noticed_at IS 'When that was stored.';
