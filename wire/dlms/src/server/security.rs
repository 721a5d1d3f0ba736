use crate::acse::ApplicationContext;
use crate::security::{
    Authentication, Challenge, Counters, GlobalKeys, Hls, Password, SecurityPolicy, SystemTitle,
};

/// How a client has to show who it is, and how messages are protected.
#[derive(Debug)]
pub struct Security {
    /// How a client has to show who it is. Our challenge of HLS is counted up for each association of the session.
    pub authentication: Authentication,
    /// Our system title; needed for ciphering and for HLS with GMAC, SHA-256 or ECDSA.
    pub title: Option<SystemTitle>,
    /// Keys and how they are used; needed for ciphering and for HLS with GMAC.
    pub ciphering: Option<Ciphering>,
}

/// The keys of a session and how they are used.
#[derive(Debug)]
pub struct Ciphering {
    /// Keys that last longer than an association.
    pub keys: GlobalKeys,
    /// Counters for our own APDUs.
    pub counters: Counters,
    /// How requests have to be protected at least, and answers are. With [`SecurityPolicy::None`] associations are without ciphering.
    pub policy: SecurityPolicy,
    /// The highest counter that the client has used so far, in any session; the next one must be higher.
    pub last_client_counter: Option<u32>,
}

impl Security {
    /// No authentication, no ciphering.
    pub const fn none() -> Self {
        Self { authentication: Authentication::None, title: None, ciphering: None }
    }

    /// A password in the clear, no ciphering.
    pub fn lls(password: Password) -> Self {
        Self { authentication: Authentication::Lls { password }, ..Self::none() }
    }

    /// HLS with GMAC, everything authenticated and encrypted. `last_client_counter` is that of [`Ciphering`].
    pub fn gmac(
        title: SystemTitle,
        keys: GlobalKeys,
        challenge: impl Into<Challenge>,
        counters: Counters,
        last_client_counter: Option<u32>,
    ) -> Self {
        let policy = SecurityPolicy::AuthenticatedEncrypted;
        Self {
            authentication: Authentication::Hls { hls: Hls::Gmac, challenge: challenge.into() },
            title: Some(title),
            ciphering: Some(Ciphering { keys, counters, policy, last_client_counter }),
        }
    }

    pub(super) const fn context(&self) -> ApplicationContext {
        match &self.ciphering {
            Some(ciphering) if ciphering.policy.is_ciphered() => ApplicationContext::LogicalNamesCiphered,
            _ => ApplicationContext::LogicalNames,
        }
    }

    /// Whether a client has to tell its system title.
    pub(super) const fn takes_titles(&self) -> bool {
        match &self.authentication {
            Authentication::Hls { hls, .. } if hls.takes_titles() => true,
            _ => self.ciphering.is_some(),
        }
    }
}
