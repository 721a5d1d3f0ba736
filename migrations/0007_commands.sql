-- What people and systems order, what became of it, and who did what.

CREATE TYPE command_kind AS ENUM ('disconnect', 'reconnect', 'release_tamper_lock', 'push_tariff', 'install_firmware');
CREATE TYPE command_state AS ENUM (
    'accepted', 'awaiting_approval', 'quarantined', 'sending', 'unknown', 'confirmed', 'refused', 'expired', 'cancelled');
CREATE TYPE command_outcome AS ENUM (
    'disconnected', 'connected', 'ready_for_reconnection', 'lock_released', 'tariff_active', 'tariff_scheduled',
    'firmware_active', 'firmware_scheduled');

ALTER TYPE job_kind ADD VALUE 'command';
ALTER TYPE failure_reason ADD VALUE 'not_effective';
ALTER TYPE failure_reason ADD VALUE 'deadline_passed';
ALTER TYPE failure_reason ADD VALUE 'image_mismatch';

CREATE TABLE command_order (
    id              uuid PRIMARY KEY,
    principal       text NOT NULL CHECK (length(principal) BETWEEN 1 AND 256),
    idempotency_key text COLLATE "C" NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    kind            command_kind NOT NULL,
    fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    arguments       bytea CHECK (octet_length(arguments) <= 1048576),
    reason          text NOT NULL CHECK (length(reason) <= 1000),
    request_id      uuid NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (principal, idempotency_key)
);

COMMENT ON TABLE command_order IS 'What somebody ordered, for one meter or a short list. Kept for ever, like its commands.';
COMMENT ON COLUMN command_order.id IS 'Key.';
COMMENT ON COLUMN command_order.principal IS 'Who ordered it, as the certificate says.';
COMMENT ON COLUMN command_order.idempotency_key IS 'The caller''s own name for the order: the same one again orders nothing.';
COMMENT ON COLUMN command_order.kind IS 'What is to be done.';
COMMENT ON COLUMN command_order.fingerprint IS 'SHA-256 of everything that was ordered: a key that comes again has to come with the same.';
COMMENT ON COLUMN command_order.arguments IS 'What the kind needs beside meter and time, as encoded message of ami.v1; NULL when it needs nothing.';
COMMENT ON COLUMN command_order.reason IS 'Why, in the words of who ordered it.';
COMMENT ON COLUMN command_order.request_id IS 'The request that brought it.';
COMMENT ON COLUMN command_order.created_at IS 'When it was accepted.';

CREATE TABLE command (
    id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id       uuid NOT NULL REFERENCES command_order (id),
    meter_id       int4 NOT NULL REFERENCES meter (id),
    kind           command_kind NOT NULL,
    state          command_state NOT NULL DEFAULT 'accepted',
    priority       int2 NOT NULL,
    not_before     timestamptz NOT NULL,
    deadline       timestamptz NOT NULL CHECK (deadline > not_before),
    job_id         int8 UNIQUE REFERENCES job (id) ON DELETE SET NULL,
    in_doubt       bool NOT NULL DEFAULT false,
    outcome        command_outcome,
    failure        failure_reason,
    detail         text,
    progress_done  int4 NOT NULL DEFAULT 0 CHECK (progress_done BETWEEN 0 AND progress_total),
    progress_total int4 NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    sent_at        timestamptz,
    finished_at    timestamptz,
    UNIQUE (order_id, meter_id),
    CHECK ((state = 'confirmed') = (outcome IS NOT NULL)),
    CHECK (finished_at IS NULL OR state IN ('unknown', 'confirmed', 'refused', 'expired', 'cancelled')),
    CHECK (finished_at IS NOT NULL OR state NOT IN ('confirmed', 'refused', 'expired', 'cancelled'))
) WITH (fillfactor = 70);

CREATE INDEX command_of_meter ON command (meter_id, id);
CREATE INDEX command_waiting ON command (deadline) WHERE state IN ('accepted', 'awaiting_approval', 'quarantined');
CREATE INDEX command_open ON command (id) WHERE finished_at IS NULL;

