-- What is kept and added up is the same of a hypertable as of partitions, and is found as fast.

CREATE OR REPLACE FUNCTION add_up_days(most int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
    place   reading_day_mark;
    final   record;
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
    SELECT * INTO place FROM reading_day_mark FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    -- No day begins or ends further than two days from the captures that are in it: these bounds choose partitions and chunks.
    SELECT max(e.xid::text::int8) AS xid, count(*) AS entries, (array_agg(e.id ORDER BY e.xid DESC, e.id DESC))[1] AS id,
        min(e.from_ts) - interval '2 days' AS earliest, max(e.to_ts) + interval '2 days' AS latest INTO final
    FROM (SELECT b.xid, b.id, b.from_ts, b.to_ts FROM reading_batch b WHERE (b.xid, b.id) > (place.xid, place.id) AND b.xid < horizon
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
            AND r.ts BETWEEN final.earliest AND final.latest
        GROUP BY t.meter_id, t.layout_id, local_day(r.ts, t.zone)) d
    JOIN profile_row r ON r.meter_id = d.meter_id AND r.layout_id = d.layout_id AND r.ts = d.last_ts
        AND r.ts BETWEEN final.earliest AND final.latest
    ON CONFLICT (meter_id, layout_id, day) DO UPDATE SET captures = EXCLUDED.captures, last_ts = EXCLUDED.last_ts,
        last = EXCLUDED.last, low = EXCLUDED.low, high = EXCLUDED.high, total = EXCLUDED.total, made_at = now();
    UPDATE reading_day_mark SET xid = final.xid::text::xid8, id = final.id;
    RETURN final.entries;
END
$$;

-- Whether anything of a month was stored of late, and how much it held, is known without looking through all of it.

CREATE INDEX profile_row_age ON profile_row USING brin (stored_at) WITH (autosummarize = on);

CREATE FUNCTION about_rows(part regclass) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    rows int8 := (SELECT reltuples::int8 FROM pg_class WHERE oid = part);
BEGIN
    -- Of little the server may have made no estimate yet.
    IF rows < 1000000 THEN
        EXECUTE format('SELECT count(*) FROM %s', part) INTO rows;
    END IF;
    RETURN rows;
END
$$;

COMMENT ON FUNCTION about_rows(regclass) IS 'Rows of a table: counted below a million, above it as the server estimates them.';

CREATE OR REPLACE FUNCTION forget_readings(before timestamptz, most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    is_plain bool := (SELECT relkind = 'p' FROM pg_class WHERE oid = 'profile_row'::regclass);
    parts    text := CASE WHEN is_plain
        THEN $sql$SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'profile_row'::regclass AND c.relname ~ '^profile_row_\d{4}_\d{2}$'
                AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= $1$sql$
        ELSE $sql$SELECT show_chunks('profile_row', older_than => $1)$sql$ END;
    part     regclass;
    fresh    bool;
    rows     int8;
    gone     int8 := 0;
BEGIN
    -- A month or chunk goes as a whole, when all of it is old by the meters' clocks and by ours.
    FOR part IN EXECUTE parts USING before LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE stored_at >= $1)', part) INTO fresh USING before;
        CONTINUE WHEN fresh;
        rows := about_rows(part);
        EXECUTE format('DROP TABLE %s', part);
        gone := gone + rows;
    END LOOP;
    IF is_plain THEN
        DELETE FROM profile_row_other WHERE ts < before AND coalesce(stored_at, '-infinity') < before;
        GET DIAGNOSTICS rows = ROW_COUNT;
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
    'Deletes what is older than an instant: captures by whole months, or chunks of a hypertable, of which nothing was stored since; registers, revisions, flags and days at most so many each. Returns about how many captures, revisions and registers that were.';

DROP FUNCTION compress_captures(timestamptz);

CREATE FUNCTION compress_captures(age interval) RETURNS bool LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
    since interval;
BEGIN
    -- Under its free licence alone TimescaleDB does not compress, and PostgreSQL by itself does not either.
    IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'profile_row'::regclass)
        OR coalesce(current_setting('timescaledb.license', true), '') <> 'timescale'
    THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('compress_captures'));
    EXECUTE $sql$SELECT (j.config ->> 'compress_after')::interval
        FROM timescaledb_information.jobs j JOIN pg_class c ON j.hypertable_schema = c.relnamespace::regnamespace::text AND j.hypertable_name = c.relname
        WHERE c.oid = 'profile_row'::regclass AND j.proc_name = 'policy_compression'$sql$ INTO since;
    IF since = age THEN
        RETURN true;
    END IF;
    IF since IS NULL THEN
        EXECUTE $sql$ALTER TABLE profile_row SET (timescaledb.compress, timescaledb.compress_segmentby = 'meter_id, layout_id',
            timescaledb.compress_orderby = 'ts')$sql$;
    ELSE
        EXECUTE $sql$SELECT remove_compression_policy('profile_row')$sql$;
    END IF;
    EXECUTE $sql$SELECT add_compression_policy('profile_row', compress_after => $1)$sql$ USING age;
    RETURN true;
END
$$;

COMMENT ON FUNCTION compress_captures(interval) IS
    'Has the server compress the chunks of a hypertable that are all older than this, by itself in the background, where TimescaleDB may; returns whether it does. Late captures go into compressed chunks as into others, and are compressed with them the next time.';
