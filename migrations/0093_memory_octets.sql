-- What is remembered of counters goes out of the database and back with every batch and is compared by the program alone: octets cost it a fraction of arrays.

ALTER TABLE meter_profile ADD COLUMN memory bytea;

UPDATE meter_profile p SET memory = (
    SELECT string_agg(
        CASE WHEN p.trusted[n + 5] IS NULL THEN '\x00'::bytea ELSE '\x01'::bytea END
            || int8send(p.trusted[n + 1]) || int8send(p.trusted[n + 2]) || int8send(p.trusted[n + 3])
            || CASE WHEN p.trusted[n + 5] IS NULL THEN '\x'::bytea ELSE int8send(p.trusted[n + 4]) || int8send(p.trusted[n + 5]) END,
        '\x'::bytea ORDER BY n)
    FROM generate_series(0, cardinality(p.trusted) - 5, 5) AS n)
WHERE p.trusted IS NOT NULL;

ALTER TABLE meter_profile DROP COLUMN trusted;
ALTER TABLE meter_profile RENAME COLUMN memory TO trusted;

COMMENT ON COLUMN meter_profile.trusted IS
    'What the next captures are compared with. For each counter an octet that says whether there is another capture, and numbers of eight octets, the highest first: logical name, unit and scaler as one; instant (microseconds since 1970) and value of the last capture that was plausible; and those of the other: a later one that was not plausible, or the last before the counter showed what it shows.';
