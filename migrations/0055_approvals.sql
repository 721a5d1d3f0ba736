-- Orders that need a second person.

ALTER TABLE command
    ADD COLUMN approved_by text CHECK (length(approved_by) BETWEEN 1 AND 256),
    ADD COLUMN approved_at timestamptz,
    ADD CHECK ((approved_by IS NULL) = (approved_at IS NULL));

COMMENT ON COLUMN command.approved_by IS 'Who approved it, as the certificate says, and never who ordered it; NULL where it needs no second person, or waits for one.';
COMMENT ON COLUMN command.approved_at IS 'When that was.';
COMMENT ON COLUMN command.job_id IS 'The job that carries it out; NULL while it waits for a second person, and once old jobs are deleted.';

CREATE FUNCTION command_has_second_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'awaiting_approval' AND NEW.state = 'accepted' AND (NEW.approved_by IS NULL
        OR NEW.approved_by = (SELECT principal FROM command_order WHERE id = NEW.order_id)) THEN
        RAISE EXCEPTION 'command % needs another person than the one who ordered it', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION command_has_second_person() IS 'Refuses to accept an order that needs two persons without a second one.';

CREATE TRIGGER command_has_second_person BEFORE UPDATE OF state ON command
    FOR EACH ROW EXECUTE FUNCTION command_has_second_person();

COMMENT ON COLUMN concentrator_node.identity IS
    'What else the concentrator says it is: a logical device name, a serial number, the number of a measuring point; NULL when it says nothing.';
