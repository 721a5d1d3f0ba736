-- What days add up to, and how long readings and events are kept.

CREATE FUNCTION local_day(ts timestamptz, zone text) RETURNS date LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT ((ts - interval '1 microsecond') AT TIME ZONE zone)::date
$$;

COMMENT ON FUNCTION local_day(timestamptz, text) IS 'The day that an interval belongs to which ends at an instant: midnight is the end of the day before.';

CREATE TABLE reading_day (
    meter_id  int4 NOT NULL,
    layout_id int4 NOT NULL,
    day       date NOT NULL,
    captures  int4 NOT NULL,
    last_ts   timestamptz NOT NULL,
    last      int8[] NOT NULL,
    low       int8[] NOT NULL,
    high      int8[] NOT NULL,
    total     numeric[] NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meter_id, layout_id, day)
) WITH (fillfactor = 80);

COMMENT ON TABLE reading_day IS 'What the captures of a profile add up to in a day of the meter''s zone. Made anew when captures of the day come or change.';
COMMENT ON COLUMN reading_day.meter_id IS 'The meter.';
COMMENT ON COLUMN reading_day.layout_id IS 'What the slots mean.';
COMMENT ON COLUMN reading_day.day IS 'The day, in the zone of the meter. The interval that ends at its last midnight belongs to it.';
COMMENT ON COLUMN reading_day.captures IS 'Captures of the day.';
COMMENT ON COLUMN reading_day.last_ts IS 'The last of them.';
COMMENT ON COLUMN reading_day.last IS 'Its values, by slot from v0 on.';
COMMENT ON COLUMN reading_day.low IS 'The lowest value of each slot.';
COMMENT ON COLUMN reading_day.high IS 'The highest value of each slot.';
COMMENT ON COLUMN reading_day.total IS 'The sum of the values of each slot.';
COMMENT ON COLUMN reading_day.made_at IS 'When it was added up.';

CREATE TABLE reading_day_mark (
    only_one bool PRIMARY KEY DEFAULT true CHECK (only_one),
    xid      xid8 NOT NULL,
    id       int8 NOT NULL
);

INSERT INTO reading_day_mark (xid, id) VALUES ('0', 0);

COMMENT ON TABLE reading_day_mark IS 'Up to where reading_batch was followed for reading_day: one row, locked by who follows it.';
COMMENT ON COLUMN reading_day_mark.only_one IS 'Always true: there is one row.';
COMMENT ON COLUMN reading_day_mark.xid IS 'Transaction of the last entry.';
COMMENT ON COLUMN reading_day_mark.id IS 'Number of the last entry.';

