-- Meters that could not be read: since when, why, and whether it takes a person.

CREATE TYPE trouble_cause AS ENUM ('route', 'busy', 'authentication', 'counter', 'identity', 'data');

CREATE TABLE meter_trouble (
    id           int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id     int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    scope        text COLLATE "C" NOT NULL CHECK (length(scope) <= 64),
    cause        trouble_cause NOT NULL,
    reason       failure_reason NOT NULL,
    detail       text,
    failures     int4 NOT NULL DEFAULT 1 CHECK (failures > 0),
    needs_person bool NOT NULL,
    job_id       int8 NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    last_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (meter_id, scope)
) WITH (fillfactor = 70);

CREATE INDEX meter_trouble_person ON meter_trouble (id) WHERE needs_person;

COMMENT ON TABLE meter_trouble IS 'What could not be read of a meter when it was tried last, all attempts of a job included. It ends with the first success, or when a person says that it is mended.';
COMMENT ON COLUMN meter_trouble.id IS 'Number; of a trouble that began later, a higher one.';
COMMENT ON COLUMN meter_trouble.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_trouble.scope IS 'Empty for the meter as a whole, which is not reached or does not let us in; else the kind of job that fails while others may not, with the logical name of its profile.';
COMMENT ON COLUMN meter_trouble.cause IS 'What stands behind it: route (it was not reached), busy (something refuses the connection), authentication, counter, identity (another meter is there), data.';
COMMENT ON COLUMN meter_trouble.reason IS 'Why the last job failed.';
COMMENT ON COLUMN meter_trouble.detail IS 'The same for a person: what happened and what to do.';
COMMENT ON COLUMN meter_trouble.failures IS 'Jobs that have failed since.';
COMMENT ON COLUMN meter_trouble.needs_person IS 'Time does not heal it: the meter is only tried once a day until somebody has put it right.';
COMMENT ON COLUMN meter_trouble.job_id IS 'The last job that failed.';
COMMENT ON COLUMN meter_trouble.since IS 'When the first of them failed.';
COMMENT ON COLUMN meter_trouble.last_at IS 'When the last of them failed.';
