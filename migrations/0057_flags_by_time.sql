-- Flags are looked for by the time of what they are about, those that were withdrawn as well: bills are made as it was known at a time.

CREATE INDEX reading_flag_of_time ON reading_flag (meter_id, ts);
