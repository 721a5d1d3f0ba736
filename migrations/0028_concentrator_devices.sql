-- Concentrators as devices of their own: those that call, what they log of their nodes, and how they are found among all meters.

CREATE FUNCTION called_line(line text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN $1 LIKE 'concentrator://%' THEN (
        SELECT address_line(m.address) FROM meter m WHERE m.serial = substr($1, length('concentrator://') + 1)) ELSE $1 END
$$;

COMMENT ON FUNCTION called_line(text) IS 'The line of the connection that carries a line: of a concentrator and its nodes that of its own address, which may be one that it opens; any other itself.';

CREATE OR REPLACE FUNCTION caller_is_here(line text, process uuid, urgent bool) RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (line NOT LIKE 'inbound://%' AND line NOT LIKE 'concentrator://%') OR coalesce(called_line(line), '') NOT LIKE 'inbound://%'
        OR EXISTS (
            SELECT FROM caller c
            WHERE c.line = called_line($1) AND c.owner = process AND c.left_at IS NULL AND (urgent OR c.ready_at <= now()))
$$;

COMMENT ON FUNCTION caller_is_here(text, uuid, bool) IS 'Whether this process can use a line: always, unless it is one that meters or concentrators open.';

CREATE INDEX meter_concentrator ON meter (address_line(address)) WHERE line = 'concentrator://' || serial;

ALTER TABLE event ADD COLUMN node text COLLATE "C" CHECK (length(node) BETWEEN 1 AND 64);

COMMENT ON COLUMN event.node IS 'The node that a concentrator logged it of, as its log names it; NULL for the meter itself.';

DROP INDEX event_once, event_once_without_time;
CREATE UNIQUE INDEX event_once ON event (meter_id, log, code, meter_ts, node) NULLS NOT DISTINCT WHERE meter_ts IS NOT NULL;
CREATE UNIQUE INDEX event_once_without_time ON event (meter_id, log, code, meter_time, node) NULLS NOT DISTINCT WHERE meter_ts IS NULL;

CREATE TYPE result_state AS ENUM ('taken', 'damaged', 'doubled', 'refused');

CREATE TABLE result_file (
    id              int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    concentrator_id int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
    octets          int8 NOT NULL CHECK (octets >= 0),
    state           result_state NOT NULL,
    captures        int8 NOT NULL CHECK (captures >= 0),
    events          int8 NOT NULL CHECK (events >= 0),
    detail          text NOT NULL,
    job_id          int8 NOT NULL,
    noted_at        timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX result_file_taken ON result_file (concentrator_id, digest) WHERE state = 'taken' AND captures + events > 0;
CREATE INDEX result_file_of_concentrator ON result_file (concentrator_id, id);
CREATE INDEX result_file_noted ON result_file (noted_at);

COMMENT ON TABLE result_file IS 'Files that concentrators handed over with what they have read of their meters, and what became of each.';
COMMENT ON COLUMN result_file.id IS 'Number; a later one is higher.';
COMMENT ON COLUMN result_file.concentrator_id IS 'The concentrator in whose folder it lay.';
COMMENT ON COLUMN result_file.name IS 'Its name in that folder.';
COMMENT ON COLUMN result_file.digest IS 'SHA-256 of its octets.';
COMMENT ON COLUMN result_file.octets IS 'Its length.';
COMMENT ON COLUMN result_file.state IS 'What became of it.';
COMMENT ON COLUMN result_file.captures IS 'Captures that it brought, those included that were stored already.';
COMMENT ON COLUMN result_file.events IS 'Entries of logs that it brought, those included that were stored already.';
COMMENT ON COLUMN result_file.detail IS 'What is wrong with it, and what to do; empty when nothing is.';
COMMENT ON COLUMN result_file.job_id IS 'The number that stands as job_id beside what it brought; there is no such job.';
COMMENT ON COLUMN result_file.noted_at IS 'When that was noted, before the file was moved out of the way.';
