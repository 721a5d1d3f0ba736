-- A trace goes on from the call that orders a job to the work that does it.

ALTER TABLE job ADD COLUMN trace_parent text CHECK (length(trace_parent) <= 64);

COMMENT ON COLUMN job.trace_parent IS 'Place in the trace of the call that ordered it, as a W3C traceparent; NULL for planned work and while no traces are sent.';
