-- Captures of profiles: one row for each capture, its values side by side as the meter's own integers.

CREATE TABLE profile_layout (
    id           int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    obis         bytea NOT NULL CHECK (octet_length(obis) = 6),
    period_s     int4 NOT NULL CHECK (period_s >= 0),
    columns_hash bytea NOT NULL UNIQUE CHECK (octet_length(columns_hash) = 32)
);

COMMENT ON TABLE profile_layout IS 'The columns of a profile at a time, shared by all meters that have the same. Never changed.';
COMMENT ON COLUMN profile_layout.id IS 'Key.';
COMMENT ON COLUMN profile_layout.obis IS 'Logical name of the profile, 6 octets.';
COMMENT ON COLUMN profile_layout.period_s IS 'Capture period in seconds; 0 when the captures are not periodic.';
COMMENT ON COLUMN profile_layout.columns_hash IS 'SHA-256 of logical name, period and all columns: the same content has the same row.';

CREATE TABLE profile_slot (
    layout_id  int4 NOT NULL REFERENCES profile_layout (id),
    position   int2 NOT NULL CHECK (position >= 0),
    slot       int2 CHECK (slot BETWEEN 0 AND 15),
    class_id   int4 NOT NULL,
    obis       bytea NOT NULL CHECK (octet_length(obis) = 6),
    attribute  int2 NOT NULL,
    data_index int4 NOT NULL,
    scaler     int2 NOT NULL,
    unit       int2 NOT NULL,
    PRIMARY KEY (layout_id, position),
    UNIQUE (layout_id, slot)
);

COMMENT ON TABLE profile_slot IS 'One column of a layout.';
COMMENT ON COLUMN profile_slot.layout_id IS 'The layout.';
COMMENT ON COLUMN profile_slot.position IS 'Place in the meter''s rows, from 0.';
COMMENT ON COLUMN profile_slot.slot IS 'Which of v0 to v15 holds the value; NULL for the clock, the status and what is not stored.';
COMMENT ON COLUMN profile_slot.class_id IS 'Interface class of the captured object.';
COMMENT ON COLUMN profile_slot.obis IS 'Logical name of the captured object, 6 octets.';
COMMENT ON COLUMN profile_slot.attribute IS 'Captured attribute.';
COMMENT ON COLUMN profile_slot.data_index IS 'Which part of the attribute is captured; 0 for all of it.';
COMMENT ON COLUMN profile_slot.scaler IS 'A stored value times ten to the power of the scaler is in the unit.';
COMMENT ON COLUMN profile_slot.unit IS 'Unit code of IEC 62056-6-2; 255 for none.';

-- A hypertable where TimescaleDB is there and loaded, else partitions by month. A partitioned table can not become a
-- hypertable later, so the choice is made here.
DO $$
DECLARE
    columns text := 'meter_id int4 NOT NULL, layout_id int4 NOT NULL, ts timestamptz NOT NULL, status int4, '
        || 'clock_offset_min int2, clock_status int2 NOT NULL, job_id int8 NOT NULL';
    slot int;
BEGIN
    FOR slot IN 0..15 LOOP
        columns := columns || format(', v%s int8', slot);
    END LOOP;
    columns := columns || ', PRIMARY KEY (meter_id, layout_id, ts)';
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND EXISTS (SELECT FROM pg_settings WHERE name = 'shared_preload_libraries' AND setting LIKE '%timescaledb%')
    THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
        EXECUTE format('CREATE TABLE profile_row (%s)', columns);
        PERFORM create_hypertable('profile_row', 'ts',
            chunk_time_interval => interval '7 days', create_default_indexes => false);
    ELSE
        EXECUTE format('CREATE TABLE profile_row (%s) PARTITION BY RANGE (ts)', columns);
        CREATE TABLE profile_row_other PARTITION OF profile_row DEFAULT;
    END IF;
    FOR slot IN 0..15 LOOP
        EXECUTE format('COMMENT ON COLUMN profile_row.v%s IS %L', slot,
            format('Value of the column with slot %s, the meter''s own integer; NULL when it gave none.', slot));
    END LOOP;
END
$$;

COMMENT ON TABLE profile_row IS 'A capture of a profile as the meter has it now.';
COMMENT ON COLUMN profile_row.meter_id IS 'The meter. No foreign key: it would cost a look-up for each capture, and meters are retired, not deleted.';
COMMENT ON COLUMN profile_row.layout_id IS 'What the slots mean.';
COMMENT ON COLUMN profile_row.ts IS 'Instant of the capture: the end of its interval.';
COMMENT ON COLUMN profile_row.status IS 'Bits of the profile''s status column; NULL when there is none.';
COMMENT ON COLUMN profile_row.clock_offset_min IS 'The meter''s offset from UTC in minutes, positive to the east; NULL when it did not say.';
COMMENT ON COLUMN profile_row.clock_status IS 'Clock status bits of the capture: 0 invalid, 1 doubtful, 2 other time base, 3 invalid status, 7 summer time; 255 not given.';
COMMENT ON COLUMN profile_row.job_id IS 'The job that brought this content.';

CREATE TABLE profile_row_rev (
    meter_id         int4 NOT NULL,
    layout_id        int4 NOT NULL,
    ts               timestamptz NOT NULL,
    status           int4,
    clock_offset_min int2,
    clock_status     int2 NOT NULL,
    job_id           int8 NOT NULL,
    v0 int8, v1 int8, v2 int8, v3 int8, v4 int8, v5 int8, v6 int8, v7 int8,
    v8 int8, v9 int8, v10 int8, v11 int8, v12 int8, v13 int8, v14 int8, v15 int8,
    seen_at          timestamptz NOT NULL DEFAULT now(),
    replaced_by      int8 NOT NULL,
    id               int8 GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (meter_id, layout_id, ts, id)
);

