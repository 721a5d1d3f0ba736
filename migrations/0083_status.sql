-- What the status word of a capture says is flagged, with the meaning that the model gives to its bits, and is about all values of the capture.

ALTER TYPE flag_rule ADD VALUE 'device_error';
ALTER TYPE flag_rule ADD VALUE 'data_not_valid';
ALTER TYPE flag_rule ADD VALUE 'clock_adjusted';
ALTER TYPE flag_rule ADD VALUE 'power_down';

-- New words cannot be used as such where they are added.
CREATE OR REPLACE VIEW reading AS
SELECT r.meter_id, m.serial, obis_text(s.obis) AS obis, r.ts, scaled(v.value, s.scaler) AS value,
    unit_symbol(s.unit) AS unit, r.status, 'profile'::text AS kind,
    ARRAY(SELECT f.rule::text FROM reading_flag f
        WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id = r.layout_id AND f.withdrawn_at IS NULL
            AND ((f.obis = s.obis AND f.attribute = s.attribute)
                OR f.rule::text IN ('clock_invalid', 'clock_doubtful', 'second_out_of_range', 'device_error', 'data_not_valid',
                    'clock_adjusted', 'power_down'))
        ORDER BY f.rule) AS flags
FROM profile_row r
JOIN meter m ON m.id = r.meter_id
JOIN profile_slot s ON s.layout_id = r.layout_id AND s.slot IS NOT NULL
CROSS JOIN LATERAL (SELECT CASE s.slot
    WHEN 0 THEN r.v0 WHEN 1 THEN r.v1 WHEN 2 THEN r.v2 WHEN 3 THEN r.v3
    WHEN 4 THEN r.v4 WHEN 5 THEN r.v5 WHEN 6 THEN r.v6 WHEN 7 THEN r.v7
    WHEN 8 THEN r.v8 WHEN 9 THEN r.v9 WHEN 10 THEN r.v10 WHEN 11 THEN r.v11
    WHEN 12 THEN r.v12 WHEN 13 THEN r.v13 WHEN 14 THEN r.v14 WHEN 15 THEN r.v15 END AS value) AS v
WHERE v.value IS NOT NULL
UNION ALL
SELECT r.meter_id, m.serial, obis_text(r.obis), r.ts, scaled(r.value, r.scaler), unit_symbol(r.unit), NULL::int4, 'register',
    ARRAY(SELECT f.rule::text FROM reading_flag f
        WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id IS NULL AND f.withdrawn_at IS NULL
            AND f.obis = r.obis AND f.attribute = r.attribute
        ORDER BY f.rule)
FROM register_row r
JOIN meter m ON m.id = r.meter_id;

COMMENT ON COLUMN reading_flag.job_id IS
    'The job that brought the reading, or that was the read; where a later reading showed that an earlier one was none and they came with two jobs, the job of the later one.';
