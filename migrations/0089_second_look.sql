-- What a meter did not give counts as lost when it was asked twice: an answer may be empty, or end early, once.

ALTER TABLE meter_profile
    ADD COLUMN absent tstzmultirange NOT NULL DEFAULT '{}',
    ADD COLUMN absent_at timestamptz;

COMMENT ON COLUMN meter_profile.absent IS 'What a read asked for and the meter did not give, at an end of what was asked for: not covered yet. It is lost when a later read does not bring it either.';
COMMENT ON COLUMN meter_profile.absent_at IS 'When the first of it was asked for.';