CREATE FUNCTION add_up_days(most int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
    place   reading_day_mark;
    final   record;
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
    SELECT * INTO place FROM reading_day_mark FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT max(e.xid::text::int8) AS xid, count(*) AS entries, (array_agg(e.id ORDER BY e.xid DESC, e.id DESC))[1] AS id INTO final
    FROM (SELECT b.xid, b.id FROM reading_batch b WHERE (b.xid, b.id) > (place.xid, place.id) AND b.xid < horizon
          ORDER BY b.xid, b.id LIMIT most) e;
    IF final.entries = 0 THEN
        RETURN 0;
    END IF;
    INSERT INTO reading_day (meter_id, layout_id, day, captures, last_ts, last, low, high, total)
    SELECT d.meter_id, d.layout_id, d.day, d.captures, d.last_ts,
        ARRAY[r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15], d.low, d.high, d.total
    FROM (SELECT t.meter_id, t.layout_id, local_day(r.ts, t.zone) AS day, count(*) AS captures, max(r.ts) AS last_ts,
            ARRAY[min(v0), min(v1), min(v2), min(v3), min(v4), min(v5), min(v6), min(v7), min(v8), min(v9), min(v10), min(v11),
                min(v12), min(v13), min(v14), min(v15)] AS low,
            ARRAY[max(v0), max(v1), max(v2), max(v3), max(v4), max(v5), max(v6), max(v7), max(v8), max(v9), max(v10), max(v11),
                max(v12), max(v13), max(v14), max(v15)] AS high,
            ARRAY[sum(v0), sum(v1), sum(v2), sum(v3), sum(v4), sum(v5), sum(v6), sum(v7), sum(v8), sum(v9), sum(v10), sum(v11),
                sum(v12), sum(v13), sum(v14), sum(v15)] AS total
        FROM (SELECT b.meter_id, b.layout_id, m.zone,
                local_day(min(b.from_ts), m.zone)::timestamp AT TIME ZONE m.zone AS after,
                (local_day(max(b.to_ts), m.zone) + 1)::timestamp AT TIME ZONE m.zone AS until
            FROM reading_batch b JOIN meter m ON m.id = b.meter_id JOIN profile_layout l ON l.id = b.layout_id AND l.period_s BETWEEN 1 AND 43200
            WHERE (b.xid, b.id) > (place.xid, place.id) AND (b.xid, b.id) <= (final.xid::text::xid8, final.id)
            GROUP BY b.meter_id, b.layout_id, m.zone) t
        JOIN profile_row r ON r.meter_id = t.meter_id AND r.layout_id = t.layout_id AND r.ts > t.after AND r.ts <= t.until
        GROUP BY t.meter_id, t.layout_id, local_day(r.ts, t.zone)) d
    JOIN profile_row r ON r.meter_id = d.meter_id AND r.layout_id = d.layout_id AND r.ts = d.last_ts
    ON CONFLICT (meter_id, layout_id, day) DO UPDATE SET captures = EXCLUDED.captures, last_ts = EXCLUDED.last_ts,
        last = EXCLUDED.last, low = EXCLUDED.low, high = EXCLUDED.high, total = EXCLUDED.total, made_at = now();
    UPDATE reading_day_mark SET xid = final.xid::text::xid8, id = final.id;
    RETURN final.entries;
END
$$;

COMMENT ON FUNCTION add_up_days(int4) IS
    'Follows reading_batch by at most so many entries and makes the days anew that they are about; returns how many entries there were, 0 also while somebody else does it.';

CREATE VIEW reading_daily AS
SELECT d.meter_id, m.serial, obis_text(s.obis) AS obis, d.day, d.captures, d.last_ts, scaled(d.last[s.slot + 1], s.scaler) AS last,
    scaled(d.last[s.slot + 1] - p.last[s.slot + 1], s.scaler) AS advance, scaled(d.low[s.slot + 1], s.scaler) AS low,
    scaled(d.high[s.slot + 1], s.scaler) AS high, d.total[s.slot + 1] * ('1e' || s.scaler)::numeric AS total, unit_symbol(s.unit) AS unit
FROM reading_day d
JOIN meter m ON m.id = d.meter_id
JOIN profile_slot s ON s.layout_id = d.layout_id AND s.slot IS NOT NULL
LEFT JOIN reading_day p ON p.meter_id = d.meter_id AND p.layout_id = d.layout_id AND p.day = d.day - 1
    AND p.last_ts = d.day::timestamp AT TIME ZONE m.zone
WHERE d.last[s.slot + 1] IS NOT NULL;

COMMENT ON VIEW reading_daily IS 'What the readings of a profile add up to in a day of the meter''s zone, for people, dashboards and billing.';
COMMENT ON COLUMN reading_daily.meter_id IS 'The meter.';
COMMENT ON COLUMN reading_daily.serial IS 'Its serial number.';
COMMENT ON COLUMN reading_daily.obis IS 'Logical name of the quantity.';
COMMENT ON COLUMN reading_daily.day IS 'The day.';
COMMENT ON COLUMN reading_daily.captures IS 'Captures of the day.';
COMMENT ON COLUMN reading_daily.last_ts IS 'The last of them.';
COMMENT ON COLUMN reading_daily.last IS 'The last value of the day.';
COMMENT ON COLUMN reading_daily.advance IS 'How far a counter came since the midnight before; NULL when there is no capture of that midnight.';
COMMENT ON COLUMN reading_daily.low IS 'The lowest value.';
COMMENT ON COLUMN reading_daily.high IS 'The highest value.';
COMMENT ON COLUMN reading_daily.total IS 'The sum of the values: for energies and demands of intervals.';
COMMENT ON COLUMN reading_daily.unit IS 'Symbol of the unit.';

-- How long readings and events are kept. Rows come in the order of these times, so that the smallest kind of index finds the old ones.

CREATE INDEX register_row_age ON register_row USING brin (ts);
CREATE INDEX profile_row_rev_age ON profile_row_rev USING brin (seen_at);
CREATE INDEX reading_flag_age ON reading_flag USING brin (raised_at);
CREATE INDEX reading_day_age ON reading_day USING brin (made_at);
CREATE INDEX event_age ON event USING brin (stored_at);

CREATE FUNCTION forget_readings(before timestamptz, most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    part  regclass;
    fresh bool;
    rows  int8;
    gone  int8 := 0;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'profile_row'::regclass) = 'p' THEN
        -- A month goes as a whole, when all of it is old by the meters' clocks and by ours.
        FOR part IN SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'profile_row'::regclass AND c.relname ~ '^profile_row_\d{4}_\d{2}$'
                AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= before
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE stored_at >= $1)', part) INTO fresh USING before;
            CONTINUE WHEN fresh;
            EXECUTE format('SELECT count(*) FROM %s', part) INTO rows;
            EXECUTE format('DROP TABLE %s', part);
            gone := gone + rows;
        END LOOP;
        DELETE FROM profile_row_other WHERE ts < before AND coalesce(stored_at, '-infinity') < before;
        GET DIAGNOSTICS rows = ROW_COUNT;
        gone := gone + rows;
    ELSE
        EXECUTE 'SELECT count(*) FROM drop_chunks($1, older_than => $2)' INTO rows USING 'profile_row'::regclass, before;
        gone := gone + rows;
    END IF;
    DELETE FROM profile_row_rev WHERE ctid = ANY (ARRAY(SELECT ctid FROM profile_row_rev WHERE seen_at < before AND ts < before LIMIT most));
    GET DIAGNOSTICS rows = ROW_COUNT;
    gone := gone + rows;
    DELETE FROM register_row WHERE ctid = ANY (ARRAY(SELECT ctid FROM register_row WHERE ts < before LIMIT most));
    GET DIAGNOSTICS rows = ROW_COUNT;
    gone := gone + rows;
    DELETE FROM reading_flag WHERE ctid = ANY (ARRAY(SELECT ctid FROM reading_flag WHERE raised_at < before AND ts < before LIMIT most));
    DELETE FROM reading_day WHERE ctid = ANY (ARRAY(SELECT ctid FROM reading_day WHERE made_at < before AND last_ts < before LIMIT most));
    RETURN gone;
