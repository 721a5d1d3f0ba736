-- What the planner looks at: a meter when something may be due, and not all of them all the time.

CREATE TABLE meter_plan (
    meter_id int4 PRIMARY KEY REFERENCES meter (id) ON DELETE CASCADE,
    look_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX meter_plan_look ON meter_plan (look_at);

COMMENT ON TABLE meter_plan IS 'When the planner looks at each meter next. Whatever changes what may be due earlier sets it back to now.';
COMMENT ON COLUMN meter_plan.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_plan.look_at IS 'Nothing comes due before; infinity for a meter that is retired.';

INSERT INTO meter_plan (meter_id, look_at) SELECT id, CASE WHEN state = 'active' THEN now() ELSE 'infinity' END FROM meter;

CREATE FUNCTION meter_is_looked_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO meter_plan (meter_id, look_at) VALUES (NEW.id, CASE WHEN NEW.state = 'active' THEN now() ELSE 'infinity' END)
    ON CONFLICT (meter_id) DO UPDATE SET look_at = EXCLUDED.look_at;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meter_is_looked_at() IS 'Has the planner look at a meter that is new or another one than it was.';

CREATE TRIGGER meter_is_new AFTER INSERT ON meter FOR EACH ROW EXECUTE FUNCTION meter_is_looked_at();
CREATE TRIGGER meter_is_another AFTER UPDATE OF model, state, throttle_group, parent_id ON meter FOR EACH ROW
    WHEN (OLD.model <> NEW.model OR OLD.state <> NEW.state OR OLD.throttle_group IS DISTINCT FROM NEW.throttle_group
        OR OLD.parent_id IS DISTINCT FROM NEW.parent_id)
    EXECUTE FUNCTION meter_is_looked_at();
-- What depends on knowing who it is comes due then.
CREATE TRIGGER meter_is_identified AFTER UPDATE OF identified_at ON meter FOR EACH ROW
    WHEN (OLD.identified_at IS NULL AND NEW.identified_at IS NOT NULL AND NEW.state = 'active')
    EXECUTE FUNCTION meter_is_looked_at();

CREATE TABLE plan_basis (
    model  text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);

COMMENT ON TABLE plan_basis IS 'What the planner went by when it planned the meters of a model. When it is another one, it looks at all of them again.';
COMMENT ON COLUMN plan_basis.model IS 'The model.';
COMMENT ON COLUMN plan_basis.digest IS 'SHA-256 of the model and of the configuration of the planner.';
