-- The days of a meter whose zone is another one are made anew.

CREATE TABLE reading_day_due (
    meter_id int4 PRIMARY KEY REFERENCES meter (id)
);

COMMENT ON TABLE reading_day_due IS 'Meters whose days were added up by another zone than they have now: all of them are made anew with the next days.';
COMMENT ON COLUMN reading_day_due.meter_id IS 'The meter.';

CREATE FUNCTION days_are_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_day_due (meter_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION days_are_due() IS 'Notes that the days of a meter are those of another zone.';

CREATE TRIGGER meter_zone AFTER UPDATE OF zone ON meter FOR EACH ROW WHEN (OLD.zone <> NEW.zone) EXECUTE FUNCTION days_are_due();

CREATE OR REPLACE FUNCTION add_up_days(most int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
    place   reading_day_mark;
    final   record;
    anew    record;
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
    WITH due AS (
        DELETE FROM reading_day_due d WHERE d.meter_id IN (SELECT meter_id FROM reading_day_due ORDER BY meter_id LIMIT 16) RETURNING d.meter_id),
    gone AS (DELETE FROM reading_day d USING due WHERE d.meter_id = due.meter_id RETURNING d.meter_id, d.layout_id, d.day),
    ranges AS (
        SELECT meter_id, layout_id, min(day)::timestamp AT TIME ZONE 'UTC' - interval '2 days' AS from_ts,
            max(day)::timestamp AT TIME ZONE 'UTC' + interval '2 days' AS to_ts
        FROM gone GROUP BY meter_id, layout_id)
    SELECT (SELECT count(*) FROM due) AS entries, array_agg(meter_id) AS meters, array_agg(layout_id) AS layouts, array_agg(from_ts) AS from_ts,
        array_agg(to_ts) AS to_ts, min(from_ts) - interval '2 days' AS earliest, max(to_ts) + interval '2 days' AS latest INTO anew
    FROM ranges;
    IF final.entries + anew.entries = 0 THEN
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
            FROM (SELECT meter_id, layout_id, from_ts, to_ts FROM reading_batch
                  WHERE (xid, id) > (place.xid, place.id) AND (xid, id) <= (final.xid::text::xid8, final.id)
                  UNION ALL SELECT * FROM unnest(anew.meters, anew.layouts, anew.from_ts, anew.to_ts)) b
            JOIN meter m ON m.id = b.meter_id JOIN profile_layout l ON l.id = b.layout_id AND l.period_s BETWEEN 1 AND 43200
            GROUP BY b.meter_id, b.layout_id, m.zone) t
        JOIN profile_row r ON r.meter_id = t.meter_id AND r.layout_id = t.layout_id AND r.ts > t.after AND r.ts <= t.until
            AND r.ts BETWEEN least(final.earliest, anew.earliest) AND greatest(final.latest, anew.latest)
        GROUP BY t.meter_id, t.layout_id, local_day(r.ts, t.zone)) d
    JOIN profile_row r ON r.meter_id = d.meter_id AND r.layout_id = d.layout_id AND r.ts = d.last_ts
        AND r.ts BETWEEN least(final.earliest, anew.earliest) AND greatest(final.latest, anew.latest)
    ON CONFLICT (meter_id, layout_id, day) DO UPDATE SET captures = EXCLUDED.captures, last_ts = EXCLUDED.last_ts,
        last = EXCLUDED.last, low = EXCLUDED.low, high = EXCLUDED.high, total = EXCLUDED.total, made_at = now();
    IF final.entries > 0 THEN
        UPDATE reading_day_mark SET xid = final.xid::text::xid8, id = final.id;
    END IF;
    RETURN final.entries + anew.entries;
END
$$;

COMMENT ON FUNCTION add_up_days(int4) IS
    'Makes the days anew that the next entries of reading_batch tell of, and all of some meters whose zone is another one. Returns how many entries and meters that were; 0 when there is nothing left, or somebody else is at it.';
