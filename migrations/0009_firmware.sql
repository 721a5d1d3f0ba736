-- Firmware images, from which meters are updated.

CREATE TABLE firmware_image (
    id          int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    model       text NOT NULL CHECK (length(model) BETWEEN 1 AND 64),
    identifier  bytea NOT NULL CHECK (octet_length(identifier) BETWEEN 1 AND 64),
    version     text NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
    size        int4 NOT NULL CHECK (size > 0),
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    signature   bytea NOT NULL CHECK (octet_length(signature) <= 1024),
    uploaded_by text NOT NULL CHECK (length(uploaded_by) BETWEEN 1 AND 256),
    uploaded_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE firmware_image IS 'A firmware image for meters of one model. It is there as a whole or not at all, and never changes.';
COMMENT ON COLUMN firmware_image.id IS 'Key.';
COMMENT ON COLUMN firmware_image.name IS 'Name by which people order it.';
COMMENT ON COLUMN firmware_image.model IS 'Name of the only meter model that it is for.';
COMMENT ON COLUMN firmware_image.identifier IS 'What the meter calls it: the identifier of image_transfer_initiate.';
COMMENT ON COLUMN firmware_image.version IS 'What the meter shows as its firmware version once the image runs.';
COMMENT ON COLUMN firmware_image.size IS 'Octets.';
COMMENT ON COLUMN firmware_image.sha256 IS 'SHA-256 of the octets, given by who uploaded it and compared with what arrived.';
COMMENT ON COLUMN firmware_image.signature IS 'Signature that the meter has to show before the image is activated; empty when none is known.';
COMMENT ON COLUMN firmware_image.uploaded_by IS 'Who uploaded it, as the certificate says.';
COMMENT ON COLUMN firmware_image.uploaded_at IS 'When.';

CREATE TABLE firmware_chunk (
    image_id int4 NOT NULL REFERENCES firmware_image (id) ON DELETE CASCADE,
    number   int4 NOT NULL CHECK (number >= 0),
    octets   bytea NOT NULL CHECK (octet_length(octets) BETWEEN 1 AND 262144),
    PRIMARY KEY (image_id, number)
);

-- Firmware does not shrink; what is stored as it is can be read in part.
ALTER TABLE firmware_chunk ALTER COLUMN octets SET STORAGE EXTERNAL;

COMMENT ON TABLE firmware_chunk IS 'The octets of an image in pieces of 256 KiB, the last one shorter.';
COMMENT ON COLUMN firmware_chunk.image_id IS 'The image.';
COMMENT ON COLUMN firmware_chunk.number IS 'Place of the piece, from 0.';
COMMENT ON COLUMN firmware_chunk.octets IS 'The octets.';
