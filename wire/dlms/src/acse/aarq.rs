use super::{ApplicationContext, Mechanism, ber, tag};
use crate::Error;

const PROTOCOL_VERSION: u8 = 0x80;
const CONTEXT: u8 = 0xA1;
const CALLING_TITLE: u8 = 0xA6;
const REQUIREMENTS: u8 = 0x8A;
const MECHANISM: u8 = 0x8B;
const AUTHENTICATION: u8 = 0xAC;

/// Association request. Fields that DLMS does not need are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aarq<'a> {
    /// Application context.
    pub context: ApplicationContext,
    /// System title of the client.
    pub calling_title: Option<&'a [u8]>,
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
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::with_capacity(96);
        self.context.encode(CONTEXT, &mut fields);
        if let Some(title) = self.calling_title {
            ber::nested(CALLING_TITLE, ber::OCTET_STRING, title, &mut fields);
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
        let (mut authentication, mut user_information, mut requirements) = (None, None, false);
        ber::fields(octets, tag::AARQ, |tag, contents| {
            match tag {
                PROTOCOL_VERSION => {}
                CONTEXT => context = Some(ApplicationContext::read(contents)?),
                CALLING_TITLE => calling_title = Some(ber::inside(contents, ber::OCTET_STRING)?),
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
            context: context.ok_or(Error::Truncated)?,
            calling_title,
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
