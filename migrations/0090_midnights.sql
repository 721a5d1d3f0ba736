-- A day begins at its first midnight, also where the clock goes back over midnight and there are two.

CREATE FUNCTION day_begins(day date, zone text) RETURNS timestamptz LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    -- Of two midnights AT TIME ZONE takes the second; the first is the one of the clock of the evening before, if that comes to midnight at all.
    SELECT CASE WHEN e.midnight AT TIME ZONE $2 = $1::timestamp THEN least(e.midnight, e.last) ELSE e.last END
    FROM (SELECT l.last, l.evening + ($1::timestamp - l.evening AT TIME ZONE $2) AS midnight
        FROM (SELECT $1::timestamp AT TIME ZONE $2 AS last, $1::timestamp AT TIME ZONE $2 - interval '12 hours' AS evening) l) e
$$;

COMMENT ON FUNCTION day_begins(date, text) IS
    'The instant at which a day of a zone begins: the first of two midnights, and that to which the clock goes forward where there is none.';

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
                day_begins(local_day(min(b.from_ts), m.zone), m.zone) AS after,
                day_begins(local_day(max(b.to_ts), m.zone) + 1, m.zone) AS until
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

CREATE OR REPLACE FUNCTION value_before(meter int4, layout int4, slot int2, day date, zone text) RETURNS TABLE (value int8, scaler int2)
LANGUAGE sql STABLE AS $$
    SELECT d.last[was.slot + 1], was.scaler
    FROM profile_layout l JOIN profile_slot s ON s.layout_id = l.id AND s.slot = $3
    JOIN profile_layout o ON o.obis = l.obis
    JOIN profile_slot was ON was.layout_id = o.id AND was.slot IS NOT NULL AND was.class_id = s.class_id AND was.obis = s.obis
        AND was.attribute = s.attribute AND was.data_index = s.data_index AND was.unit = s.unit
    JOIN reading_day d ON d.meter_id = $1 AND d.layout_id = o.id AND d.day = $4 - 1 AND d.last_ts = day_begins($4, $5)
    WHERE l.id = $2 AND d.last[was.slot + 1] IS NOT NULL
    ORDER BY o.id <> l.id, o.id DESC LIMIT 1
$$;

-- Days that began at the second midnight are made anew: the next to add up days finds them in the log.

INSERT INTO reading_batch (meter_id, layout_id, from_ts, to_ts)
SELECT d.meter_id, d.layout_id, d.last_ts, d.last_ts
FROM (SELECT z.zone, s.day::date AS day FROM (SELECT DISTINCT zone FROM meter) z,
        generate_series(now()::date - 20 * 366, now()::date + 2, interval '1 day') AS s (day)
    WHERE day_begins(s.day::date, z.zone) <> s.day::date::timestamp AT TIME ZONE z.zone) a
JOIN meter m ON m.zone = a.zone
JOIN reading_day d ON d.meter_id = m.id AND d.day = a.day;