COMMENT ON TABLE command IS 'The part of an order that is one meter''s, and its life: see docs/data-model.md.';
COMMENT ON COLUMN command.id IS 'Key.';
COMMENT ON COLUMN command.order_id IS 'The order it is part of.';
COMMENT ON COLUMN command.meter_id IS 'The meter.';
COMMENT ON COLUMN command.kind IS 'What is to be done.';
COMMENT ON COLUMN command.state IS 'Where it stands.';
COMMENT ON COLUMN command.priority IS 'Priority of its job: higher goes first and steps in between two blocks of what runs.';
COMMENT ON COLUMN command.not_before IS 'Nothing is sent before.';
COMMENT ON COLUMN command.deadline IS 'Nothing is sent after.';
COMMENT ON COLUMN command.job_id IS 'The job that carries it out; NULL once old jobs are deleted.';
COMMENT ON COLUMN command.in_doubt IS 'Whether an attempt may have sent something and nobody knows what came of it: the next one begins by reading.';
COMMENT ON COLUMN command.outcome IS 'What the meter showed when it was read back; set when it is confirmed.';
COMMENT ON COLUMN command.failure IS 'Why it was refused or the last attempt failed.';
COMMENT ON COLUMN command.detail IS 'The same for a person: what happened and what to do.';
COMMENT ON COLUMN command.progress_done IS 'Steps done, of progress_total; 0 of 0 when it has no steps.';
COMMENT ON COLUMN command.progress_total IS 'Steps there are.';
COMMENT ON COLUMN command.created_at IS 'When it was accepted.';
COMMENT ON COLUMN command.sent_at IS 'When an attempt was first armed: from then on something may have been sent.';
COMMENT ON COLUMN command.finished_at IS 'When nothing more was going to be done by itself.';

CREATE TABLE command_change (
    id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id int8 NOT NULL REFERENCES command (id),
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    state      command_state NOT NULL,
    what       text,
    value      text,
    done       int4 NOT NULL,
    total      int4 NOT NULL
);

CREATE INDEX command_change_of_command ON command_change (command_id, id);

COMMENT ON TABLE command_change IS 'The life of commands, in order: every change of state and everything that an attempt found out. Nothing is ever changed or deleted here.';
COMMENT ON COLUMN command_change.id IS 'Key. Numbers ascend in the order of the commits, because whoever inserts holds command_change_in_order() until its end: followers leave nothing out.';
COMMENT ON COLUMN command_change.command_id IS 'The command.';
COMMENT ON COLUMN command_change.at IS 'When it happened; of what an attempt found out, when it was found out.';
COMMENT ON COLUMN command_change.state IS 'The state of the command from here on.';
COMMENT ON COLUMN command_change.what IS 'What an attempt found out, such as `state before`; NULL for a change of state or progress.';
COMMENT ON COLUMN command_change.value IS 'The finding; of a change of state, its detail.';
COMMENT ON COLUMN command_change.done IS 'Steps done by then.';
COMMENT ON COLUMN command_change.total IS 'Steps there are.';

CREATE TABLE audit (
    id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    principal  text NOT NULL CHECK (length(principal) BETWEEN 1 AND 256),
    action     text NOT NULL CHECK (length(action) BETWEEN 1 AND 128),
    target     text NOT NULL CHECK (length(target) <= 512),
    outcome    text NOT NULL CHECK (length(outcome) BETWEEN 1 AND 64),
    detail     text CHECK (length(detail) <= 4096),
    request_id uuid
);

CREATE INDEX audit_at ON audit (at);

COMMENT ON TABLE audit IS 'Who did or wanted to do what. Rows are only added.';
COMMENT ON COLUMN audit.id IS 'Key.';
COMMENT ON COLUMN audit.at IS 'When.';
COMMENT ON COLUMN audit.principal IS 'Who, as the certificate says; `headend` for what the program did by itself.';
COMMENT ON COLUMN audit.action IS 'What: the name of a call of the API, or `command.` and the state that a command came to.';
COMMENT ON COLUMN audit.target IS 'To what: a serial number, or the number of a command.';
COMMENT ON COLUMN audit.outcome IS '`accepted`, or the name of the refusal; of a command, the outcome or failure.';
COMMENT ON COLUMN audit.detail IS 'One sentence for a person. Never holds a key or a password.';
COMMENT ON COLUMN audit.request_id IS 'The request; NULL for what the program did by itself.';

