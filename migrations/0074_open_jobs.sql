-- A server that looks at its tables while there is no work believes for a while that there never is, and then would rather read all open work, as if that were
-- nothing, than look a piece of it up. So it has no index for that: the open work of a meter and an open command by its key say `finished_at IS NULL`, and
-- only who wants all open commands names their states.

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
