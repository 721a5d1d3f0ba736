-- High level security of every kind, security suites and security policies.

ALTER TYPE security_level ADD VALUE 'manufacturer' BEFORE 'gmac';
ALTER TYPE security_level ADD VALUE 'md5' BEFORE 'gmac';
ALTER TYPE security_level ADD VALUE 'sha1' BEFORE 'gmac';
ALTER TYPE security_level ADD VALUE 'sha256';
ALTER TYPE security_level ADD VALUE 'ecdsa';
ALTER TYPE failure_reason ADD VALUE 'downgrade';
CREATE TYPE security_policy AS ENUM ('none', 'authenticated', 'encrypted', 'authenticated_encrypted');

ALTER TABLE meter ADD COLUMN suite int2 NOT NULL DEFAULT 0 CHECK (suite BETWEEN 0 AND 2),
    ADD COLUMN policy security_policy NOT NULL DEFAULT 'none',
    ADD COLUMN meter_public_key bytea CHECK (octet_length(meter_public_key) IN (64, 96));
UPDATE meter SET policy = 'authenticated_encrypted' WHERE security = 'gmac';

ALTER TABLE meter_secret DROP CONSTRAINT meter_secret_encryption_key_check,
    DROP CONSTRAINT meter_secret_authentication_key_check,
    ADD COLUMN signing_key bytea CHECK (octet_length(signing_key) IN (32, 48)),
    ADD CHECK (octet_length(encryption_key) IN (16, 32)),
    ADD CHECK (octet_length(authentication_key) = octet_length(encryption_key));

COMMENT ON COLUMN meter.security IS 'How the head-end shows a meter who it is: not at all, by a password (lls), or by a mechanism of high level security.';
COMMENT ON COLUMN meter.client_title IS 'System title under which the head-end speaks to it, 8 octets; needed with keys and with proofs that name it.';
COMMENT ON COLUMN meter.suite IS 'Security suite: which algorithms, and how long the keys are.';
COMMENT ON COLUMN meter.policy IS 'How its messages are protected, in both directions.';
COMMENT ON COLUMN meter.meter_public_key IS 'Its public key for digital signatures, both coordinates; needed with ecdsa.';
COMMENT ON COLUMN meter_secret.password IS 'Password of low level security, or secret of a mechanism of high level security.';
COMMENT ON COLUMN meter_secret.encryption_key IS 'Global unicast encryption key, as long as the suite has it.';
COMMENT ON COLUMN meter_secret.authentication_key IS 'Authentication key, as long as the encryption key.';
COMMENT ON COLUMN meter_secret.signing_key IS 'Private key with which the head-end signs for it; needed with ecdsa.';
COMMENT ON TABLE meter_counter IS 'Invocation counters of meters with keys: reserved here in blocks before they are used.';
