use super::{SecurityControl, Suite};
use crate::initiate::InitiateRequest;

/// How APDUs have to be protected: the attribute `security_policy` of the security setup (Blue Book, 4.4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityPolicy {
    /// They need no protection; the application context is the one without ciphering.
    None,
    /// They carry an authentication tag.
    Authenticated,
    /// They are encrypted, without a tag: whoever is on the way may alter them unseen.
    Encrypted,
    /// They are encrypted and carry an authentication tag.
    AuthenticatedEncrypted,
}

impl SecurityPolicy {
    /// The security control octet of `suite` that says so; `None` when there is nothing to say.
    pub(crate) const fn control(self, suite: Suite) -> Option<SecurityControl> {
        match self {
            Self::None => None,
            _ => Some(SecurityControl::new(self.bits()).with_suite(suite)),
        }
    }

    /// Whether an APDU under `control` is protected at least so much.
    pub(crate) const fn is_met_by(self, control: SecurityControl) -> bool {
        control.octet() & self.bits() == self.bits()
    }

    /// Whether APDUs are protected at all.
    pub const fn is_ciphered(self) -> bool {
        !matches!(self, Self::None)
    }

    /// The policy for an initiate request: a dedicated key in it is never shown.
    pub(crate) const fn for_initiate(self, request: &InitiateRequest) -> Self {
        match (self, &request.dedicated_key) {
            (Self::None, _) | (_, None) => self,
            (_, Some(_)) => Self::AuthenticatedEncrypted,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Authenticated => SecurityControl::AUTHENTICATED.octet(),
            Self::Encrypted => SecurityControl::ENCRYPTED.octet(),
            Self::AuthenticatedEncrypted => SecurityControl::AUTHENTICATED_ENCRYPTED.octet(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SecurityPolicy; 4] = [
        SecurityPolicy::None,
        SecurityPolicy::Authenticated,
        SecurityPolicy::Encrypted,
        SecurityPolicy::AuthenticatedEncrypted,
    ];

    #[test]
    fn more_protection_than_demanded_is_enough_and_less_or_other_is_not() {
        let met = |policy: SecurityPolicy| {
            ALL.map(|sent| policy.is_met_by(sent.control(Suite::One).unwrap_or(SecurityControl::new(1))))
        };
        assert_eq!(met(ALL[0]), [true; 4]);
        assert_eq!(met(ALL[1]), [false, true, false, true]);
        assert_eq!(met(ALL[2]), [false, false, true, true]);
        assert_eq!(met(ALL[3]), [false, false, false, true]);
    }

    #[test]
    fn the_control_octet_names_protection_and_suite() {
        let octets = ALL.map(|policy| policy.control(Suite::Two).map(SecurityControl::octet));
        assert_eq!(octets, [None, Some(0x12), Some(0x22), Some(0x32)]);
    }
}
