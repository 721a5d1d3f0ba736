use dlms::client::{
    Authentication, Ciphering, Counters, GlobalKeys, Hls, Password, ProofCounter, SealAs, Security,
    SecurityPolicy, SystemTitle,
};
use models::{Answers, Model, Wrapping};

use crate::{Reason, Seed};

/// How the head-end and a meter show each other who they are, and how messages are protected. No secret in it is ever formatted.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// How the head-end shows who it is.
    pub level: Level,
    /// System title under which the head-end speaks; needed with keys and with proofs that name it.
    pub client_title: Option<SystemTitle>,
    /// System title of the meter, if known, for a meter that does not tell it.
    pub server_title: Option<SystemTitle>,
    /// Keys, and what they protect; `None` when nothing is ciphered and no proof needs them.
    pub protection: Option<Protection>,
}

/// How the head-end shows a meter who it is.
#[derive(Debug, Clone)]
pub enum Level {
    /// Not at all (lowest level).
    None,
    /// Low level security.
    Lls {
        /// Sent to the meter as it is.
        password: Password,
    },
    /// High level security: the meter has to prove itself, too.
    Hls(Hls),
}

/// The keys of a meter and what they protect.
#[derive(Debug, Clone)]
pub struct Protection {
    /// Suite, global unicast encryption key and authentication key.
    pub keys: GlobalKeys,
    /// How what is sent and what is answered has to be protected.
    pub policy: SecurityPolicy,
}

impl Credentials {
    /// No authentication.
    pub const fn none() -> Self {
        Self { level: Level::None, client_title: None, server_title: None, protection: None }
    }

    /// A password in the clear.
    pub fn lls(password: Password) -> Self {
        Self { level: Level::Lls { password }, ..Self::none() }
    }

    /// HLS with GMAC, everything authenticated and encrypted.
    pub fn gmac(client_title: SystemTitle, keys: GlobalKeys) -> Self {
        let protection = Protection { keys, policy: SecurityPolicy::AuthenticatedEncrypted };
        Self {
            level: Level::Hls(Hls::Gmac),
            client_title: Some(client_title),
            server_title: None,
            protection: Some(protection),
        }
    }

    /// Whether associations take invocation counters.
    pub const fn takes_counters(&self) -> bool {
        self.protection.is_some()
    }

    /// Whether messages are ciphered.
    pub(crate) fn is_ciphered(&self) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.policy.is_ciphered())
    }

    /// Whether an association that opened shows that the meter is who it says: it knows a secret that never went over the line.
    pub(crate) fn prove_the_meter(&self) -> bool {
        matches!(self.level, Level::Hls(_)) || self.is_ciphered()
    }

    /// Whether the head-end is known by keys, and not by a secret that people choose.
    pub(crate) const fn proves_by_key(&self) -> bool {
        matches!(self.level, Level::Hls(Hls::Gmac | Hls::Ecdsa { .. }))
    }

    /// What may be wrong when a meter answers neither yes nor no to a request for an association, after so many answers to those before it: the first
    /// one is ciphered, or the others prove what nothing has shown yet. `None` where nothing is to be told from silence.
    pub(crate) fn at_stake(&self, answers: u32) -> Option<Reason> {
        match (&self.level, answers) {
            (_, 0) if self.is_ciphered() => Some(Reason::WrongKey),
            // The keys were right in the answer before.
            (Level::Hls(Hls::Gmac), 1..) if self.is_ciphered() => None,
            (Level::Hls(_), 1..) if self.proves_by_key() => Some(Reason::WrongKey),
            (Level::Hls(_), 1..) => Some(Reason::WrongPassword),
            _ => None,
        }
    }

    /// Whether an association that was opened with these serves those who have `other`. Secrets are not compared: the meter has accepted
    /// those that the association was opened with, and new ones are used for the next one.
    pub(crate) fn serve(&self, other: &Self) -> bool {
        let ways = |one: &Self| {
            let mechanism = match &one.level {
                Level::None => None,
                Level::Lls { .. } => Some(None),
                Level::Hls(hls) => Some(Some(hls.mechanism())),
            };
            let protection = one.protection.as_ref();
            let protection = protection.map(|protection| (protection.keys.suite, protection.policy));
            (mechanism, one.client_title, protection)
        };
        ways(self) == ways(other)
    }

    /// Security and policy, as the inventory calls them, for whoever compares them with what the meter demands.
    pub(crate) fn shown(&self) -> String {
        let security = match &self.level {
            Level::None => "none",
            Level::Lls { .. } => "lls",
            Level::Hls(hls) => match hls {
                Hls::Manufacturer { .. } => "manufacturer",
                Hls::Md5 { .. } => "md5",
                Hls::Sha1 { .. } => "sha1",
                Hls::Gmac => "gmac",
                Hls::Sha256 { .. } => "sha256",
                Hls::Ecdsa { .. } => "ecdsa",
            },
        };
        let policy = self.protection.as_ref().map_or(SecurityPolicy::None, |protection| protection.policy);
        let policy = match policy {
            SecurityPolicy::None => "none",
            SecurityPolicy::Authenticated => "authenticated",
            SecurityPolicy::Encrypted => "encrypted",
            SecurityPolicy::AuthenticatedEncrypted => "authenticated_encrypted",
        };
        format!("security {security}, policy {policy}")
    }

    /// The security of one association with a meter of this model; `counters` when keys take them.
    pub(crate) fn security(&self, model: &Model, seed: &Seed, counters: Option<Counters>) -> Security {
        let authentication = match &self.level {
            Level::None => Authentication::None,
            Level::Lls { password } => Authentication::Lls { password: password.clone() },
            Level::Hls(hls) => Authentication::Hls { hls: hls.clone(), challenge: seed.challenge().into() },
        };
        let ciphering = self.protection.as_ref().zip(counters);
        let ciphering = ciphering.map(|(protection, counters)| protection.ciphering(model, seed, counters));
        Security { authentication, title: self.client_title, server_title: self.server_title, ciphering }
    }
}

impl Protection {
    fn ciphering(&self, model: &Model, seed: &Seed, counters: Counters) -> Ciphering {
        let Self { keys, policy } = self.clone();
        let is_dedicated = model.association.dedicated_key && policy.is_ciphered();
        Ciphering {
            send: policy,
            demand: match model.quirks.answers {
                _ if !policy.is_ciphered() => policy,
                None => policy,
                Some(Answers::Clear) => SecurityPolicy::None,
                Some(Answers::Authenticated) => SecurityPolicy::Authenticated,
                Some(Answers::Encrypted) => SecurityPolicy::Encrypted,
            },
            dedicated_key: is_dedicated.then(|| seed.key(keys.suite)),
            wrap: match model.association.ciphering {
                Wrapping::Service => SealAs::Service,
                Wrapping::General => SealAs::General,
                Wrapping::GeneralUntitled => SealAs::Nameless,
            },
            proof_counter: match model.quirks.proof_counter {
                models::ProofCounter::Lower => ProofCounter::Lower,
                models::ProofCounter::Higher => ProofCounter::Higher,
            },
            ..Ciphering::new(keys, counters)
        }
    }
}
