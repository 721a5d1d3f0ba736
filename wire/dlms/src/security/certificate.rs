//! X.509 certificates as the suites 1 and 2 profile them (Green Book, 9.2.6.4; RFC 5280): whose key it is, what it is for, and who says so.

use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{BitString, ObjectIdentifier, OctetString, UintRef};
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::curve::Public;
use super::{PublicKey, Suite, SystemTitle};
use crate::Error;
use crate::error::CertificateFault;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// Hardware module name (RFC 4108), which holds a system title.
const HARDWARE_MODULE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.4");
const ANY_EXTENDED_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// Extensions that are taken into account: key usage, alternative name, basic constraints, extended key usage; and policies, of which all
/// are accepted.
const UNDERSTOOD: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
];

/// What the key of a certificate is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Digital signatures of APDUs, challenges and ephemeral keys.
    Signature,
    /// Key agreement.
    Agreement,
}

/// A certificate. What it says may be believed when an authority that is trusted [issued](Self::key_of) it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What the issuer signed.
    signed: Vec<u8>,
    /// r and s side by side.
    signature: Vec<u8>,
    /// The suite whose curve and hash it was signed with.
    algorithm: Suite,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    title: Option<SystemTitle>,
    key: PublicKey,
    usage: Usage,
    /// Seconds since 1970, both included.
    validity: (u64, u64),
}

/// What the key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    signature: bool,
    agreement: bool,
    /// It is for something that is named, and that is none of DLMS.
    elsewhere: bool,
    /// It may issue certificates; how many authorities may be below it.
    authority: Option<Option<u8>>,
}

impl Certificate {
    /// Decodes a certificate (DER).
    ///
    /// # Errors
    /// [`Error::Certificate`] with [`CertificateFault::Malformed`], [`CertificateFault::Algorithm`] or
    /// [`CertificateFault::CriticalExtension`]; [`Error::PublicKey`].
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let signed = signed_part(der).map_err(malformed)?.to_vec();
        let contents = parsed.tbs_certificate();
        if parsed.signature_algorithm() != contents.signature() {
            return Err(CertificateFault::Malformed.into());
        }
        if let Some(extension) = contents.extensions().and_then(|extensions| {
            extensions.iter().find(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id))
        }) {
            return Err(CertificateFault::CriticalExtension { oid: extension.extn_id.to_string() }.into());
        }
        let algorithm = match parsed.signature_algorithm().oid {
            ECDSA_SHA256 => Suite::One,
            ECDSA_SHA384 => Suite::Two,
            _ => return Err(CertificateFault::Algorithm.into()),
        };
        let validity = contents.validity();
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        Ok(Self {
            signed,
            signature: signature(octets(parsed.signature())?, algorithm)?,
            algorithm,
            issuer: contents.issuer().to_der().map_err(malformed)?,
            subject: contents.subject().to_der().map_err(malformed)?,
            title: title(contents).map_err(malformed)?,
            key: public_key(
                &contents.subject_public_key_info().algorithm,
                octets(&contents.subject_public_key_info().subject_public_key)?,
            )?,
            usage: usage(contents).map_err(malformed)?,
            validity: (seconds(validity.not_before), seconds(validity.not_after)),
        })
    }

    /// The system title of whom it is about: the common name in hexadecimal digits, or else the serial number of the hardware module in the
    /// alternative name. `None` with authorities.
    pub fn title(&self) -> Option<SystemTitle> {
        self.title
    }

    /// The public key of `title` for `purpose`, when `authority`, which is trusted, says at `now`, in seconds since 1970, that it is.
    ///
    /// # Errors
    /// [`Error::Certificate`] with what speaks against it.
    pub fn key_of(
        &self,
        title: &SystemTitle,
        purpose: KeyUse,
        authority: &Self,
        now: u64,
    ) -> Result<PublicKey, Error> {
        if self.title != Some(*title) {
            return Err(CertificateFault::WrongTitle { expected: *title, got: self.title }.into());
        }
        let may = match purpose {
            KeyUse::Signature => self.usage.signature,
            KeyUse::Agreement => self.usage.agreement,
        };
        if !may {
            return Err(CertificateFault::KeyUsage.into());
        }
        if self.usage.elsewhere {
            return Err(CertificateFault::ExtendedKeyUsage.into());
        }
        self.issued_by(authority, now)?;
        Ok(self.key)
    }

    /// Whether it is an authority's, and `superior`, which is trusted, says so at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Certificate`] with what speaks against it.
    pub fn authority_under(&self, superior: &Self, now: u64) -> Result<(), Error> {
        match (self.usage.authority, superior.usage.authority) {
            (None, _) | (_, Some(Some(0))) => Err(CertificateFault::NotAuthority.into()),
            _ => self.issued_by(superior, now),
        }
    }

    fn issued_by(&self, authority: &Self, now: u64) -> Result<(), Error> {
        if self.issuer != authority.subject {
            return Err(CertificateFault::Issuer.into());
        }
        if authority.usage.authority.is_none() {
            return Err(CertificateFault::NotAuthority.into());
        }
        if self.algorithm != authority.key.suite() {
            return Err(CertificateFault::Algorithm.into());
        }
        authority.key.verify(&self.signed, &self.signature).map_err(|error| match error {
            Error::SignatureValue => CertificateFault::SignatureValue,
            _ => CertificateFault::Signature,
        })?;
        self.valid_at(now)?;
        authority.valid_at(now)
    }

    fn valid_at(&self, now: u64) -> Result<(), Error> {
        let (first, last) = self.validity;
        if now < first {
            return Err(CertificateFault::NotYetValid.into());
        }
        if now > last {
            return Err(CertificateFault::Expired.into());
        }
        Ok(())
    }
}

