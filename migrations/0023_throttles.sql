-- What collectors found out about throttle groups.

CREATE TABLE throttle (
    name     text COLLATE "C" NOT NULL,
    owner    uuid NOT NULL,
    open     int4 NOT NULL,
    most     int4 NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, owner)
) WITH (fillfactor = 70);

COMMENT ON TABLE throttle IS 'Throttle groups with lines that are open, or that were slowed down, as each collector sees them; noted with every heartbeat.';
COMMENT ON COLUMN throttle.name IS 'The group, as in meter.throttle_group.';
COMMENT ON COLUMN throttle.owner IS 'The collector, as in line.lease_owner.';
COMMENT ON COLUMN throttle.open IS 'Lines with meters of the group that it had open.';
COMMENT ON COLUMN throttle.most IS 'Lines that it would have had open at most.';
COMMENT ON COLUMN throttle.noted_at IS 'When that was so.';
