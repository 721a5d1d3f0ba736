-- Meters that open the connection themselves: who is connected, where, since when.

CREATE TABLE listener (
    owner   uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE listener IS 'Processes that meters call. What one of them says of its callers counts while it gives signs of life.';
COMMENT ON COLUMN listener.owner IS 'The process: the same number as in the leases that it takes.';
COMMENT ON COLUMN listener.seen_at IS 'Its last sign of life.';

CREATE TABLE caller (
    line     text COLLATE "C" PRIMARY KEY CHECK (line LIKE 'inbound://%' AND length(line) <= 74),
    owner    uuid NOT NULL,
    dialect  text NOT NULL,
    peer     text NOT NULL,
    since    timestamptz NOT NULL,
    ready_at timestamptz NOT NULL,
    left_at  timestamptz
) WITH (fillfactor = 70);

CREATE INDEX caller_present ON caller (owner) WHERE left_at IS NULL;

COMMENT ON TABLE caller IS 'Whoever called: a meter, its modem, or somebody who says to be one. Only the process that has the connection leases the work of its line.';
COMMENT ON COLUMN caller.line IS 'inbound:// and what it calls itself. A line without a meter is that of a stranger, and nothing comes of it.';
COMMENT ON COLUMN caller.owner IS 'The process that has, or had, the connection.';
COMMENT ON COLUMN caller.dialect IS 'How it said who it is: login, plain or gdw376 by a login or heartbeats of that kind, serial because it was asked for its serial number.';
COMMENT ON COLUMN caller.peer IS 'Where the connection came from: tcp, address and port.';
COMMENT ON COLUMN caller.since IS 'When it said so first on this connection.';
COMMENT ON COLUMN caller.ready_at IS 'From when on work of no urgency is taken up: when many call at once, they are not all read at once.';
COMMENT ON COLUMN caller.left_at IS 'When the connection ended; NULL while it is there.';

CREATE FUNCTION caller_is_here(line text, process uuid, urgent bool) RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT line NOT LIKE 'inbound://%' OR EXISTS (
        SELECT FROM caller c WHERE c.line = $1 AND c.owner = process AND c.left_at IS NULL AND (urgent OR c.ready_at <= now()))
$$;

COMMENT ON FUNCTION caller_is_here(text, uuid, bool) IS 'Whether this process can use a line: always, unless it is one that meters open.';