COMMENT ON TABLE profile_row_rev IS 'A capture that a later read of the same instant contradicted: what was stored before.';
COMMENT ON COLUMN profile_row_rev.meter_id IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.layout_id IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.ts IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.status IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.clock_offset_min IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.clock_status IS 'As in profile_row.';
COMMENT ON COLUMN profile_row_rev.job_id IS 'The job that had brought the replaced content.';
COMMENT ON COLUMN profile_row_rev.seen_at IS 'When the contradiction was stored.';
COMMENT ON COLUMN profile_row_rev.replaced_by IS 'The job that brought the content that took its place.';
COMMENT ON COLUMN profile_row_rev.id IS 'Order of several revisions of one capture.';
DO $$
BEGIN
    FOR slot IN 0..15 LOOP
        EXECUTE format('COMMENT ON COLUMN profile_row_rev.v%s IS %L', slot, 'As in profile_row.');
    END LOOP;
END
$$;

CREATE TABLE meter_profile (
    meter_id      int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    obis          bytea NOT NULL CHECK (octet_length(obis) = 6),
    layout_id     int4 REFERENCES profile_layout (id),
    last_ts       timestamptz,
    coverage      tstzmultirange NOT NULL DEFAULT '{}',
    read_at       timestamptz,
    tried_at      timestamptz,
    hole_tried_at timestamptz,
    PRIMARY KEY (meter_id, obis)
) WITH (fillfactor = 70);

COMMENT ON TABLE meter_profile IS 'How far a profile of a meter has been read.';
COMMENT ON COLUMN meter_profile.meter_id IS 'The meter.';
COMMENT ON COLUMN meter_profile.obis IS 'Logical name of the profile, 6 octets.';
COMMENT ON COLUMN meter_profile.layout_id IS 'Its columns when it was last read; NULL before that.';
COMMENT ON COLUMN meter_profile.last_ts IS 'High-water mark: no stored capture of this profile is later.';
COMMENT ON COLUMN meter_profile.coverage IS 'The time of which everything that the meter has is stored. A gap is a difference of ranges.';
COMMENT ON COLUMN meter_profile.read_at IS 'When a read last succeeded.';
COMMENT ON COLUMN meter_profile.tried_at IS 'When the last planned read of new captures ended, well or badly; the next is planned from here.';
COMMENT ON COLUMN meter_profile.hole_tried_at IS 'When the last planned read of a hole ended, well or badly.';

CREATE FUNCTION ensure_profile_partitions(from_ts timestamptz, to_ts timestamptz) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    month  timestamp;
    until  timestamp;
    name   text;
    lower  timestamptz;
    upper  timestamptz;
    made   int := 0;
BEGIN
    -- A hypertable makes its own chunks.
    IF (SELECT relkind FROM pg_class WHERE oid = 'profile_row'::regclass) <> 'p' THEN
        RETURN 0;
    END IF;
    -- Captures outside of these years come from a clock that is plainly wrong and stay in the default partition, which
    -- keeps the number of partitions bounded.
    month := date_trunc('month', greatest(from_ts, now() - interval '20 years') AT TIME ZONE 'UTC');
    until := least(to_ts, now() + interval '2 years') AT TIME ZONE 'UTC';
    WHILE month <= until LOOP
        name := 'profile_row_' || to_char(month, 'YYYY_MM');
        lower := month AT TIME ZONE 'UTC';
        month := month + interval '1 month';
        upper := month AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        -- Two writers that meet a new month at the same time make it once.
        PERFORM pg_advisory_xact_lock(hashtext('ensure_profile_partitions'));
        -- Asked of the table: to_regclass would answer from what this session remembers.
        CONTINUE WHEN EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'profile_row'::regclass AND c.relname = name);
        EXECUTE format('CREATE TABLE %I (LIKE profile_row INCLUDING ALL)', name);
        EXECUTE format('WITH moved AS (DELETE FROM profile_row_other WHERE ts >= %L AND ts < %L RETURNING *) '
            || 'INSERT INTO %I SELECT * FROM moved', lower, upper, name);
        EXECUTE format('ALTER TABLE profile_row ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

COMMENT ON FUNCTION ensure_profile_partitions(timestamptz, timestamptz) IS
    'Makes the partitions by month (UTC) that captures between the two instants need; returns how many were missing.';

CREATE FUNCTION obis_text(obis bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT concat_ws('.', get_byte(obis, 0), get_byte(obis, 1), get_byte(obis, 2), get_byte(obis, 3), get_byte(obis, 4),
                     get_byte(obis, 5))
$$;

COMMENT ON FUNCTION obis_text(bytea) IS 'A logical name as people write it, 1.0.99.1.0.255.';

CREATE FUNCTION layout_json(layout int4) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT json_build_object('obis', obis_text(l.obis), 'period_s', l.period_s, 'columns', coalesce((
        SELECT json_agg(json_build_object('class_id', s.class_id, 'obis', obis_text(s.obis), 'attribute', s.attribute,
            'data_index', s.data_index, 'slot', s.slot, 'scaler', s.scaler, 'unit', s.unit) ORDER BY s.position)
        FROM profile_slot s WHERE s.layout_id = l.id), '[]'))::text
    FROM profile_layout l WHERE l.id = layout
$$;

COMMENT ON FUNCTION layout_json(int4) IS 'A layout with all its columns in one value, as the program takes it.';
