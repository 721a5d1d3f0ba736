use super::{ApplicationContext, Mechanism, ber, tag};
use crate::Error;

const PROTOCOL_VERSION: u8 = 0x80;
const CONTEXT: u8 = 0xA1;
const CALLING_TITLE: u8 = 0xA6;
const CALLING_QUALIFIER: u8 = 0xA7;
const CALLING_USER: u8 = 0xA9;
const REQUIREMENTS: u8 = 0x8A;
const MECHANISM: u8 = 0x8B;
const AUTHENTICATION: u8 = 0xAC;

/// Association request. Fields that DLMS does not need are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aarq<'a> {
    /// Versions of ACSE that the client knows: number of unused bits, then bits, the first one for version 1. `None` for version 1 alone.
    pub protocol_version: Option<&'a [u8]>,
    /// Application context.
    pub context: ApplicationContext,
    /// System title of the client.
    pub calling_title: Option<&'a [u8]>,
    /// Calling AE qualifier: the client's certificate for digital signatures.
    pub calling_qualifier: Option<&'a [u8]>,
    /// Calling AE invocation identifier: which of the association's users the client is (Blue Book, 4.4.4, `user_list`).
    pub calling_user: Option<u8>,
    /// Whether the authentication functional unit is asked for.
    pub requirements: bool,
    /// Authentication mechanism; `None` for the lowest level.
    pub mechanism: Option<Mechanism>,
    /// Password or challenge.
    pub authentication: Option<&'a [u8]>,
    /// The initiate request, perhaps ciphered.
    pub user_information: &'a [u8],
}

impl<'a> Aarq<'a> {
    /// A request with nothing but what every one has.
    pub const fn new(context: ApplicationContext, user_information: &'a [u8]) -> Self {
        Self {
            protocol_version: None,
            context,
            calling_title: None,
            calling_qualifier: None,
            calling_user: None,
            requirements: false,
            mechanism: None,
            authentication: None,
            user_information,
        }
    }

    /// Whether the client knows version 1 of ACSE, the only one that DLMS uses.
    pub fn knows_version_1(&self) -> bool {
        self.protocol_version.is_none_or(|versions| versions.get(1).is_some_and(|bits| bits & 0x80 != 0))
    }

    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::with_capacity(96);
        if let Some(versions) = self.protocol_version {
            ber::field(PROTOCOL_VERSION, versions, &mut fields);
        }
        self.context.encode(CONTEXT, &mut fields);
        if let Some(title) = self.calling_title {
            ber::nested(CALLING_TITLE, ber::OCTET_STRING, title, &mut fields);
        }
        if let Some(qualifier) = self.calling_qualifier {
            ber::nested(CALLING_QUALIFIER, ber::OCTET_STRING, qualifier, &mut fields);
        }
        if let Some(user) = self.calling_user {
            ber::nested(CALLING_USER, ber::INTEGER, &[user], &mut fields);
        }
        if self.requirements {
            ber::field(REQUIREMENTS, &ber::AUTHENTICATION_UNIT, &mut fields);
        }
        if let Some(mechanism) = self.mechanism {
            mechanism.encode(MECHANISM, &mut fields);
        }
        if let Some(value) = self.authentication {
            ber::nested(AUTHENTICATION, ber::CHARACTERS, value, &mut fields);
        }
        ber::user_information(self.user_information, &mut fields);
        ber::wrap(tag::AARQ, &fields, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`] (also when context or user-information is missing), [`Error::Trailing`],
    /// [`Error::Value`] for names outside DLMS.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let (mut context, mut calling_title, mut mechanism) = (None, None, None);
        let (mut protocol_version, mut calling_qualifier, mut calling_user) = (None, None, None);
        let (mut authentication, mut user_information, mut requirements) = (None, None, false);
        ber::fields(octets, tag::AARQ, |tag, contents| {
            match tag {
                PROTOCOL_VERSION => protocol_version = Some(contents),
                CONTEXT => context = Some(ApplicationContext::read(contents)?),
                CALLING_TITLE => calling_title = Some(ber::inside(contents, ber::OCTET_STRING)?),
                CALLING_QUALIFIER => calling_qualifier = Some(ber::inside(contents, ber::OCTET_STRING)?),
                CALLING_USER => {
                    let number = ber::inside(contents, ber::INTEGER)?;
                    calling_user = Some(ber::small(number, "user of the AARQ")?);
                }
                REQUIREMENTS => requirements = contents == ber::AUTHENTICATION_UNIT,
                MECHANISM => mechanism = Some(Mechanism::read(contents)?),
                AUTHENTICATION => authentication = Some(ber::inside(contents, ber::CHARACTERS)?),
                _ if ber::is_user_information(tag) => {
                    user_information = Some(ber::read_user_information(contents)?)
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            protocol_version,
            context: context.ok_or(Error::Truncated)?,
            calling_title,
            calling_qualifier,
            calling_user,
            requirements,
            mechanism,
            authentication,
            user_information: user_information.ok_or(Error::Truncated)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Aarq;
    use crate::Error;
    use crate::acse::Mechanism;

    #[test]
    fn context_and_user_information_are_needed() {
        let context: &[u8] = &[0xA1, 9, 6, 7, 0x60, 0x85, 0x74, 5, 8, 1, 1];
        let user_information: &[u8] = &[0xBE, 3, 4, 1, 9];
        let mechanism: &[u8] = &[0x8B, 7, 0x60, 0x85, 0x74, 5, 8, 2, 99];
        let apdu = |fields: &[&[u8]]| {
            let fields = fields.concat();
            [&[0x60, fields.len() as u8], fields.as_slice()].concat()
        };
        let whole = apdu(&[context, mechanism, user_information]);
        let aarq = Aarq::decode(&whole).unwrap();
        assert_eq!((aarq.mechanism, aarq.user_information), (Some(Mechanism::Other(99)), &[9][..]));
        for missing in [[context, mechanism], [mechanism, user_information]] {
            assert_eq!(Aarq::decode(&apdu(&missing)), Err(Error::Truncated));
        }
    }
}
