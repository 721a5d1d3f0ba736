-- A process that counted as dead and is not finds that out, and says again who is connected to it.

ALTER TABLE listener ADD COLUMN since timestamptz NOT NULL DEFAULT now();

COMMENT ON COLUMN listener.since IS 'Its first sign of life, or the first one after it counted as dead: whoever ends its connections deletes its row.';

-- What a sign of life costs follows from who called a short time ago, and not from how many are connected.
DROP INDEX caller_present;
CREATE INDEX caller_present ON caller (owner, since) WHERE left_at IS NULL;
