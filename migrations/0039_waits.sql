-- Work of meters that are to call and do not is not in the queue, so that a look at the queue costs the same however many of them there are.

ALTER TABLE job ADD COLUMN waits bool NOT NULL DEFAULT false;

COMMENT ON COLUMN job.waits IS 'Nobody can use its line now: its meter is to call, and is not connected. Kept by triggers, and only true of work that is due.';

CREATE FUNCTION line_is_missing(line text) RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT line LIKE 'inbound://%' AND NOT EXISTS (SELECT FROM caller c WHERE c.line = $1 AND c.left_at IS NULL)
$$;

COMMENT ON FUNCTION line_is_missing(text) IS 'Whether a line is one that meters open, and is not there.';

CREATE FUNCTION job_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.waits := NEW.state = 'due' AND (SELECT line_is_missing(m.line) FROM meter m WHERE m.id = NEW.meter_id);
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION job_waits() IS 'Keeps new work, and work that is due again, out of the queue while its line is missing.';

CREATE TRIGGER job_waits_at_first BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION job_waits();
CREATE TRIGGER job_waits_again BEFORE UPDATE OF state ON job FOR EACH ROW
    WHEN (NEW.state = 'due' AND OLD.state <> 'due' OR OLD.waits) EXECUTE FUNCTION job_waits();

CREATE FUNCTION callers_come_and_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job j SET waits = line_is_missing(m.line) FROM changed c JOIN meter m ON m.line = c.line
    WHERE j.meter_id = m.id AND j.state = 'due' AND j.waits <> line_is_missing(m.line);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION callers_come_and_go() IS 'Puts the work of meters that call into the queue, and that of those that left out of it.';

CREATE TRIGGER caller_came AFTER INSERT ON caller REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION callers_come_and_go();
CREATE TRIGGER caller_went AFTER DELETE ON caller REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION callers_come_and_go();

CREATE FUNCTION caller_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Heartbeats change a caller, too, and nothing of this.
    UPDATE job j SET waits = line_is_missing(m.line)
    FROM changed c JOIN before b ON b.line = c.line AND (b.left_at IS NULL) <> (c.left_at IS NULL) JOIN meter m ON m.line = c.line
    WHERE j.meter_id = m.id AND j.state = 'due' AND j.waits <> line_is_missing(m.line);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION caller_changes() IS 'The same when a caller that is known calls again or leaves.';

CREATE TRIGGER caller_changed AFTER UPDATE ON caller REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION caller_changes();

CREATE FUNCTION meter_has_other_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job j SET waits = line_is_missing(NEW.line)
    WHERE j.meter_id = NEW.id AND j.state = 'due' AND j.waits <> line_is_missing(NEW.line);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meter_has_other_line() IS 'The same when a meter is reached over another line.';

CREATE TRIGGER meter_changes_line AFTER UPDATE OF line, address ON meter FOR EACH ROW WHEN (OLD.line <> NEW.line)
    EXECUTE FUNCTION meter_has_other_line();

UPDATE job j SET waits = true FROM meter m WHERE m.id = j.meter_id AND j.state = 'due' AND line_is_missing(m.line);

DROP INDEX job_queue;
CREATE INDEX job_queue ON job (priority DESC, wanted_by, due_at) WHERE state = 'due' AND NOT waits;
