-- Readings as people, dashboards and billing see them: exact numbers with their unit, one row for each value.

CREATE FUNCTION unit_symbol(unit int2) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE unit
        WHEN 1 THEN 'a' WHEN 2 THEN 'mo' WHEN 3 THEN 'wk' WHEN 4 THEN 'd' WHEN 5 THEN 'h' WHEN 6 THEN 'min'
        WHEN 7 THEN 's' WHEN 8 THEN '°' WHEN 9 THEN '°C' WHEN 10 THEN 'currency' WHEN 11 THEN 'm' WHEN 12 THEN 'm/s'
        WHEN 13 THEN 'm³' WHEN 14 THEN 'm³' WHEN 15 THEN 'm³/h' WHEN 16 THEN 'm³/h' WHEN 17 THEN 'm³/d'
        WHEN 18 THEN 'm³/d' WHEN 19 THEN 'l' WHEN 20 THEN 'kg' WHEN 21 THEN 'N' WHEN 22 THEN 'Nm' WHEN 23 THEN 'Pa'
        WHEN 24 THEN 'bar' WHEN 25 THEN 'J' WHEN 26 THEN 'J/h' WHEN 27 THEN 'W' WHEN 28 THEN 'VA' WHEN 29 THEN 'var'
        WHEN 30 THEN 'Wh' WHEN 31 THEN 'VAh' WHEN 32 THEN 'varh' WHEN 33 THEN 'A' WHEN 34 THEN 'C' WHEN 35 THEN 'V'
        WHEN 36 THEN 'V/m' WHEN 37 THEN 'F' WHEN 38 THEN 'Ω' WHEN 39 THEN 'Ωm' WHEN 40 THEN 'Wb' WHEN 41 THEN 'T'
        WHEN 42 THEN 'A/m' WHEN 43 THEN 'H' WHEN 44 THEN 'Hz' WHEN 45 THEN '1/Wh' WHEN 46 THEN '1/varh'
        WHEN 47 THEN '1/VAh' WHEN 48 THEN 'V²h' WHEN 49 THEN 'A²h' WHEN 50 THEN 'kg/s' WHEN 51 THEN 'S'
        WHEN 52 THEN 'K' WHEN 53 THEN '1/V²h' WHEN 54 THEN '1/A²h' WHEN 55 THEN '1/m³' WHEN 56 THEN '%'
        WHEN 57 THEN 'Ah' WHEN 60 THEN 'Wh/m³' WHEN 61 THEN 'J/m³' WHEN 62 THEN 'mol%' WHEN 63 THEN 'g/m³'
        WHEN 64 THEN 'Pa s' WHEN 65 THEN 'J/kg' WHEN 70 THEN 'dBm' WHEN 71 THEN 'dBµV' WHEN 72 THEN 'dB'
        ELSE '' END
$$;

COMMENT ON FUNCTION unit_symbol(int2) IS 'The symbol of a unit code of IEC 62056-6-2; empty for none and for codes without one.';

-- The text of the power of ten is exact and carries its scale: 1234 with scaler -3 is 1.234, never 1.2340000000000000.
CREATE FUNCTION scaled(value int8, scaler int2) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE scaler WHEN 0 THEN value::numeric ELSE value::numeric * ('1e' || scaler)::numeric END
$$;

COMMENT ON FUNCTION scaled(int8, int2) IS 'A stored integer times ten to the power of its scaler, exactly.';

CREATE VIEW reading AS
SELECT r.meter_id, m.serial, obis_text(s.obis) AS obis, r.ts, scaled(v.value, s.scaler) AS value,
    unit_symbol(s.unit) AS unit, r.status, 'profile'::text AS kind
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
SELECT r.meter_id, m.serial, obis_text(r.obis), r.ts, scaled(r.value, r.scaler), unit_symbol(r.unit), NULL::int4, 'register'
FROM register_row r
JOIN meter m ON m.id = r.meter_id;

COMMENT ON VIEW reading IS 'Every stored value with its meaning, for people, dashboards and billing.';
COMMENT ON COLUMN reading.meter_id IS 'The meter.';
COMMENT ON COLUMN reading.serial IS 'Its serial number.';
COMMENT ON COLUMN reading.obis IS 'Logical name of the quantity.';
COMMENT ON COLUMN reading.ts IS 'End of the interval, or the time of reading for a register.';
COMMENT ON COLUMN reading.value IS 'The value in its unit, exact.';
COMMENT ON COLUMN reading.unit IS 'Symbol of the unit; empty for none.';
COMMENT ON COLUMN reading.status IS 'Bits of the profile''s status column; NULL when there is none.';
COMMENT ON COLUMN reading.kind IS 'profile or register.';
