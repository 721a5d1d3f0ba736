//! Security setup, class 64 versions 0 and 1 (Blue Book, 4.4.7): what a meter demands of its associations, and how its keys and certificates
//! are changed.

mod certificates;
mod keys;

pub use certificates::{CertificateEntity, CertificateInfo, CertificateKind, CertificateName};
pub use keys::{KeyId, decode_key_agreement, key_agreement, key_transfer};

use super::{octets, unexpected};
use crate::axdr::Data;
use crate::security::{Suite, SystemTitle};
use crate::{AttributeDescriptor, Error, MethodDescriptor, Obis};

/// The class.
pub const CLASS: u16 = 64;

/// A security setup object, normally 0.0.43.0.x.255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecuritySetup(pub Obis);

impl SecuritySetup {
    /// Attribute 2 `security_policy`, see [`Policy`].
    pub const fn security_policy(self) -> AttributeDescriptor {
        self.attribute(2)
    }

    /// Attribute 3 `security_suite`, see [`decode_suite`].
    pub const fn security_suite(self) -> AttributeDescriptor {
        self.attribute(3)
    }

    /// Attribute 4 `client_system_title`, see [`decode_title`].
    pub const fn client_system_title(self) -> AttributeDescriptor {
        self.attribute(4)
    }

    /// Attribute 5 `server_system_title`, see [`decode_title`].
    pub const fn server_system_title(self) -> AttributeDescriptor {
        self.attribute(5)
    }

    /// Attribute 6 `certificates`, see [`CertificateInfo`].
    pub const fn certificates(self) -> AttributeDescriptor {
        self.attribute(6)
    }

    /// Method 1 `security_activate` with [`Policy::activate`]: a policy can only become stronger.
    pub const fn security_activate(self) -> MethodDescriptor {
        self.method(1)
    }

    /// Method 2 `key_transfer` with [`key_transfer`].
    pub const fn key_transfer(self) -> MethodDescriptor {
        self.method(2)
    }

    /// Method 3 `key_agreement` with [`key_agreement`]; what it returns is for [`decode_key_agreement`].
    pub const fn key_agreement(self) -> MethodDescriptor {
        self.method(3)
    }

    /// Method 4 `generate_key_pair` with [`CertificateKind::encode`].
    pub const fn generate_key_pair(self) -> MethodDescriptor {
        self.method(4)
    }

    /// Method 5 `generate_certificate_request` with [`CertificateKind::encode`]; it returns a PKCS #10 request as octet-string.
    pub const fn generate_certificate_request(self) -> MethodDescriptor {
        self.method(5)
    }

    /// Method 6 `import_certificate` with the certificate (DER) as octet-string.
    pub const fn import_certificate(self) -> MethodDescriptor {
        self.method(6)
    }

    /// Method 7 `export_certificate` with [`CertificateName::encode`]; it returns the certificate (DER) as octet-string.
    pub const fn export_certificate(self) -> MethodDescriptor {
        self.method(7)
    }

    /// Method 8 `remove_certificate` with [`CertificateName::encode`].
    pub const fn remove_certificate(self) -> MethodDescriptor {
        self.method(8)
    }

    const fn attribute(self, attribute: i8) -> AttributeDescriptor {
        AttributeDescriptor { class_id: CLASS, instance: self.0, attribute }
    }

    const fn method(self, method: i8) -> MethodDescriptor {
        MethodDescriptor { class_id: CLASS, instance: self.0, method }
    }
}

/// What is demanded of messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// An authentication tag.
    pub authenticated: bool,
    /// Encryption.
    pub encrypted: bool,
    /// A digital signature; only in version 1.
    pub signed: bool,
}

/// What a meter demands of the messages that it takes, and gives those that it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Of requests.
    pub requests: Protection,
    /// Of responses.
    pub responses: Protection,
}

impl Policy {
    /// Decodes attribute 2. In version 0 a number from 0 to 3 holds for both directions, in version 1 each bit from 2 to 7 is a demand.
    ///
    /// # Errors
    /// [`Error::DataType`] for another type than enum, [`Error::Value`] for a policy that the version does not have.
    pub fn decode(data: &Data, version: u8) -> Result<Self, Error> {
        let policy = enumeration(data, "security policy")?;
        let set = |bit: u8| policy & 1 << bit != 0;
        match version {
            0 if policy <= 3 => {
                let both = Protection { authenticated: set(0), encrypted: set(1), signed: false };
                Ok(Self { requests: both, responses: both })
            }
            1.. if policy & 3 == 0 => {
                let demands = |first| Protection {
                    authenticated: set(first),
                    encrypted: set(first + 1),
                    signed: set(first + 2),
                };
                Ok(Self { requests: demands(2), responses: demands(5) })
            }
            _ => Err(Error::Value { what: "security policy", got: u32::from(policy) }),
        }
    }

    /// The parameter of method 1.
    ///
    /// # Errors
    /// [`Error::Misuse`] for what version 0 cannot say: a signature, or another demand on requests than on responses.
    pub fn activate(self, version: u8) -> Result<Data, Error> {
        let Protection { authenticated, encrypted, signed } = self.requests;
        let bits = |protection: Protection| {
            u8::from(protection.authenticated)
                | u8::from(protection.encrypted) << 1
                | u8::from(protection.signed) << 2
        };
        match version {
            0 if self.requests == self.responses && !signed => {
                Ok(Data::Enum(u8::from(authenticated) | u8::from(encrypted) << 1))
            }
            0 => Err(Error::Misuse("version 0 of the security setup has no such policy")),
            _ => Ok(Data::Enum(bits(self.requests) << 2 | bits(self.responses) << 5)),
        }
    }
}

/// Decodes attribute 3.
///
/// # Errors
/// [`Error::DataType`] for another type than enum, [`Error::Suite`] for a suite that the standard does not have.
pub fn decode_suite(data: &Data) -> Result<Suite, Error> {
    enumeration(data, "security suite").and_then(Suite::try_from)
}

/// Decodes attributes 4 and 5. `None` where no title was written yet.
///
/// # Errors
/// [`Error::DataType`] for another type than octet-string, [`Error::Length`] for another length than 8 and 0.
pub fn decode_title(data: &Data) -> Result<Option<SystemTitle>, Error> {
    match octets(data, "system title")? {
        [] => Ok(None),
        title => SystemTitle::try_from(title).map(Some),
    }
}

/// Some meters send the enumeration as unsigned.
fn enumeration(data: &Data, expected: &'static str) -> Result<u8, Error> {
    match data {
        Data::Enum(value) | Data::Unsigned(value) => Ok(*value),
        other => Err(unexpected(other, expected)),
    }
}
