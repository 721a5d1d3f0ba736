-- A meter of the inventory can be corrected, also while somebody works on it.

ALTER TABLE meter ADD COLUMN corrected bool NOT NULL DEFAULT false;

COMMENT ON COLUMN meter.corrected IS 'It was corrected while it was leased: what runs goes by what it was, and nothing more of it is leased until it was given back.';

CREATE OR REPLACE FUNCTION address_has_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.line := coalesce(NEW.line, address_line(NEW.address));
    ELSIF NEW.address <> OLD.address AND NEW.line = OLD.line AND OLD.line = address_line(OLD.address) THEN
        NEW.line := address_line(NEW.address);
    END IF;
    INSERT INTO line (name) VALUES (NEW.line) ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;
