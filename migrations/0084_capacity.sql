-- How many rows a profile keeps, as the meter says itself.

ALTER TABLE meter_profile ADD COLUMN capacity int8 CHECK (capacity > 0);

COMMENT ON COLUMN meter_profile.capacity IS
    'Rows that the meter keeps before it overwrites the oldest, as it said with the columns (attribute 8); NULL when it did not say: then the model says it.';
