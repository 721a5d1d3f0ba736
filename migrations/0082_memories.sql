-- What is remembered of a counter outlives a change of the columns around it: it goes by its name, unit and scaler, and not by its place.

UPDATE meter_profile p SET trusted = (
    SELECT array_agg(CASE WHEN u.n % 5 = 1 THEN s.key ELSE u.number END ORDER BY u.n)
    FROM unnest(p.trusted) WITH ORDINALITY AS u (number, n)
    LEFT JOIN (
        SELECT layout_id, slot, ('x' || encode(obis, 'hex') || lpad(to_hex(unit::int4), 2, '0') || lpad(to_hex(scaler::int4 & 255), 2, '0'))::bit(64)::int8 AS key
        FROM profile_slot) AS s ON u.n % 5 = 1 AND s.layout_id = p.layout_id AND s.slot = u.number)
WHERE p.trusted IS NOT NULL;

COMMENT ON COLUMN meter_profile.trusted IS
    'What the next captures are compared with: five numbers for each counter, which are its logical name, unit and scaler as the eight octets of the first, the instant (microseconds since 1970) and value of the last capture that was plausible, and those of another: a later one that was not plausible, or the last before the counter showed what it shows.';
