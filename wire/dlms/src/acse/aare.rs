use super::{ApplicationContext, Mechanism, ber, tag};
use crate::{AssociationResult, Diagnostic, Error};

const CONTEXT: u8 = 0xA1;
const RESULT: u8 = 0xA2;
const DIAGNOSTIC: u8 = 0xA3;
const RESPONDING_TITLE: u8 = 0xA4;
const RESPONDING_QUALIFIER: u8 = 0xA5;
const REQUIREMENTS: u8 = 0x88;
const MECHANISM: u8 = 0x89;
const AUTHENTICATION: u8 = 0xAA;
const SERVICE_USER: u8 = 0xA1;
const SERVICE_PROVIDER: u8 = 0xA2;

/// Association response. Fields that DLMS does not need are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aare<'a> {
    /// Application context.
    pub context: ApplicationContext,
    /// Accepted or not.
    pub result: AssociationResult,
    /// Why.
    pub diagnostic: Diagnostic,
    /// System title of the server.
    pub responding_title: Option<&'a [u8]>,
    /// Responding AE qualifier: the server's certificate for digital signatures. That of another form is passed over.
    pub responding_qualifier: Option<&'a [u8]>,
    /// Whether the authentication functional unit is there.
    pub requirements: bool,
    /// Authentication mechanism; some meters name the lowest level, too.
    pub mechanism: Option<Mechanism>,
    /// The server's challenge.
    pub authentication: Option<&'a [u8]>,
    /// The initiate response, perhaps ciphered; or a confirmed-service-error.
    pub user_information: Option<&'a [u8]>,
}

