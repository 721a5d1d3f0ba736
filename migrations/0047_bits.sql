-- Events of registers whose bits are events: they stand beside what logs tell.

COMMENT ON COLUMN event.log IS 'Logical name of the meter''s log, or of the register whose bits tell of it, 6 octets.';
COMMENT ON COLUMN event.code IS
    'Code in the log, or the value of one bit of a status word; of a register that is read a bit that is not set any more is negative.';
COMMENT ON COLUMN event.logged IS 'What the entry of the log holds: the code, or the whole status word.';
COMMENT ON COLUMN event.meter_ts IS
    'When it happened, by the meter''s clock; NULL when that shows no time that there is. Of the bits of a register: when they were seen, by the head-end''s clock.';
