-- What was known at a time stays what it was: whatever comes to count does so later than every instant that was asked about before.
--
-- A transaction shows itself to others when it gets its number, and what it stores bears a time behind that. Who asks when nobody writes knows all there is up
-- to now; who asks while somebody does, all there is up to the beginning of that.

CREATE FUNCTION storing_at() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN clock_timestamp() END
$$;

COMMENT ON FUNCTION storing_at() IS 'The time at which something comes to count that is being stored: now, after the transaction has got its number.';

CREATE FUNCTION known_until(OUT asked_at timestamptz, OUT until timestamptz) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- First, because whoever gets a number after this stores something later.
    asked_at := clock_timestamp();
    -- Sessions of other roles do not say when they began unless ours may read all statistics. What the server does by itself has no role.
    SELECT nullif(least(asked_at, min(CASE WHEN a.xact_start IS NULL AND a.state IS NULL THEN '-infinity' ELSE a.xact_start END) - interval '1 microsecond'),
        '-infinity') INTO until
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid();
END
$$;

COMMENT ON FUNCTION known_until() IS
    'Up to when nothing that still comes can count as known, and the time of asking, which it is when nobody writes; NULL when somebody writes of whom we may not know since when.';

-- A default that has to be asked for each row makes a COPY slow that does not bring the column; that of the program does.
ALTER TABLE profile_row ALTER COLUMN stored_at SET DEFAULT storing_at();
ALTER TABLE profile_row_rev ALTER COLUMN seen_at SET DEFAULT storing_at();
ALTER TABLE reading_flag ALTER COLUMN raised_at SET DEFAULT storing_at();
ALTER TABLE meter_ratio ALTER COLUMN stored_at SET DEFAULT storing_at();
ALTER TABLE meter ALTER COLUMN created_at SET DEFAULT storing_at();

ALTER TABLE register_row ADD COLUMN stored_at timestamptz;
ALTER TABLE register_row ALTER COLUMN stored_at SET DEFAULT storing_at();

COMMENT ON COLUMN register_row.stored_at IS 'When it was stored; NULL when that was before it was noted, and stands for ts.';

CREATE TABLE meter_was (
    meter_id   int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    until      timestamptz NOT NULL DEFAULT storing_at(),
    model      text NOT NULL,
    zone       text NOT NULL,
    parent_id  int4,
    retired_at timestamptz,
    PRIMARY KEY (meter_id, until)
);

COMMENT ON TABLE meter_was IS 'What the inventory said of meters before it was changed, as far as bills show it.';
COMMENT ON COLUMN meter_was.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_was.until IS 'When the row was replaced: it counted from the one before on until then.';
COMMENT ON COLUMN meter_was.model IS 'As in meter.';
COMMENT ON COLUMN meter_was.zone IS 'As in meter.';
COMMENT ON COLUMN meter_was.parent_id IS 'As in meter.';
COMMENT ON COLUMN meter_was.retired_at IS 'As in meter.';

CREATE FUNCTION keep_meter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO meter_was (meter_id, model, zone, parent_id, retired_at)
    VALUES (OLD.id, OLD.model, OLD.zone, OLD.parent_id, OLD.retired_at);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION keep_meter() IS 'Keeps in meter_was what the row of a meter said.';

CREATE TRIGGER keep_meter AFTER UPDATE OF model, zone, parent_id, retired_at ON meter FOR EACH ROW
    WHEN ((OLD.model, OLD.zone, OLD.parent_id, OLD.retired_at) IS DISTINCT FROM (NEW.model, NEW.zone, NEW.parent_id, NEW.retired_at))
    EXECUTE FUNCTION keep_meter();

CREATE TABLE model_profile (
    model    text NOT NULL,
    obis     bytea NOT NULL CHECK (octet_length(obis) = 6),
    period_s int4 NOT NULL CHECK (period_s > 0),
    since    timestamptz NOT NULL DEFAULT storing_at(),
    until    timestamptz,
    PRIMARY KEY (model, obis, since)
);

COMMENT ON TABLE model_profile IS 'The load profiles that models name, each for the time for which they did: a bill says that of a profile everything is missing that was never read.';
COMMENT ON COLUMN model_profile.model IS 'Name of the model.';
COMMENT ON COLUMN model_profile.obis IS 'Logical name of the profile, 6 octets.';
COMMENT ON COLUMN model_profile.period_s IS 'Its capture period in seconds.';
COMMENT ON COLUMN model_profile.since IS 'When the program first started with a model that names it so.';
COMMENT ON COLUMN model_profile.until IS 'When it first started with one that does not; NULL while it does.';