impl<'a> Aare<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::with_capacity(96);
        self.context.encode(CONTEXT, &mut fields);
        ber::nested(RESULT, ber::INTEGER, &[self.result.code()], &mut fields);
        let (source, code) = match self.diagnostic {
            Diagnostic::User(code) => (SERVICE_USER, code),
            Diagnostic::Provider(code) => (SERVICE_PROVIDER, code),
        };
        ber::nested(DIAGNOSTIC, source, &[ber::INTEGER, 1, code], &mut fields);
        if let Some(title) = self.responding_title {
            ber::nested(RESPONDING_TITLE, ber::OCTET_STRING, title, &mut fields);
        }
        if let Some(qualifier) = self.responding_qualifier {
            ber::nested(RESPONDING_QUALIFIER, ber::OCTET_STRING, qualifier, &mut fields);
        }
        if self.requirements {
            ber::field(REQUIREMENTS, &ber::AUTHENTICATION_UNIT, &mut fields);
        }
        if let Some(mechanism) = self.mechanism {
            mechanism.encode(MECHANISM, &mut fields);
        }
        if let Some(challenge) = self.authentication {
            ber::nested(AUTHENTICATION, ber::CHARACTERS, challenge, &mut fields);
        }
        if let Some(octets) = self.user_information {
            ber::user_information(octets, &mut fields);
        }
        ber::wrap(tag::AARE, &fields, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`] (also when context, result or diagnostic is missing), [`Error::Trailing`],
    /// [`Error::Value`] for names outside DLMS.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let (mut context, mut result, mut diagnostic) = (None, None, None);
        let (mut responding_title, mut responding_qualifier) = (None, None);
        let (mut mechanism, mut authentication, mut user_information, mut requirements) =
            (None, None, None, false);
        ber::fields(octets, tag::AARE, |tag, contents| {
            match tag {
                CONTEXT => context = Some(ApplicationContext::read(contents)?),
                RESULT => result = Some(number(contents)?.into()),
                DIAGNOSTIC => diagnostic = Some(read_diagnostic(contents)?),
                RESPONDING_TITLE => responding_title = Some(ber::inside(contents, ber::OCTET_STRING)?),
                RESPONDING_QUALIFIER => responding_qualifier = ber::inside(contents, ber::OCTET_STRING).ok(),
                REQUIREMENTS => requirements = contents == ber::AUTHENTICATION_UNIT,
                MECHANISM => mechanism = Some(Mechanism::read(contents)?),
                AUTHENTICATION => authentication = Some(ber::inside(contents, ber::CHARACTERS)?),
                _ if ber::is_user_information(tag) => {
                    user_information = Some(ber::read_user_information(contents))
                }
                _ => {}
            }
            Ok(())
        })?;
        let result = result.ok_or(Error::Truncated)?;
        let user_information = match user_information {
            // Some meters put anything there when they refuse.
            Some(Err(_)) if result != AssociationResult::Accepted => None,
            other => other.transpose()?,
        };
        Ok(Self {
            context: context.ok_or(Error::Truncated)?,
            result,
            diagnostic: diagnostic.ok_or(Error::Truncated)?,
            responding_title,
            responding_qualifier,
            requirements,
            mechanism,
            authentication,
            user_information,
        })
    }
}

fn number(contents: &[u8]) -> Result<u8, Error> {
    ber::small(ber::inside(contents, ber::INTEGER)?, "a number of the AARE")
}

fn read_diagnostic(contents: &[u8]) -> Result<Diagnostic, Error> {
    match contents.first() {
        Some(&SERVICE_USER) => Ok(Diagnostic::User(number(ber::inside(contents, SERVICE_USER)?)?)),
        Some(&SERVICE_PROVIDER) => {
            Ok(Diagnostic::Provider(number(ber::inside(contents, SERVICE_PROVIDER)?)?))
        }
        Some(&tag) => Err(Error::Unexpected { tag }),
        None => Err(Error::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::Aare;
    use crate::acse::ApplicationContext;
    use crate::{AssociationResult, Diagnostic, Error};

    const CONTEXT: &[u8] = &[0xA1, 9, 6, 7, 0x60, 0x85, 0x74, 5, 8, 1, 1];
    const RESULT: &[u8] = &[0xA2, 3, 2, 1, 1];
    const DIAGNOSTIC: &[u8] = &[0xA3, 5, 0xA2, 3, 2, 1, 2];

    fn apdu(fields: &[&[u8]]) -> Vec<u8> {
        let fields = fields.concat();
        [&[0x61, fields.len() as u8], fields.as_slice()].concat()
    }

    #[test]
    fn context_result_and_diagnostic_are_needed_and_unknown_fields_are_passed_over() {
        let unknown: &[u8] = &[0xA6, 3, 2, 1, 7];
        let octets = apdu(&[CONTEXT, unknown, RESULT, DIAGNOSTIC]);
        let aare = Aare::decode(&octets).unwrap();
        assert_eq!(aare.context, ApplicationContext::LogicalNames);
        assert_eq!(aare.result, AssociationResult::RejectedPermanent);
        assert_eq!(aare.diagnostic, Diagnostic::Provider(2));
        assert_eq!((aare.requirements, aare.user_information), (false, None));
        for missing in [[CONTEXT, RESULT], [CONTEXT, DIAGNOSTIC], [RESULT, DIAGNOSTIC]] {
            assert_eq!(Aare::decode(&apdu(&missing)), Err(Error::Truncated));
        }
    }

    #[test]
    fn what_a_refusal_does_not_need_may_have_any_form() {
        let qualifier: &[u8] = &[0xA5, 3, 2, 1, 5];
        let information: &[u8] = &[0xBE, 4, 0x0E, 1, 6, 1];
        let octets = apdu(&[CONTEXT, RESULT, DIAGNOSTIC, qualifier, information]);
        let aare = Aare::decode(&octets).unwrap();
        assert_eq!(aare.result, AssociationResult::RejectedPermanent);
        assert_eq!((aare.responding_qualifier, aare.user_information), (None, None));
        let accepted: &[u8] = &[0xA2, 3, 2, 1, 0];
        let octets = apdu(&[CONTEXT, accepted, DIAGNOSTIC, information]);
        assert_eq!(Aare::decode(&octets), Err(Error::Unexpected { tag: 0x0E }));
    }

    #[test]
    fn names_and_numbers_outside_dlms_are_refused() {
        let foreign: &[u8] = &[0xA1, 9, 6, 7, 0x60, 0x85, 0x74, 5, 8, 2, 1];
        let what = "application context";
        assert_eq!(
            Aare::decode(&apdu(&[foreign, RESULT, DIAGNOSTIC])),
            Err(Error::Value { what, got: 0x0508_0201 })
        );
        let long: &[u8] = &[0xA2, 4, 2, 2, 0, 1];
        let what = "a number of the AARE";
        assert_eq!(
            Aare::decode(&apdu(&[CONTEXT, long, DIAGNOSTIC])),
            Err(Error::Length { what, expected: 1, got: 2 })
        );
        let source: &[u8] = &[0xA3, 5, 0xA3, 3, 2, 1, 2];
        assert_eq!(Aare::decode(&apdu(&[CONTEXT, RESULT, source])), Err(Error::Unexpected { tag: 0xA3 }));
    }
}
