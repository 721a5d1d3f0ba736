//! The rules of credentials: which of them a security level needs, and which it has no use for.

use dlms::client::{Key, Suite};
use dlms::security::{PrivateKey, PublicKey};

use super::{MAX_PASSWORD, Problem, TITLE};
use crate::store::meters::{Secret, Secrets};
use crate::store::{Policy, Security};

/// The longest secret of the manufacturer's mechanism: a key of AES-128.
const MAX_MANUFACTURER: usize = 16;

/// Credentials as a client gives them, before they are checked. Empty = not given.
pub(crate) struct DraftSecrets {
    /// The word of a security level.
    pub(crate) security: Option<Security>,
    /// Password or secret.
    pub(crate) password: Secret,
    pub(crate) client_title: Vec<u8>,
    pub(crate) encryption_key: Secret,
    pub(crate) authentication_key: Secret,
    pub(crate) suite: u32,
    /// `None` = the usual one.
    pub(crate) policy: Option<Policy>,
    pub(crate) signing_key: Secret,
    pub(crate) meter_public_key: Vec<u8>,
}

impl Default for DraftSecrets {
    fn default() -> Self {
        Self::of(None)
    }
}

impl DraftSecrets {
    /// Nothing but a security level.
    pub(crate) fn of(security: Option<Security>) -> Self {
        let nothing = || super::secret(Vec::new());
        Self {
            security,
            password: nothing(),
            client_title: Vec::new(),
            encryption_key: nothing(),
            authentication_key: nothing(),
            suite: 0,
            policy: None,
            signing_key: nothing(),
            meter_public_key: Vec::new(),
        }
    }

    /// What of these stays with a level of security, and with a policy where one is asked for: a password or secret with the level that it was given for, because
    /// another one might send it in the clear; keys unless nothing uses them any more.
    pub(crate) fn kept(self, security: Option<Security>, policy: Option<Policy>) -> Self {
        let is_same = security == self.security;
        let (is_open, is_gmac) = (security == Some(Security::None), security == Some(Security::Gmac));
        let signs = security == Some(Security::Ecdsa);
        let is_used = is_gmac || policy.or(self.policy) != Some(Policy::None);
        let keeps_keys = !self.encryption_key.is_empty() && !is_open && is_used;
        let keeps_title = keeps_keys || is_gmac || signs || security == Some(Security::Sha256);
        let secret = |keeps: bool, octets: Secret| if keeps { octets } else { super::secret(Vec::new()) };
        let open = |keeps: bool, octets: Vec<u8>| if keeps { octets } else { Vec::new() };
        Self {
            security,
            password: secret(is_same, self.password),
            client_title: open(keeps_title, self.client_title),
            encryption_key: secret(keeps_keys, self.encryption_key),
            authentication_key: secret(keeps_keys, self.authentication_key),
            suite: if keeps_keys || signs { self.suite } else { 0 },
            policy: self.policy.filter(|_| keeps_keys),
            signing_key: secret(signs, self.signing_key),
            meter_public_key: open(signs, self.meter_public_key),
        }
    }

    /// What is to be stored; everything that is wrong goes to `problems`.
    pub(super) fn check(self, problems: &mut Vec<Problem>) -> Option<Secrets> {
        let before = problems.len();
        let Some(security) = self.security else {
            let known = "none, lls, manufacturer, md5, sha1, gmac, sha256 or ecdsa is expected";
            problems.push(Problem { field: "security", problem: known.into() });
            return None;
        };
        let suite = u8::try_from(self.suite).ok().and_then(|number| Suite::try_from(number).ok());
        let mut rules = Rules { security, problems };
        rules.that(suite.is_some(), "suite", "0, 1 or 2 is expected");
        let suite = suite.unwrap_or(Suite::Zero);
        rules.password(&self.password);
        let has_keys = rules.keys(&self, suite);
        let policy = rules.policy(self.policy, has_keys);
        rules.title(&self.client_title, has_keys);
        rules.signature(&self, suite);
        if problems.len() > before {
            return None;
        }
        let given = |octets: Secret| Some(octets).filter(|octets| !octets.is_empty());
        Some(Secrets {
            security,
            suite: suite.number(),
            policy,
            client_title: self.client_title.try_into().ok(),
            password: given(self.password),
            keys: given(self.encryption_key).zip(given(self.authentication_key)).map(<[_; 2]>::from),
            signing_key: given(self.signing_key),
            meter_public_key: Some(self.meter_public_key).filter(|octets| !octets.is_empty()),
        })
    }
}

struct Rules<'a> {
    security: Security,
    problems: &'a mut Vec<Problem>,
}

