-- Line captures: what went over a line, octet by octet, for a limited time, as a file for whoever looks for a fault.

CREATE TABLE line_capture (
    id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id   int4 REFERENCES meter (id) ON DELETE CASCADE,
    address    text CHECK (length(address) BETWEEN 1 AND 256),
    until      timestamptz NOT NULL,
    octets_max int4 NOT NULL CHECK (octets_max BETWEEN 1024 AND 16777216),
    octets     int4 NOT NULL DEFAULT 0,
    packets    int4 NOT NULL DEFAULT 0,
    is_full    bool NOT NULL DEFAULT false,
    set_by     text NOT NULL CHECK (length(set_by) BETWEEN 1 AND 256),
    set_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(meter_id, address) = 1),
    CHECK (until <= set_at + interval '24 hours')
);

COMMENT ON TABLE line_capture IS 'What was or is captured of the conversation with a meter or over a line; kept for a week.';
COMMENT ON COLUMN line_capture.id IS 'Key.';
COMMENT ON COLUMN line_capture.meter_id IS 'The meter; NULL when a line is meant.';
COMMENT ON COLUMN line_capture.address IS 'The address of the line as in meter.address, whichever meter is behind it; NULL when a meter is meant.';
COMMENT ON COLUMN line_capture.until IS 'When it ends by itself, at most a day after it began, or was ended.';
COMMENT ON COLUMN line_capture.octets_max IS 'Octets of its packets together, and 64 for each, with which it is full.';
COMMENT ON COLUMN line_capture.octets IS 'Octets of its packets together, and 64 for each.';
COMMENT ON COLUMN line_capture.packets IS 'Its packets.';
COMMENT ON COLUMN line_capture.is_full IS 'Whether something did not fit any more, with which it ended.';
COMMENT ON COLUMN line_capture.set_by IS 'The principal who began it.';
COMMENT ON COLUMN line_capture.set_at IS 'When it began.';

CREATE TABLE line_capture_packet (
    capture_id int8 NOT NULL REFERENCES line_capture (id) ON DELETE CASCADE,
    number     int8 GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL,
    line       text NOT NULL,
    carrier    text NOT NULL CHECK (carrier IN ('tcp', 'udp', 'serial')),
    what       text NOT NULL CHECK (what IN ('opened', 'sent', 'received')),
    octets     bytea NOT NULL,
    PRIMARY KEY (capture_id, number)
);

COMMENT ON TABLE line_capture_packet IS 'Something that happened on a line while it was captured.';
COMMENT ON COLUMN line_capture_packet.capture_id IS 'The capture.';
COMMENT ON COLUMN line_capture_packet.number IS 'Its place: what happened on one line has ascending numbers.';
COMMENT ON COLUMN line_capture_packet.at IS 'When.';
COMMENT ON COLUMN line_capture_packet.line IS 'The address of the meter.';
COMMENT ON COLUMN line_capture_packet.carrier IS 'What carried it: a stream over a network, datagrams, or something that is or is shown as a serial line.';
COMMENT ON COLUMN line_capture_packet.what IS 'The line was opened, octets were sent, octets were received.';
COMMENT ON COLUMN line_capture_packet.octets IS 'The octets, with * in place of what may be secret.';
