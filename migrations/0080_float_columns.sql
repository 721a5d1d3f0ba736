-- Columns of floating-point numbers are stored as exact decimals, like all others: in units of 10^-9 of what the meter sends.

ALTER TABLE profile_slot ADD COLUMN is_float boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN profile_slot.is_float IS
    'Whether the meter sends floating-point numbers in it: then the scaler is less by nine than its own, and a value is the shortest decimal that stands for the float.';

CREATE OR REPLACE FUNCTION layout_json(layout int4) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT json_build_object('obis', obis_text(l.obis), 'period_s', l.period_s, 'columns', coalesce((
        SELECT json_agg(json_build_object('class_id', s.class_id, 'obis', obis_text(s.obis), 'attribute', s.attribute,
            'data_index', s.data_index, 'slot', s.slot, 'scaler', s.scaler, 'unit', s.unit, 'is_float', s.is_float) ORDER BY s.position)
        FROM profile_slot s WHERE s.layout_id = l.id), '[]'))::text
    FROM profile_layout l WHERE l.id = layout
$$;