END
$$;

COMMENT ON FUNCTION forget_readings(timestamptz, int4) IS
    'Deletes what is older than an instant: captures by whole months (chunks of a hypertable), registers, revisions, flags and days at most so many each. Returns how many captures and registers that were; of a hypertable, chunks.';

CREATE FUNCTION forget_events(before timestamptz, most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    gone int8;
BEGIN
    DELETE FROM event WHERE id = ANY (ARRAY(SELECT id FROM event WHERE stored_at < before LIMIT most));
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM event_loss WHERE noticed_at < before;
    RETURN gone;
END
$$;

COMMENT ON FUNCTION forget_events(timestamptz, int4) IS 'Deletes at most so many events that were stored before an instant, and what is told of losses before it; returns how many events.';

CREATE FUNCTION compress_captures(before timestamptz) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
    chunks int4;
BEGIN
    -- Under its free licence alone TimescaleDB does not compress, and PostgreSQL by itself does not either.
    IF coalesce(current_setting('timescaledb.license', true), '') <> 'timescale'
        OR (SELECT relkind FROM pg_class WHERE oid = 'profile_row'::regclass) = 'p'
    THEN
        RETURN 0;
    END IF;
    EXECUTE $sql$ALTER TABLE profile_row SET (timescaledb.compress, timescaledb.compress_segmentby = 'meter_id, layout_id',
        timescaledb.compress_orderby = 'ts')$sql$;
    EXECUTE 'SELECT count(compress_chunk(c, if_not_compressed => true)) FROM show_chunks($1, older_than => $2) AS c'
        INTO chunks USING 'profile_row'::regclass, before;
    RETURN chunks;
END
$$;

COMMENT ON FUNCTION compress_captures(timestamptz) IS
    'Compresses the chunks of a hypertable that are older than an instant, where TimescaleDB may; returns how many there are. Late captures go into compressed chunks as into others.';
