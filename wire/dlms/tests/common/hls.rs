//! Clients and meters with high level security of every kind.

use dlms::acse::{Aare, Mechanism};
use dlms::client::{
    Authentication, Ciphering, Counters, GlobalKeys, Hls, Key, Opening, Parameters, Password, Reply, SealAs,
    Security, SecurityPolicy, Suite,
};
use dlms::security::PrivateKey;
use dlms::server::{self, Policy, Session};
use dlms::{AttributeDescriptor, Conformance, Error};

use super::{CLIENT, METER, Meter, Pair, attribute, exchange, key, open};

pub(crate) const OURS: [u8; 32] = *b"challenge of the head-end, long.";

pub(crate) const THEIRS: [u8; 32] = *b"challenge of the meter, as long.";

pub(crate) const POLICIES: [SecurityPolicy; 4] = [
    SecurityPolicy::None,
    SecurityPolicy::Authenticated,
    SecurityPolicy::Encrypted,
    SecurityPolicy::AuthenticatedEncrypted,
];

pub(crate) const SUITES: [Suite; 3] = [Suite::Zero, Suite::One, Suite::Two];

pub(crate) const WRAPS: [SealAs; 3] = [SealAs::Service, SealAs::General, SealAs::Nameless];

pub(crate) fn asked() -> AttributeDescriptor {
    attribute(1, "0.0.96.1.0.255", 2)
}

pub(crate) fn secret() -> Password {
    Password::new("ABCDEFGH12345678")
}

pub(crate) fn keys(suite: Suite) -> GlobalKeys {
    match suite {
        Suite::Two => {
            GlobalKeys { suite, encryption: Key::new([0xE1; 32]), authentication: Key::new([0xA1; 32]) }
        }
        _ => GlobalKeys { suite, encryption: key(0xE1), authentication: key(0xA1) },
    }
}

pub(crate) fn private(octet: u8, suite: Suite) -> PrivateKey {
    PrivateKey::try_from(&vec![octet; if suite == Suite::Two { 48 } else { 32 }][..]).unwrap()
}

/// What the one with private key `own` and the other one with `other` need for a mechanism.
pub(crate) fn hls(mechanism: Mechanism, suite: Suite, own: u8, other: u8) -> Hls {
    match mechanism {
        Mechanism::Manufacturer => Hls::Manufacturer { secret: secret() },
        Mechanism::Md5 => Hls::Md5 { secret: secret() },
        Mechanism::Sha1 => Hls::Sha1 { secret: secret() },
        Mechanism::Gmac => Hls::Gmac,
        Mechanism::Sha256 => Hls::Sha256 { secret: secret() },
        Mechanism::Ecdsa => {
            Hls::Ecdsa { signing: private(own, suite), verifying: private(other, suite).public_key() }
        }
        other => panic!("{other:?} is no high level security"),
    }
}

pub(crate) const MECHANISMS: [Mechanism; 6] = [
    Mechanism::Manufacturer,
    Mechanism::Md5,
    Mechanism::Sha1,
    Mechanism::Gmac,
    Mechanism::Sha256,
    Mechanism::Ecdsa,
];

pub(crate) fn client(mechanism: Mechanism, suite: Suite, policy: SecurityPolicy) -> Security {
    let ciphering =
        Ciphering { send: policy, demand: policy, ..Ciphering::new(keys(suite), Counters::new(100, 200)) };
    Security {
        authentication: Authentication::Hls { hls: hls(mechanism, suite, 1, 2), challenge: OURS.into() },
        title: Some(CLIENT),
        server_title: None,
        ciphering: Some(ciphering).filter(|_| policy.is_ciphered() || mechanism == Mechanism::Gmac),
    }
}

pub(crate) fn meter(mechanism: Mechanism, suite: Suite, policy: SecurityPolicy) -> Session {
    meter_that_takes(1024, mechanism, suite, policy)
}

/// A meter that takes no longer APDUs; 0 for any.
pub(crate) fn meter_that_takes(
    max_pdu: u16,
    mechanism: Mechanism,
    suite: Suite,
    policy: SecurityPolicy,
) -> Session {
    let ciphering = server::Ciphering {
        keys: keys(suite),
        counters: Counters::new(1, 200),
        policy,
        last_client_counter: None,
    };
    let security = server::Security {
        authentication: Authentication::Hls { hls: hls(mechanism, suite, 2, 1), challenge: THEIRS.into() },
        title: Some(METER),
        ciphering: Some(ciphering).filter(|_| policy.is_ciphered() || mechanism == Mechanism::Gmac),
    };
    Session::new(Policy { security, max_pdu, conformance: Conformance::CLIENT })
}

pub(crate) fn parameters(security: Security) -> Parameters {
    Parameters { security, conformance: Conformance::CLIENT, max_receive_pdu: 1024 }
}

/// A pair whose meter holds a value that it can be asked for.
pub(crate) fn pair(mut session: Session, security: Security) -> Result<Pair, Error> {
    let mut meter = Meter::default();
    let asked = asked();
    meter.values.insert((asked.class_id, asked.instance, asked.attribute), vec![17, 42]);
    let client = open(&mut session, &mut meter, parameters(security))?;
    Ok(Pair { session, meter, client })
}

pub(crate) fn reads_and_releases(mut pair: Pair) {
    assert_eq!(pair.read(&asked()).unwrap().0, [17, 42]);
    let mut request = Vec::new();
    pair.client.release(&mut request).unwrap();
    let mut answer = pair.answer(&request);
    assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Released));
    assert!(!pair.session.is_associated());
}

/// What comes of an AARE that a meter sends instead of `change`d one of its own.
pub(crate) fn refused(
    mechanism: Mechanism,
    policy: SecurityPolicy,
    change: impl Fn(&mut Aare<'_>),
) -> Option<Error> {
    let mut request = Vec::new();
    let opening = Opening::start(parameters(client(mechanism, Suite::Zero, policy)), &mut request).unwrap();
    let answer = exchange(&mut meter(mechanism, Suite::Zero, policy), &mut Meter::default(), &request);
    let mut aare = Aare::decode(&answer).unwrap();
    change(&mut aare);
    let mut changed = Vec::new();
    aare.encode(&mut changed);
    opening.handle(&mut changed, &mut Vec::new()).err()
}
