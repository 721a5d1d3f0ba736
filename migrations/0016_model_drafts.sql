-- What meters of unknown types have, written down as drafts of models.

ALTER TYPE job_kind ADD VALUE 'discover';

CREATE TABLE model_draft (
    meter_id int4 NOT NULL,
    job_id   int8 NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    draft    text NOT NULL CHECK (octet_length(draft) <= 262144),
    PRIMARY KEY (meter_id, job_id)
);

COMMENT ON TABLE model_draft IS 'Drafts of models, made from what meters show of themselves.';
COMMENT ON COLUMN model_draft.meter_id IS 'The meter.';
COMMENT ON COLUMN model_draft.job_id IS 'The job that looked at it.';
COMMENT ON COLUMN model_draft.made_at IS 'When it was stored.';
COMMENT ON COLUMN model_draft.draft IS 'The file of the model (TOML) without its first line, which is the name of the model.';
