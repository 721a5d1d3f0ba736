-- Households with more than one circuit: each is a meter of its own, and the first is the one whose load, credit and times are controlled.

ALTER TABLE meter
    ADD COLUMN circuit int2 NOT NULL DEFAULT 1 CHECK (circuit BETWEEN 1 AND 9),
    ADD CHECK (circuit = 1 OR subunit IS NOT NULL);

DROP INDEX meter_place;
CREATE UNIQUE INDEX meter_place ON meter (parent_id, subunit, circuit) WHERE state = 'active';

COMMENT ON COLUMN meter.circuit IS 'Which circuit of its sub-unit it is: 1 for the first, or only, one; those from the second on can only be switched.';
