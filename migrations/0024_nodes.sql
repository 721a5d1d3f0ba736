-- What concentrators say stands behind them.

ALTER TYPE job_kind ADD VALUE 'list_nodes';

ALTER TABLE meter ADD COLUMN nodes_tried_at timestamptz;

COMMENT ON COLUMN meter.nodes_tried_at IS 'When the last planned look at the nodes of a concentrator ended, well or badly; the next is planned from here. NULL for any other meter.';

CREATE TABLE concentrator_node (
    concentrator_id int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    node            text COLLATE "C" NOT NULL CHECK (length(node) BETWEEN 1 AND 64),
    identity        text,
    linked          boolean NOT NULL,
    phase           int2 CHECK (phase BETWEEN 1 AND 3),
    level           int2 CHECK (level BETWEEN 0 AND 255),
    first_seen      timestamptz NOT NULL DEFAULT now(),
    last_seen       timestamptz,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (concentrator_id, node)
) WITH (fillfactor = 70);

COMMENT ON TABLE concentrator_node IS 'Nodes that a concentrator has named. One whose address no meter has is in quarantine: nothing is read of it. A lost one stays.';
COMMENT ON COLUMN concentrator_node.concentrator_id IS 'The concentrator.';
COMMENT ON COLUMN concentrator_node.node IS 'Its name there: what stands behind the serial number of the concentrator in the address of the meter.';
COMMENT ON COLUMN concentrator_node.identity IS 'What else the concentrator says it is: a logical device name, a serial number; NULL when it says nothing.';
COMMENT ON COLUMN concentrator_node.linked IS 'Whether the concentrator reached it when it was asked last. Says nothing about the meter when the concentrator itself is not reached.';
COMMENT ON COLUMN concentrator_node.phase IS 'Phase of the supply that it is on; NULL when the concentrator does not say.';
COMMENT ON COLUMN concentrator_node.level IS 'Repeaters between it and the concentrator; NULL when the concentrator does not say.';
COMMENT ON COLUMN concentrator_node.first_seen IS 'When it was named for the first time.';
COMMENT ON COLUMN concentrator_node.last_seen IS 'When it was last named as linked; NULL when it never was.';
COMMENT ON COLUMN concentrator_node.changed_at IS 'When it was found, got lost or came back, as far as we know.';
