"""Makes the certificates of tests/certificates.rs with Python's cryptography, which has the keys and signatures come out the same each time.

python make.py, in this folder.
"""

import datetime
import hashlib
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = pathlib.Path(__file__).parent
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc)
FOREVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
TITLE = "4D4D4D0000000001"
SUITES = {1: (ec.SECP256R1(), hashes.SHA256(), 31), 2: (ec.SECP384R1(), hashes.SHA384(), 47)}


def key(suite, seed):
    curve, _, octets = SUITES[suite]
    return ec.derive_private_key(int.from_bytes(hashlib.sha512(seed.encode()).digest()[:octets]), curve)


def usage(**given):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def common(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def make(file, subject, own, issuer, signer, extensions, suite=1, start=START, end=END):
    builder = x509.CertificateBuilder(
        issuer_name=issuer, subject_name=subject, public_key=own.public_key(), serial_number=7,
        not_valid_before=start, not_valid_after=end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(signer, SUITES[suite][1], ecdsa_deterministic=True)
    (FOLDER / f"{file}.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))


def forge(file, source, r, s):
    """The same certificate with another signature."""
    der = (FOLDER / f"{source}.der").read_bytes()
    certificate = x509.load_der_x509_certificate(der)
    front = 4 + len(certificate.tbs_certificate_bytes) + 12
    signature = b"\0" + encode_dss_signature(r, s)
    content = der[4:front] + bytes([3, len(signature)]) + signature
    (FOLDER / f"{file}.der").write_bytes(bytes.fromhex("3082") + len(content).to_bytes(2) + content)


def authority(length):
    return [(usage(key_cert_sign=True, crl_sign=True), True), (x509.BasicConstraints(True, length), True)]


def family(suite, suffix):
    root, sub, meter = key(suite, "root"), key(suite, "sub"), key(suite, "meter")
    names = common("Root-CA"), common("Sub-CA"), common(TITLE)
    signing = [(usage(digital_signature=True), True)]
    make("root" + suffix, names[0], root, names[0], root, authority(1), suite, end=FOREVER)
    make("sub" + suffix, names[1], sub, names[0], root, authority(0), suite)
    make("signing" + suffix, names[2], meter, names[1], sub, signing, suite, end=FOREVER)
    agreement = [(usage(key_agreement=True), True)]
    make("agreement" + suffix, names[2], key(suite, "agreement"), names[1], sub, agreement, suite)
    return root, sub, meter, names, signing


def main():
    family(2, "_384")
    root, sub, meter, names, signing = family(1, "")
    of_sub = (names[1], sub)
    make("under_sub", common("Sub-Sub-CA"), key(1, "under"), *of_sub, authority(0))
    make("pretender", names[1], key(1, "pretender"), names[0], key(1, "pretender"), authority(0))
    make("no_authority", names[1], sub, names[0], root, [(usage(digital_signature=True), True)])
    make("other_title", common("4D4D4D0000000002"), meter, *of_sub, signing)
    make("no_title", common("Meter"), meter, *of_sub, signing)
    hardware = bytes.fromhex("3015") + bytes.fromhex("06092B0601040182") + bytes.fromhex("8D5B01")
    hardware += bytes.fromhex("0408") + bytes.fromhex(TITLE)
    module = x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), hardware)])
    make("module", x509.Name([]), meter, *of_sub, [*signing, (module, True)])
    tls = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    make("tls", names[2], meter, *of_sub, [(usage(digital_signature=True, key_agreement=True), True), (tls, False)])
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), b"\x05\x00")
    make("critical", names[2], meter, *of_sub, [*signing, (unknown, True)])
    make("not_critical", names[2], meter, *of_sub, [*signing, (unknown, False)])
    r, s = decode_dss_signature(x509.load_der_x509_certificate((FOLDER / "signing.der").read_bytes()).signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    forge("zero_r", "signing", 0, s)
    forge("zero_s", "signing", r, 0)
    forge("large_s", "signing", r, order)
    forge("huge_s", "signing", r, 1 << 300)
    make("no_usage", names[2], meter, *of_sub, [])


if __name__ == "__main__":
    main()
