-- Registers are read each as often as the model says, and not all as often as one of them. What a read that is done did not bring stands with its job.

ALTER TABLE meter ADD COLUMN registers_read_at timestamptz;

COMMENT ON COLUMN meter.registers_read_at IS 'When the last planned read of its registers that succeeded began: which of them are due is counted from here.';
COMMENT ON COLUMN job.reason IS 'Why the last attempt that failed did so; stays when a later one succeeded and brought all.';
COMMENT ON COLUMN job.detail IS 'The same for a person: what happened and what to do. Without a reason, what of a read that is done did not come.';
