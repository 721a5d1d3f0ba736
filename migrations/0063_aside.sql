-- Work that nobody can take now stands aside, behind what it waits for, so that a look at the queue passes over it once and not again and again.

ALTER TABLE job ADD COLUMN behind text COLLATE "C";

COMMENT ON COLUMN job.behind IS 'What planned work stands aside for that is due: the line or the throttle group that is taken, or the process that has the connection of its meter. NULL of work that is in the queue. Says nothing of work that is not due.';

DROP INDEX job_queue;
CREATE INDEX job_queue ON job (priority DESC, wanted_by, due_at) WHERE state = 'due' AND NOT waits AND behind IS NULL;
CREATE INDEX job_aside ON job (behind, priority DESC, wanted_by, due_at) WHERE state = 'due' AND behind IS NOT NULL;

CREATE FUNCTION caller_elsewhere(line text, process uuid) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.owner::text FROM caller c
    WHERE (line LIKE 'inbound://%' OR line LIKE 'concentrator://%') AND c.line = called_line($1) AND c.left_at IS NULL AND c.owner <> process
$$;

COMMENT ON FUNCTION caller_elsewhere(text, uuid) IS 'The process that has the connection of a line which meters or concentrators open, when that is another one.';

-- The nodes of a concentrator that calls wait with it.

CREATE FUNCTION lines_over(line text) RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT $1 UNION ALL SELECT m.line FROM meter m WHERE address_line(m.address) = $1 AND m.line = 'concentrator://' || m.serial
$$;

COMMENT ON FUNCTION lines_over(text) IS 'The lines that the connection of a caller carries: its own, and that of the concentrator that it is.';

CREATE OR REPLACE FUNCTION line_is_missing(line text) RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (line LIKE 'inbound://%' OR line LIKE 'concentrator://%') AND coalesce(called_line($1), '') LIKE 'inbound://%'
        AND NOT EXISTS (SELECT FROM caller c WHERE c.line = called_line($1) AND c.left_at IS NULL)
$$;

COMMENT ON FUNCTION line_is_missing(text) IS 'Whether a line is one that meters or concentrators open, and is not there.';

CREATE OR REPLACE FUNCTION job_waits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    NEW.waits := false;
    NEW.behind := NULL;
    IF NEW.state = 'due' THEN
        SELECT m.line INTO line FROM meter m WHERE m.id = NEW.meter_id;
        -- Of most lines their beginning says enough, and a call costs more than all else here.
        NEW.waits := (line LIKE 'inbound://%' OR line LIKE 'concentrator://%') AND line_is_missing(line);
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION queue_again(lines text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE job j SET waits = line_is_missing(m.line), behind = NULL FROM meter m
    WHERE m.line = ANY (lines) AND j.meter_id = m.id AND j.state = 'due' AND (j.waits <> line_is_missing(m.line) OR j.behind IS NOT NULL)
$$;

COMMENT ON FUNCTION queue_again(text[]) IS 'Looks again at what is due of the meters of these lines: out of the queue while the line is missing, else in it.';

CREATE OR REPLACE FUNCTION callers_come_and_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM queue_again(ARRAY(SELECT lines_over(c.line) FROM changed c));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION caller_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Heartbeats change a caller, too, and nothing of this.
    PERFORM queue_again(ARRAY(
        SELECT lines_over(c.line) FROM changed c JOIN before b ON b.line = c.line
        WHERE (b.left_at IS NULL) <> (c.left_at IS NULL) OR b.owner <> c.owner));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION meter_has_other_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job j SET waits = line_is_missing(NEW.line), behind = NULL
    WHERE j.meter_id = NEW.id AND j.state = 'due' AND (j.waits <> line_is_missing(NEW.line) OR j.behind IS NOT NULL);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meter_has_other_line() IS 'The same when a meter is reached over another line, or is in another throttle group.';

DROP TRIGGER meter_changes_line ON meter;
CREATE TRIGGER meter_changes_line AFTER UPDATE OF line, address, throttle_group ON meter FOR EACH ROW
    WHEN (OLD.line <> NEW.line OR OLD.throttle_group IS DISTINCT FROM NEW.throttle_group) EXECUTE FUNCTION meter_has_other_line();

CREATE FUNCTION concentrator_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM queue_again(ARRAY[NEW.line]);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION concentrator_moves() IS 'The same of a concentrator and its nodes when it is found at another address.';

CREATE TRIGGER concentrator_moved AFTER UPDATE OF address ON meter FOR EACH ROW
    WHEN (NEW.line = 'concentrator://' || NEW.serial AND OLD.address <> NEW.address) EXECUTE FUNCTION concentrator_moves();

SELECT queue_again(ARRAY(SELECT DISTINCT line FROM meter WHERE line LIKE 'concentrator://%'));
