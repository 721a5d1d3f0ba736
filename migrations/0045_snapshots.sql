-- Orders to take snapshots of registers.

ALTER TYPE command_kind ADD VALUE 'take_snapshot';
ALTER TYPE command_outcome ADD VALUE 'snapshot_taken';

COMMENT ON COLUMN command.baseline IS
    'What the meter showed before anything was sent, of an order whose effect is told by that: the counter that it moves by one, the time of the last snapshot. Kept by its first attempt before it sends, and never changed. NULL for others, and as long as nothing was kept.';