CREATE FUNCTION is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only added', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END
$$;

COMMENT ON FUNCTION is_only_added_to() IS 'Refuses to change or delete a row, whoever asks.';

CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION is_only_added_to();
CREATE TRIGGER command_change_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON command_change
    FOR EACH STATEMENT EXECUTE FUNCTION is_only_added_to();

CREATE FUNCTION command_change_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('command_change'));
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION command_change_in_order() IS
    'Lets one transaction after the other write the lives of commands. Take locks on rows before, never after: then nobody waits in a circle.';

CREATE TRIGGER command_change_in_order BEFORE INSERT ON command_change
    FOR EACH STATEMENT EXECUTE FUNCTION command_change_in_order();

CREATE FUNCTION command_may_become(command_state, command_state) RETURNS bool LANGUAGE sql IMMUTABLE AS $$
    SELECT $1 = $2 OR CASE $1
        WHEN 'accepted' THEN $2 IN ('sending', 'expired', 'cancelled', 'refused')
        WHEN 'awaiting_approval' THEN $2 IN ('accepted', 'expired', 'cancelled')
        WHEN 'quarantined' THEN $2 IN ('accepted', 'expired', 'cancelled')
        WHEN 'sending' THEN $2 IN ('accepted', 'unknown', 'confirmed', 'refused', 'expired')
        WHEN 'unknown' THEN $2 IN ('sending', 'confirmed', 'refused')
        ELSE false END
$$;

COMMENT ON FUNCTION command_may_become(command_state, command_state) IS 'The arrows of the life of a command; the program has the same table and a test compares them.';

CREATE FUNCTION command_waits(job int8) RETURNS bool LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM command c JOIN command before ON before.meter_id = c.meter_id AND before.id < c.id
        WHERE c.job_id = job AND c.kind IN ('disconnect', 'reconnect', 'release_tamper_lock')
            AND before.kind IN ('disconnect', 'reconnect', 'release_tamper_lock') AND before.finished_at IS NULL
            AND before.state IN ('accepted', 'sending', 'unknown') AND before.not_before <= now())
$$;

COMMENT ON FUNCTION command_waits(int8) IS
    'Whether an order to the switch of the same meter that was accepted earlier has to come to its end before: a disconnect that was delayed must not undo the reconnect after it.';

CREATE FUNCTION command_follows_its_life() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT command_may_become(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'command % is % and can not become %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION command_follows_its_life() IS 'Refuses a change of state that is no arrow of the life of a command.';

CREATE TRIGGER command_follows_its_life BEFORE UPDATE OF state ON command
    FOR EACH ROW EXECUTE FUNCTION command_follows_its_life();

CREATE FUNCTION command_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO command_change (command_id, state, value, done, total)
    VALUES (NEW.id, NEW.state, NEW.detail, NEW.progress_done, NEW.progress_total);
    IF TG_OP = 'UPDATE' AND NEW.state <> OLD.state THEN
        INSERT INTO audit (principal, action, target, outcome, detail)
        VALUES ('headend', 'command.' || NEW.state::text, 'command ' || NEW.id::text,
            coalesce(NEW.outcome::text, NEW.failure::text, NEW.state::text), left(NEW.detail, 4096));
    END IF;
    PERFORM pg_notify('command', NEW.id::text);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION command_changed() IS 'Writes the change of a command into its life and into the audit, and tells whoever watches, in the same transaction.';

CREATE TRIGGER command_changed AFTER INSERT OR UPDATE OF state, progress_done, progress_total, finished_at ON command
    FOR EACH ROW EXECUTE FUNCTION command_changed();