fn malformed(_: der::Error) -> Error {
    CertificateFault::Malformed.into()
}

/// A bit string of whole octets.
fn octets(bits: &BitString) -> Result<&[u8], Error> {
    bits.as_bytes().ok_or_else(|| CertificateFault::Malformed.into())
}

/// The octets of the first element, as they came: what is signed must not be encoded anew.
fn signed_part(certificate: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(certificate)?.sequence(|reader| {
        let signed = reader.tlv_bytes()?;
        while !reader.is_finished() {
            reader.tlv_bytes()?;
        }
        Ok(signed)
    })
}

/// r and s in the fixed form of DLMS, out of the two integers of X.509.
fn signature(der: &[u8], algorithm: Suite) -> Result<Vec<u8>, Error> {
    let length = if algorithm == Suite::Two { 48 } else { 32 };
    let integers: der::Result<_> = SliceReader::new(der).and_then(|mut reader| {
        let integers = reader.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)));
        reader.finish().and(integers)
    });
    let (r, s) = integers.map_err(malformed)?;
    let mut fixed = vec![0; 2 * length];
    for (integer, place) in [r, s].into_iter().zip(fixed.chunks_exact_mut(length)) {
        let octets = integer.as_bytes();
        let start = length.checked_sub(octets.len()).ok_or(CertificateFault::SignatureValue)?;
        place[start..].copy_from_slice(octets);
    }
    Ok(fixed)
}

fn public_key(algorithm: &AlgorithmIdentifierOwned, point: &[u8]) -> Result<PublicKey, Error> {
    let curve = algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let key = match (algorithm.oid, curve) {
        (EC_PUBLIC_KEY, Some(P256)) => p256::PublicKey::from_sec1_bytes(point).map(Public::P256),
        (EC_PUBLIC_KEY, Some(P384)) => p384::PublicKey::from_sec1_bytes(point).map(Public::P384),
        _ => return Err(CertificateFault::Algorithm.into()),
    };
    key.map(PublicKey).map_err(|_| Error::PublicKey)
}

fn title(contents: &TbsCertificate) -> der::Result<Option<SystemTitle>> {
    if let Some(name) = contents.subject().common_name()?
        && let Some(title) = hexadecimal(&name.value())
    {
        return Ok(Some(title));
    }
    let Some((_, SubjectAltName(names))) = contents.get_extension::<SubjectAltName>()? else {
        return Ok(None);
    };
    let module = names.iter().find_map(|name| match name {
        GeneralName::OtherName(name) if name.type_id == HARDWARE_MODULE_NAME => Some(&name.value),
        _ => None,
    });
    let Some(module) = module else { return Ok(None) };
    let octets = module.to_der()?;
    let serial = SliceReader::new(&octets)?.sequence(|reader| {
        reader.tlv_bytes()?;
        OctetString::decode(reader)
    })?;
    Ok(SystemTitle::try_from(serial.as_bytes()).ok())
}

fn hexadecimal(digits: &str) -> Option<SystemTitle> {
    let valid = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = valid.then(|| u64::from_str_radix(digits, 16).ok()).flatten()?;
    Some(SystemTitle::new(number.to_be_bytes()))
}

fn usage(contents: &TbsCertificate) -> der::Result<Usage> {
    let usage = contents.get_extension::<KeyUsage>()?.map(|(_, usage)| usage);
    let named = contents.get_extension::<ExtendedKeyUsage>()?.map(|(_, named)| named.0);
    let constraints = contents.get_extension::<BasicConstraints>()?.map(|(_, constraints)| constraints);
    let issues = usage.is_some_and(|usage| usage.key_cert_sign());
    Ok(Usage {
        signature: usage.is_some_and(|usage| usage.digital_signature()),
        agreement: usage.is_some_and(|usage| usage.key_agreement()),
        elsewhere: named.is_some_and(|named| !named.contains(&ANY_EXTENDED_USAGE)),
        authority: constraints
            .filter(|constraints| constraints.ca && issues)
            .map(|constraints| constraints.path_len_constraint),
    })
}
