use super::enumeration;
use crate::Error;
use crate::axdr::Data;
use crate::cosem::{array, octets, structure};
use crate::security::SystemTitle;

/// Who a certificate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateEntity {
    /// The meter.
    Server,
    /// A client.
    Client,
    /// A certification authority.
    Authority,
    /// Somebody else.
    Other,
}

/// What the key of a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateKind {
    /// Digital signatures.
    DigitalSignature,
    /// Key agreement.
    KeyAgreement,
    /// Transport layer security.
    Tls,
    /// Something else; certificates of authorities are of this kind.
    Other,
}

/// One entry of attribute 6: a certificate that the meter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Who it is about.
    pub entity: CertificateEntity,
    /// What its key is for.
    pub kind: CertificateKind,
    /// Its serial number.
    pub serial_number: Vec<u8>,
    /// Who issued it.
    pub issuer: Vec<u8>,
    /// Who it is about.
    pub subject: Vec<u8>,
    /// The alternative name in it; may be empty.
    pub subject_alternative_name: Vec<u8>,
}

/// How methods 7 and 8 name a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// By whose it is, and what for.
    Entity {
        /// Who it is about.
        entity: CertificateEntity,
        /// What its key is for.
        kind: CertificateKind,
        /// The system title of who it is about.
        title: SystemTitle,
    },
    /// As its issuer does.
    Serial {
        /// Its serial number.
        serial_number: Vec<u8>,
        /// Who issued it.
        issuer: Vec<u8>,
    },
}

impl CertificateKind {
    /// The parameter of methods 4 and 5.
    pub const fn encode(self) -> Data {
        Data::Enum(self.number())
    }

    const fn number(self) -> u8 {
        match self {
            Self::DigitalSignature => 0,
            Self::KeyAgreement => 1,
            Self::Tls => 2,
            Self::Other => 3,
        }
    }

    fn decode(data: &Data) -> Result<Self, Error> {
        match enumeration(data, "certificate type")? {
            0 => Ok(Self::DigitalSignature),
            1 => Ok(Self::KeyAgreement),
            2 => Ok(Self::Tls),
            3 => Ok(Self::Other),
            got => Err(Error::Value { what: "certificate type", got: u32::from(got) }),
        }
    }
}

impl CertificateEntity {
    const fn number(self) -> u8 {
        match self {
            Self::Server => 0,
            Self::Client => 1,
            Self::Authority => 2,
            Self::Other => 3,
        }
    }

    fn decode(data: &Data) -> Result<Self, Error> {
        match enumeration(data, "certificate entity")? {
            0 => Ok(Self::Server),
            1 => Ok(Self::Client),
            2 => Ok(Self::Authority),
            3 => Ok(Self::Other),
            got => Err(Error::Value { what: "certificate entity", got: u32::from(got) }),
        }
    }
}

impl CertificateInfo {
    /// Decodes attribute 6.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`] for another structure, [`Error::Value`] for an entity or a type that the class does not have.
    pub fn decode(data: &Data) -> Result<Vec<Self>, Error> {
        let decode = |entry| {
            let [entity, kind, serial_number, issuer, subject, alternative] =
                structure(entry, "certificate info")?;
            Ok(Self {
                entity: CertificateEntity::decode(entity)?,
                kind: CertificateKind::decode(kind)?,
                serial_number: octets(serial_number, "serial number")?.to_vec(),
                issuer: octets(issuer, "issuer")?.to_vec(),
                subject: octets(subject, "subject")?.to_vec(),
                subject_alternative_name: octets(alternative, "subject alternative name")?.to_vec(),
            })
        };
        array(data, "certificates")?.iter().map(decode).collect()
    }
}

impl CertificateName {
    /// The parameter of methods 7 and 8.
    pub fn encode(&self) -> Data {
        let (choice, name) = match self {
            Self::Entity { entity, kind, title } => {
                let title = Data::OctetString(title.octets().to_vec());
                (0, vec![Data::Enum(entity.number()), kind.encode(), title])
            }
            Self::Serial { serial_number, issuer } => {
                (1, vec![Data::OctetString(serial_number.clone()), Data::OctetString(issuer.clone())])
            }
        };
        Data::Structure(vec![Data::Enum(choice), Data::Structure(name)])
    }
}
