-- A server that looked at its tables while there was no work, or did not look yet, believes that there is next to none, and then would rather read all open
-- work, as if that were nothing, than look a piece of it up. So it has no index for that: the open work of a meter and an open command by its key say
-- `finished_at IS NULL`, only who wants all open commands names their states, and the places of sub-units are no list of all meters.

DROP INDEX meter_place;
CREATE UNIQUE INDEX meter_place ON meter (parent_id, subunit, circuit) WHERE state = 'active' AND parent_id IS NOT NULL;

DROP INDEX job_open;
CREATE INDEX job_open ON job (meter_id) WHERE finished_at IS NULL;

DROP INDEX command_open;
CREATE INDEX command_open ON command (id) WHERE state IN ('accepted', 'awaiting_approval', 'quarantined', 'sending', 'unknown');

CREATE OR REPLACE FUNCTION queue_again(lines text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE job j SET waits = line_is_missing(m.line), behind = NULL FROM meter m
    WHERE m.line = ANY (lines) AND j.meter_id = m.id AND j.finished_at IS NULL AND j.state = 'due'
        AND (j.waits <> line_is_missing(m.line) OR j.behind IS NOT NULL)
$$;

CREATE OR REPLACE FUNCTION meter_has_other_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job j SET waits = line_is_missing(NEW.line), behind = NULL
    WHERE j.meter_id = NEW.id AND j.finished_at IS NULL AND j.state = 'due'
        AND (j.waits <> line_is_missing(NEW.line) OR j.behind IS NOT NULL);
    RETURN NULL;
END
$$;
