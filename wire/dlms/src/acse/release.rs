use super::{ber, tag};
use crate::Error;

const REASON: u8 = 0x80;

/// Which of the two release APDUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseKind {
    /// RLRQ.
    Request,
    /// RLRE.
    Response,
}

/// Release request or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    /// Request: 0 normal, 1 urgent, 30 user-defined. Response: 0 normal, 1 not finished, 30 user-defined.
    pub reason: Option<u8>,
    /// In ciphered associations: the initiate request or response, ciphered.
    pub user_information: Option<&'a [u8]>,
}

impl ReleaseKind {
    const fn tag(self) -> u8 {
        match self {
            Self::Request => tag::RLRQ,
            Self::Response => tag::RLRE,
        }
    }
}

impl<'a> Release<'a> {
    /// Appends the APDU.
    pub fn encode(&self, kind: ReleaseKind, out: &mut Vec<u8>) {
        let mut fields = Vec::new();
        if let Some(reason) = self.reason {
            ber::field(REASON, &[reason], &mut fields);
        }
        if let Some(octets) = self.user_information {
            ber::user_information(octets, &mut fields);
        }
        ber::wrap(kind.tag(), &fields, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::Trailing`], [`Error::Length`].
    pub fn decode(kind: ReleaseKind, octets: &'a [u8]) -> Result<Self, Error> {
        let (mut reason, mut user_information) = (None, None);
        ber::fields(octets, kind.tag(), |tag, contents| {
            match tag {
                REASON => reason = Some(ber::small(contents, "reason of the release")?),
                _ if ber::is_user_information(tag) => {
                    user_information = Some(ber::read_user_information(contents)?)
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { reason, user_information })
    }
}
