-- The ledger of gaps: what is lost of profiles, and the order in which holes are filled.

CREATE TYPE profile_loss_cause AS ENUM ('overwritten', 'before_first', 'not_recorded', 'given_up');

CREATE TABLE profile_loss (
    id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id   int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    obis       bytea NOT NULL CHECK (octet_length(obis) = 6),
    cause      profile_loss_cause NOT NULL,
    after_ts   timestamptz NOT NULL,
    until_ts   timestamptz NOT NULL,
    job_id     int8,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (after_ts < until_ts),
    UNIQUE (meter_id, obis, after_ts)
);

CREATE INDEX profile_loss_until ON profile_loss (obis, until_ts);

COMMENT ON TABLE profile_loss IS 'Time of which a meter holds no captures: it is covered, and not asked for again. What comes to light in it after all is taken out.';
COMMENT ON COLUMN profile_loss.id IS 'Number; a later one is higher.';
COMMENT ON COLUMN profile_loss.meter_id IS 'The meter.';
COMMENT ON COLUMN profile_loss.obis IS 'Logical name of the profile, 6 octets.';
COMMENT ON COLUMN profile_loss.cause IS 'overwritten: it was read too late. before_first: the meter holds nothing earlier. not_recorded: it holds what was before and after. given_up: it is older than the program asks for.';
COMMENT ON COLUMN profile_loss.after_ts IS 'Where it begins; a capture at this instant is not lost.';
COMMENT ON COLUMN profile_loss.until_ts IS 'Where it ends; a capture at this instant is lost.';
COMMENT ON COLUMN profile_loss.job_id IS 'The job that found it; NULL when it was given up without one.';
COMMENT ON COLUMN profile_loss.noticed_at IS 'When that was stored.';

ALTER TABLE job
    ADD COLUMN wanted_by timestamptz NOT NULL DEFAULT 'infinity',
    ADD COLUMN kept_s int8 CHECK (kept_s > 0);

COMMENT ON COLUMN job.priority IS 'Higher goes first; 0 is what the program planned by itself, -5 what it planned to fill holes.';
COMMENT ON COLUMN job.wanted_by IS 'By when it is wanted: of two jobs with the same priority the one that is wanted earlier goes first. Of a hole, when the meter overwrites it.';
COMMENT ON COLUMN job.kept_s IS 'How many seconds the meter keeps a capture of the profile, by its model; NULL where that is not known.';

DROP INDEX job_queue;
CREATE INDEX job_queue ON job (priority DESC, wanted_by, due_at) WHERE state = 'due';
CREATE UNIQUE INDEX job_hole ON job (meter_id, obis, from_ts) WHERE state IN ('due', 'running') AND priority < 0;
