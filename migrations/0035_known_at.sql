-- What was known at a time: when each content of a capture was stored stands beside it, so that a bill can be made again as it was made.

-- No default for the captures that are there: nobody noted when they were stored.
ALTER TABLE profile_row ADD COLUMN stored_at timestamptz;
ALTER TABLE profile_row ALTER COLUMN stored_at SET DEFAULT now();
ALTER TABLE profile_row_rev ADD COLUMN stored_at timestamptz;

COMMENT ON COLUMN profile_row.stored_at IS 'When this content was stored; NULL when that was before it was noted.';
COMMENT ON COLUMN profile_row_rev.stored_at IS 'As in profile_row: this content was the one that counted from then on, until seen_at.';

CREATE FUNCTION captures_known(meters int4[], from_ts timestamptz, to_ts timestamptz, known_at timestamptz)
RETURNS TABLE (meter_id int4, layout_id int4, ts timestamptz, status int4, clock_offset_min int2, clock_status int2, job_id int8, stored_at timestamptz,
    v0 int8, v1 int8, v2 int8, v3 int8, v4 int8, v5 int8, v6 int8, v7 int8,
    v8 int8, v9 int8, v10 int8, v11 int8, v12 int8, v13 int8, v14 int8, v15 int8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.meter_id, r.layout_id, r.ts, r.status, r.clock_offset_min, r.clock_status, r.job_id, r.stored_at,
        r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15
    FROM profile_row r
    WHERE r.meter_id = ANY ($1) AND r.ts >= $2 AND r.ts <= $3 AND (r.stored_at IS NULL OR r.stored_at <= $4)
    UNION ALL
    SELECT v.meter_id, v.layout_id, v.ts, v.status, v.clock_offset_min, v.clock_status, v.job_id, v.stored_at,
        v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15
    FROM profile_row_rev v
    WHERE v.meter_id = ANY ($1) AND v.ts >= $2 AND v.ts <= $3 AND v.seen_at > $4 AND (v.stored_at IS NULL OR v.stored_at <= $4)
$$;

COMMENT ON FUNCTION captures_known(int4[], timestamptz, timestamptz, timestamptz) IS
    'The captures of meters between two instants, both inclusive, with the content that counted at a time. The server takes it apart like a view.';
