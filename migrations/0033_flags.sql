-- What is doubtful about readings. A flag never changes a reading: it stands beside it, with the numbers that made it.

CREATE TYPE flag_rule AS ENUM (
    'clock_invalid', 'clock_doubtful', 'second_out_of_range', 'no_value', 'zero', 'decreased', 'restarted', 'rolled_over', 'spike',
    'sum_mismatch', 'register_mismatch', 'rows_outside', 'entries_in_use', 'clock_not_first', 'wrong_meter'
);

CREATE TABLE reading_flag (
    id           int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id     int4 NOT NULL REFERENCES meter (id) ON DELETE CASCADE,
    rule         flag_rule NOT NULL,
    ts           timestamptz NOT NULL,
    layout_id    int4,
    obis         bytea NOT NULL CHECK (octet_length(obis) = 6),
    attribute    int2 NOT NULL,
    value        int8,
    reference    int8,
    bound        int8,
    scaler       int2 NOT NULL,
    unit         int2 NOT NULL,
    job_id       int8 NOT NULL,
    raised_at    timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz
);

CREATE UNIQUE INDEX reading_flag_standing ON reading_flag (meter_id, ts, obis, attribute, rule, coalesce(layout_id, 0))
    WHERE withdrawn_at IS NULL;
CREATE INDEX reading_flag_of_meter ON reading_flag (meter_id, id);
CREATE INDEX reading_flag_of_rule ON reading_flag (rule, id);

COMMENT ON TABLE reading_flag IS 'What is doubtful about a reading, a capture, or a read as a whole. Readings are never changed for it.';
COMMENT ON COLUMN reading_flag.id IS 'Number; a later one is higher.';
COMMENT ON COLUMN reading_flag.meter_id IS 'The meter.';
COMMENT ON COLUMN reading_flag.rule IS 'The rule that does not hold.';
COMMENT ON COLUMN reading_flag.ts IS 'Instant of the reading or capture, as in profile_row or register_row; of a read as a whole, when it was noticed.';
COMMENT ON COLUMN reading_flag.layout_id IS 'Layout of the capture; NULL when the flag is about a register or a read as a whole.';
COMMENT ON COLUMN reading_flag.obis IS 'Logical name of the object whose value it is about; of the clock, when it is about a capture as a whole; of a profile, when it is about a read.';
COMMENT ON COLUMN reading_flag.attribute IS 'Attribute of that object.';
COMMENT ON COLUMN reading_flag.value IS 'The number that the rule does not like, times ten to the power of the scaler; NULL when it needs none.';
COMMENT ON COLUMN reading_flag.reference IS 'What it was compared with; NULL for nothing.';
COMMENT ON COLUMN reading_flag.bound IS 'How far it may be from that, or from 0; NULL when the rule has no such number.';
COMMENT ON COLUMN reading_flag.scaler IS 'The three numbers times ten to the power of the scaler are in the unit.';
COMMENT ON COLUMN reading_flag.unit IS 'Unit code of IEC 62056-6-2; 255 for none.';
COMMENT ON COLUMN reading_flag.job_id IS 'The job that brought the reading, or that was the read.';
COMMENT ON COLUMN reading_flag.raised_at IS 'When the flag was raised.';
COMMENT ON COLUMN reading_flag.withdrawn_at IS 'When it did not hold any more, because a later read changed the reading or its neighbours; NULL while it stands.';

ALTER TABLE meter_profile ADD COLUMN trusted int8[];

COMMENT ON COLUMN meter_profile.trusted IS
    'What the next captures are compared with: five numbers for each counter of the layout, which are its slot, the instant (microseconds since 1970) and value of the last capture that was plausible, and those of a later one that was not, if there is one.';

CREATE OR REPLACE VIEW reading AS
SELECT r.meter_id, m.serial, obis_text(s.obis) AS obis, r.ts, scaled(v.value, s.scaler) AS value,
    unit_symbol(s.unit) AS unit, r.status, 'profile'::text AS kind,
    ARRAY(SELECT f.rule::text FROM reading_flag f
        WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id = r.layout_id AND f.withdrawn_at IS NULL
            AND ((f.obis = s.obis AND f.attribute = s.attribute)
                OR f.rule IN ('clock_invalid', 'clock_doubtful', 'second_out_of_range'))
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

COMMENT ON COLUMN reading.flags IS 'What is doubtful about it: rules of reading_flag, of the value and of its capture.';
