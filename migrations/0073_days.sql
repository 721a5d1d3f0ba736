-- How far a counter came in a day is known also where the columns of its profile changed in between.

CREATE FUNCTION value_before(meter int4, layout int4, slot int2, day date, zone text) RETURNS TABLE (value int8, scaler int2)
LANGUAGE sql STABLE AS $$
    SELECT d.last[was.slot + 1], was.scaler
    FROM profile_layout l JOIN profile_slot s ON s.layout_id = l.id AND s.slot = $3
    JOIN profile_layout o ON o.obis = l.obis
    JOIN profile_slot was ON was.layout_id = o.id AND was.slot IS NOT NULL AND was.class_id = s.class_id AND was.obis = s.obis
        AND was.attribute = s.attribute AND was.data_index = s.data_index AND was.unit = s.unit
    JOIN reading_day d ON d.meter_id = $1 AND d.layout_id = o.id AND d.day = $4 - 1 AND d.last_ts = $4::timestamp AT TIME ZONE $5
    WHERE l.id = $2 AND d.last[was.slot + 1] IS NOT NULL
    ORDER BY o.id <> l.id, o.id DESC LIMIT 1
$$;

COMMENT ON FUNCTION value_before(int4, int4, int2, date, text) IS
    'What the column of a layout showed at the midnight with which a day begins, with whatever layout that was captured.';

CREATE OR REPLACE VIEW reading_daily AS
SELECT d.meter_id, m.serial, obis_text(s.obis) AS obis, d.day, d.captures, d.last_ts, scaled(d.last[s.slot + 1], s.scaler) AS last,
    scaled(d.last[s.slot + 1], s.scaler) - scaled(p.value, p.scaler) AS advance, scaled(d.low[s.slot + 1], s.scaler) AS low,
    scaled(d.high[s.slot + 1], s.scaler) AS high, d.total[s.slot + 1] * ('1e' || s.scaler)::numeric AS total, unit_symbol(s.unit) AS unit
FROM reading_day d
JOIN meter m ON m.id = d.meter_id
JOIN profile_slot s ON s.layout_id = d.layout_id AND s.slot IS NOT NULL
LEFT JOIN LATERAL value_before(d.meter_id, d.layout_id, s.slot, d.day, m.zone) p ON true
WHERE d.last[s.slot + 1] IS NOT NULL;

COMMENT ON COLUMN reading_daily.advance IS 'How far a counter came since the midnight before, also where the columns of the profile changed in between; NULL when there is no capture of that midnight.';
