-- What could not be read of a profile costs nothing else, and is kept as it came.

ALTER TYPE flag_rule ADD VALUE 'unreadable';
ALTER TYPE flag_rule ADD VALUE 'times_left_out';

ALTER TABLE reading_flag ADD COLUMN octets bytea;

COMMENT ON COLUMN reading_flag.octets IS 'What the meter sent in the place of a value, or the row, encoded in A-XDR, where it could not be read; NULL otherwise.';

-- Of one day, several rows of a profile may be such.
DROP INDEX reading_flag_standing;
CREATE UNIQUE INDEX reading_flag_standing
    ON reading_flag (meter_id, ts, obis, attribute, rule, coalesce(layout_id, 0), coalesce(md5(octets), ''))
    WHERE withdrawn_at IS NULL;

-- Columns are read again now and then, because a meter may capture others without a sign of it.

ALTER TABLE meter_profile ADD COLUMN layout_read_at timestamptz DEFAULT now();

COMMENT ON COLUMN meter_profile.layout_read_at IS 'When the columns were last read from the meter; NULL when they may have changed since, so that the next read begins with them.';
