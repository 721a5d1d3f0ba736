use crate::security::{
    Authentication, Challenge, Counters, GlobalKeys, Hls, Key, Password, SealAs, SecurityPolicy, SystemTitle,
};

/// What the client shows, sends and demands.
#[derive(Debug)]
pub struct Security {
    /// How it shows who it is.
    pub authentication: Authentication,
    /// Our system title; needed for ciphering and for HLS with GMAC, SHA-256 or ECDSA.
    pub title: Option<SystemTitle>,
    /// The meter's system title, if known, in case that the meter does not tell it.
    pub server_title: Option<SystemTitle>,
    /// Keys and how they are used; needed for ciphering and for HLS with GMAC.
    pub ciphering: Option<Ciphering>,
}

/// The keys of an association and how they are used.
#[derive(Debug)]
pub struct Ciphering {
    /// Keys that last longer than the association.
    pub keys: GlobalKeys,
    /// Reserved invocation counters under the global key. Opening takes one; HLS takes one more, and GMAC another.
    pub counters: Counters,
    /// How what we send is protected. With [`SecurityPolicy::None`] the association is one without ciphering.
    pub send: SecurityPolicy,
    /// How the meter's answers have to be protected at least.
    pub demand: SecurityPolicy,
    /// A key for this association only, which the meter is told in the AARQ; random, never used before.
    pub dedicated_key: Option<Key>,
    /// How protected APDUs are wrapped.
    pub wrap: SealAs,
    /// Which counter goes into the proof of GMAC.
    pub proof_counter: ProofCounter,
}

/// Which of the two counters that the last step of HLS with GMAC takes goes into the proof, and which protects the APDU around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofCounter {
    /// The lower one goes into the proof: it is made first.
    Lower,
    /// The higher one goes into the proof: for meters that count the APDU first, and refuse a proof below it.
    Higher,
}

impl Security {
    /// No authentication, no ciphering.
    pub const fn none() -> Self {
        Self { authentication: Authentication::None, title: None, server_title: None, ciphering: None }
    }

    /// A password in the clear, no ciphering.
    pub fn lls(password: Password) -> Self {
        Self { authentication: Authentication::Lls { password }, ..Self::none() }
    }

    /// HLS with GMAC, everything authenticated and encrypted.
    pub fn gmac(
        title: SystemTitle,
        keys: GlobalKeys,
        challenge: impl Into<Challenge>,
        counters: Counters,
    ) -> Self {
        Self {
            authentication: Authentication::Hls { hls: Hls::Gmac, challenge: challenge.into() },
            title: Some(title),
            server_title: None,
            ciphering: Some(Ciphering::new(keys, counters)),
        }
    }
}

impl Ciphering {
    /// Everything authenticated and encrypted in both directions under the global keys, each APDU in the ciphered one of its service.
    pub const fn new(keys: GlobalKeys, counters: Counters) -> Self {
        Self {
            keys,
            counters,
            send: SecurityPolicy::AuthenticatedEncrypted,
            demand: SecurityPolicy::AuthenticatedEncrypted,
            dedicated_key: None,
            wrap: SealAs::Service,
            proof_counter: ProofCounter::Lower,
        }
    }
}
