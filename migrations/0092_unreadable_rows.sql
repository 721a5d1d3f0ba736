-- Rows that could not be read are looked for with each read of their profile that is done: there are few of them, and many flags.

CREATE INDEX reading_flag_row ON reading_flag (meter_id) WHERE rule = 'unreadable' AND layout_id IS NULL AND withdrawn_at IS NULL;
