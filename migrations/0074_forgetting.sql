-- Whether anything of a month was stored of late, and how much it held, is known without looking through all of it.

CREATE INDEX profile_row_age ON profile_row USING brin (stored_at) WITH (autosummarize = on);

CREATE FUNCTION about_rows(part regclass) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    rows int8 := (SELECT reltuples::int8 FROM pg_class WHERE oid = part);
BEGIN
    -- Of little the server may have made no estimate yet.
    IF rows < 1000000 THEN
        EXECUTE format('SELECT count(*) FROM %s', part) INTO rows;
    END IF;
    RETURN rows;
END
$$;

COMMENT ON FUNCTION about_rows(regclass) IS 'Rows of a table: counted below a million, above it as the server estimates them.';

CREATE OR REPLACE FUNCTION forget_readings(before timestamptz, most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    is_plain bool := (SELECT relkind = 'p' FROM pg_class WHERE oid = 'profile_row'::regclass);
    parts    text := CASE WHEN is_plain
        THEN $sql$SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'profile_row'::regclass AND c.relname ~ '^profile_row_\d{4}_\d{2}$'
                AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= $1$sql$
        ELSE $sql$SELECT show_chunks('profile_row', older_than => $1)$sql$ END;
    part     regclass;
    fresh    bool;
    rows     int8;
    gone     int8 := 0;
BEGIN
    -- A month or chunk goes as a whole, when all of it is old by the meters' clocks and by ours.
    FOR part IN EXECUTE parts USING before LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE stored_at >= $1)', part) INTO fresh USING before;
        CONTINUE WHEN fresh;
        rows := about_rows(part);
        EXECUTE format('DROP TABLE %s', part);
        gone := gone + rows;
    END LOOP;
    IF is_plain THEN
        DELETE FROM profile_row_other WHERE ts < before AND coalesce(stored_at, '-infinity') < before;
        GET DIAGNOSTICS rows = ROW_COUNT;
        gone := gone + rows;
    END IF;
    DELETE FROM profile_row_rev WHERE ctid = ANY (ARRAY(SELECT ctid FROM profile_row_rev WHERE seen_at < before AND ts < before LIMIT most));
    GET DIAGNOSTICS rows = ROW_COUNT;
    gone := gone + rows;
    DELETE FROM register_row WHERE ctid = ANY (ARRAY(SELECT ctid FROM register_row WHERE ts < before LIMIT most));
    GET DIAGNOSTICS rows = ROW_COUNT;
    gone := gone + rows;
    DELETE FROM reading_flag WHERE ctid = ANY (ARRAY(SELECT ctid FROM reading_flag WHERE raised_at < before AND ts < before LIMIT most));
    DELETE FROM reading_day WHERE ctid = ANY (ARRAY(SELECT ctid FROM reading_day WHERE made_at < before AND last_ts < before LIMIT most));
    RETURN gone;
END
$$;

COMMENT ON FUNCTION forget_readings(timestamptz, int4) IS
    'Deletes what is older than an instant: captures by whole months, or chunks of a hypertable, of which nothing was stored since; registers, revisions, flags and days at most so many each. Returns about how many captures, revisions and registers that were.';
