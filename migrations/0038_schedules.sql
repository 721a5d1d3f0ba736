-- Schedules: by when the days of a profile are wanted of a group of meters, and what came of it.

CREATE TABLE schedule (
    id             int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    obis           bytea NOT NULL CHECK (octet_length(obis) = 6),
    model          text COLLATE "C" CHECK (length(model) BETWEEN 1 AND 64),
    throttle_group text COLLATE "C" CHECK (length(throttle_group) BETWEEN 1 AND 64),
    serial_prefix  text COLLATE "C" CHECK (length(serial_prefix) BETWEEN 1 AND 64),
    zone           text NOT NULL,
    changed_at     timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE schedule IS 'Of which meters the days of a profile are wanted by when. Days begin and end at midnight in its zone.';
COMMENT ON COLUMN schedule.id IS 'Key.';
COMMENT ON COLUMN schedule.name IS 'What people call it.';
COMMENT ON COLUMN schedule.obis IS 'Logical name of the profile, 6 octets.';
COMMENT ON COLUMN schedule.model IS 'Only meters of this model; NULL for all.';
COMMENT ON COLUMN schedule.throttle_group IS 'Only meters of this group; NULL for all.';
COMMENT ON COLUMN schedule.serial_prefix IS 'Only meters whose serial number begins so; NULL for all.';
COMMENT ON COLUMN schedule.zone IS 'IANA time zone of its days and of its goals.';
COMMENT ON COLUMN schedule.changed_at IS 'When it was made or changed.';

CREATE TABLE schedule_goal (
    schedule_id int4 NOT NULL REFERENCES schedule (id) ON DELETE CASCADE,
    by_min      int2 NOT NULL CHECK (by_min BETWEEN 1 AND 2880),
    permille    int2 NOT NULL CHECK (permille BETWEEN 1 AND 1000),
    PRIMARY KEY (schedule_id, by_min)
);

COMMENT ON TABLE schedule_goal IS 'How many of the meters of a schedule have to be complete by when.';
COMMENT ON COLUMN schedule_goal.schedule_id IS 'The schedule.';
COMMENT ON COLUMN schedule_goal.by_min IS 'By when: minutes on the clock after the midnight that ends the day.';
COMMENT ON COLUMN schedule_goal.permille IS 'How many of a thousand.';

CREATE TABLE schedule_day (
    schedule_id int4 NOT NULL REFERENCES schedule (id) ON DELETE CASCADE,
    day         date NOT NULL,
    members     int4 NOT NULL,
    complete    int4 NOT NULL,
    lost        int4 NOT NULL,
    troubled    int4 NOT NULL,
    per_day    int4 NOT NULL,
    noted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule_id, day)
) WITH (fillfactor = 70);

COMMENT ON TABLE schedule_day IS 'How far a schedule has come with a day, noted every minute until the next day ends.';
COMMENT ON COLUMN schedule_day.schedule_id IS 'The schedule.';
COMMENT ON COLUMN schedule_day.day IS 'The day, in the zone of the schedule.';
COMMENT ON COLUMN schedule_day.members IS 'Its meters that were in the inventory when the day ended.';
COMMENT ON COLUMN schedule_day.complete IS 'Those of which everything that they have of the day is stored.';
COMMENT ON COLUMN schedule_day.lost IS 'Those of these that have lost something of the day.';
COMMENT ON COLUMN schedule_day.troubled IS 'Those that are not complete and could not be read when they were tried last.';
COMMENT ON COLUMN schedule_day.per_day IS 'How many become complete in a day at the rate of late, of some sixteen minutes.';
COMMENT ON COLUMN schedule_day.noted_at IS 'When that was so.';

CREATE TABLE schedule_outcome (
    schedule_id int4 NOT NULL REFERENCES schedule (id) ON DELETE CASCADE,
    day         date NOT NULL,
    permille    int2 NOT NULL,
    due_at      timestamptz NOT NULL,
    met_at      timestamptz,
    forecast_at timestamptz,
    PRIMARY KEY (schedule_id, day, due_at)
) WITH (fillfactor = 70);

COMMENT ON TABLE schedule_outcome IS 'What came of the goals of a schedule on a day.';
COMMENT ON COLUMN schedule_outcome.schedule_id IS 'The schedule.';
COMMENT ON COLUMN schedule_outcome.day IS 'The day.';
COMMENT ON COLUMN schedule_outcome.permille IS 'How many of a thousand meters had to be complete.';
COMMENT ON COLUMN schedule_outcome.due_at IS 'By when.';
COMMENT ON COLUMN schedule_outcome.met_at IS 'When that was reached, as far as it was looked; NULL when it was not.';
COMMENT ON COLUMN schedule_outcome.forecast_at IS 'When it would be reached, by what was noted last; NULL when it is reached, or will not be by itself.';