impl Rules<'_> {
    fn that(&mut self, holds: bool, field: &'static str, problem: impl Into<String>) {
        if !holds {
            self.problems.push(Problem { field, problem: problem.into() });
        }
    }

    fn unused(&mut self, is_empty: bool, field: &'static str) {
        let word = self.security.as_str();
        self.that(is_empty, field, format!("it is not used with security {word} and has to be empty"));
    }

    fn password(&mut self, password: &[u8]) {
        let limit = match self.security {
            Security::Lls | Security::Md5 | Security::Sha1 | Security::Sha256 => MAX_PASSWORD,
            Security::Manufacturer => MAX_MANUFACTURER,
            Security::None | Security::Gmac | Security::Ecdsa => {
                return self.unused(password.is_empty(), "password");
            }
        };
        let fits = (1..=limit).contains(&password.len());
        self.that(fits, "password", format!("1 to {limit} octets are expected"));
    }

    /// Whether keys are given.
    fn keys(&mut self, draft: &DraftSecrets, suite: Suite) -> bool {
        let pair =
            [("encryption_key", &draft.encryption_key), ("authentication_key", &draft.authentication_key)];
        let is_given = pair.iter().any(|(_, key)| !key.is_empty());
        if self.security == Security::None {
            for (field, key) in pair {
                self.unused(key.is_empty(), field);
            }
            return false;
        }
        if is_given || self.security == Security::Gmac {
            let length = suite.key_length();
            for (field, key) in pair {
                let fits = key.len() == length && Key::try_from(key.as_slice()).is_ok();
                self.that(fits, field, format!("{length} octets are expected in suite {}", suite.number()));
            }
            return true;
        }
        let needs_suite = self.security == Security::Ecdsa;
        self.that(suite == Suite::Zero || needs_suite, "suite", "without keys only 0 is expected");
        false
    }

    /// The policy asked for, or the usual one.
    fn policy(&mut self, asked: Option<Policy>, has_keys: bool) -> Policy {
        let usual = if has_keys { Policy::AuthenticatedEncrypted } else { Policy::None };
        let policy = asked.unwrap_or(usual);
        self.that(has_keys || policy == Policy::None, "policy", "without keys only none is expected");
        let are_used = policy != Policy::None || self.security == Security::Gmac;
        self.that(
            !has_keys || are_used,
            "policy",
            "none leaves the keys unused: choose another, or give no keys",
        );
        policy
    }

    fn title(&mut self, title: &[u8], has_keys: bool) {
        let names_it = matches!(self.security, Security::Gmac | Security::Sha256 | Security::Ecdsa);
        if has_keys || names_it {
            self.that(
                title.len() == TITLE,
                "client_title",
                "8 octets are expected: ciphering, and the proofs of gmac, sha256 and ecdsa, name the head-end by them",
            );
        } else {
            self.unused(title.is_empty(), "client_title");
        }
    }

    fn signature(&mut self, draft: &DraftSecrets, suite: Suite) {
        let (private, public) = (draft.signing_key.as_slice(), draft.meter_public_key.as_slice());
        if self.security != Security::Ecdsa {
            self.unused(private.is_empty(), "signing_key");
            return self.unused(public.is_empty(), "meter_public_key");
        }
        self.that(suite != Suite::Zero, "suite", "1 or 2 is expected with security ecdsa");
        let octets = if suite == Suite::Two { 48 } else { 32 };
        let fits = private.len() == octets && PrivateKey::try_from(private).is_ok();
        self.that(fits, "signing_key", format!("{octets} octets of a private key are expected"));
        let octets = 2 * octets;
        let fits = public.len() == octets && PublicKey::try_from(public).is_ok();
        self.that(fits, "meter_public_key", format!("{octets} octets of a public key are expected"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(security: Security) -> DraftSecrets {
        DraftSecrets::of(Some(security))
    }

    fn some(octets: usize) -> Secret {
        super::super::secret(vec![1; octets])
    }

    fn with_keys(security: Security, octets: usize) -> DraftSecrets {
        DraftSecrets {
            client_title: vec![1; 8],
            encryption_key: some(octets),
            authentication_key: some(octets),
            ..draft(security)
        }
    }

    fn fields(draft: DraftSecrets) -> Vec<&'static str> {
        let mut problems = Vec::new();
        draft.check(&mut problems);
        problems.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn little_has_to_be_given_and_the_rest_is_the_usual() {
        let stored = |draft: DraftSecrets| draft.check(&mut Vec::new()).unwrap();
        assert_eq!(stored(draft(Security::None)), Secrets::none());
        for security in [Security::Lls, Security::Md5, Security::Sha1, Security::Manufacturer] {
            let clear = stored(DraftSecrets { password: some(8), ..draft(security) });
            assert_eq!((clear.policy, clear.suite, clear.keys), (Policy::None, 0, None));
            let ciphered = stored(DraftSecrets { password: some(8), ..with_keys(security, 16) });
            assert_eq!((ciphered.policy, ciphered.suite), (Policy::AuthenticatedEncrypted, 0));
        }
        let gmac = stored(with_keys(Security::Gmac, 16));
        assert_eq!(gmac.policy, Policy::AuthenticatedEncrypted);
        let long = stored(DraftSecrets { suite: 2, ..with_keys(Security::Gmac, 32) });
        assert_eq!(long.suite, 2);
        let clear = stored(DraftSecrets { policy: Some(Policy::None), ..with_keys(Security::Gmac, 16) });
        assert_eq!(clear.policy, Policy::None, "GMAC proves by keys, whatever else they are used for");
    }

    #[test]
    fn what_is_stored_stays_with_a_level_that_uses_it() {
        let stored = || DraftSecrets {
            password: some(8),
            policy: Some(Policy::Encrypted),
            ..with_keys(Security::Sha256, 16)
        };
        let kept = |security, policy| {
            let kept = stored().kept(Some(security), policy);
            let given =
                [!kept.password.is_empty(), !kept.encryption_key.is_empty(), !kept.client_title.is_empty()];
            (given, kept.policy)
        };
        let encrypted = Some(Policy::Encrypted);
        assert_eq!(kept(Security::Sha256, None), ([true; 3], encrypted));
        assert_eq!(kept(Security::Sha256, Some(Policy::None)), ([true, false, true], None));
        assert_eq!(
            kept(Security::Lls, None),
            ([false, true, true], encrypted),
            "a secret is not sent as a password"
        );
        assert_eq!(kept(Security::Lls, Some(Policy::None)), ([false; 3], None));
        assert_eq!(kept(Security::Gmac, Some(Policy::None)), ([false, true, true], encrypted));
        assert_eq!(kept(Security::None, None), ([false; 3], None));
    }

    #[test]
    fn signatures_need_both_keys_of_the_suites_length() {
        let signing = |suite, private: usize, public: Vec<u8>| DraftSecrets {
            client_title: vec![1; 8],
            suite,
            signing_key: some(private),
            meter_public_key: public,
            ..draft(Security::Ecdsa)
        };
        let public =
            |octets: usize| PrivateKey::try_from(&vec![2; octets][..]).unwrap().public_key().octets();
        assert_eq!(fields(signing(1, 32, public(32))), [""; 0]);
        assert_eq!(fields(signing(2, 48, public(48))), [""; 0]);
        assert_eq!(fields(signing(1, 48, public(48))), ["signing_key", "meter_public_key"]);
        assert_eq!(fields(signing(1, 32, vec![1; 64])), ["meter_public_key"], "no point of the curve");
        assert_eq!(fields(signing(0, 32, public(32))), ["suite"]);
    }

    #[test]
    fn a_wrong_combination_is_named_by_its_fields() {
        let password = |security| DraftSecrets { password: some(8), ..draft(security) };
        let cases = [
            (draft(Security::Lls), &["password"][..]),
            (DraftSecrets { password: some(65), ..draft(Security::Md5) }, &["password"]),
            (DraftSecrets { password: some(17), ..draft(Security::Manufacturer) }, &["password"]),
            (password(Security::None), &["password"]),
            (DraftSecrets { password: some(8), ..with_keys(Security::Gmac, 16) }, &["password"]),
            (with_keys(Security::None, 16), &["encryption_key", "authentication_key", "client_title"]),
            (with_keys(Security::Gmac, 32), &["encryption_key", "authentication_key"]),
            (draft(Security::Gmac), &["encryption_key", "authentication_key", "client_title"]),
            (password(Security::Sha256), &["client_title"]),
            (DraftSecrets { policy: Some(Policy::Encrypted), ..password(Security::Lls) }, &["policy"]),
            (
                DraftSecrets {
                    password: some(8),
                    policy: Some(Policy::None),
                    ..with_keys(Security::Md5, 16)
                },
                &["policy"],
            ),
            (DraftSecrets { suite: 3, ..draft(Security::None) }, &["suite"]),
            (DraftSecrets { suite: 1, ..password(Security::Md5) }, &["suite"]),
            (DraftSecrets { signing_key: some(32), ..password(Security::Md5) }, &["signing_key"]),
            (DraftSecrets::of(None), &["security"]),
        ];
        for (draft, expected) in cases {
            assert_eq!(fields(draft), expected);
        }
    }
}
