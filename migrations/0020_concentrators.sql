-- Concentrators: which one stands before a meter, what is behind each, and what it says of itself.

CREATE FUNCTION concentrator_of(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(address FROM '^concentrator://([^/]+)/')
$$;

COMMENT ON FUNCTION concentrator_of(text) IS 'The serial number of the concentrator of an address concentrator://SERIAL/NODE; NULL for any other.';
