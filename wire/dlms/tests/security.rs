//! High level security with each mechanism, each policy and each kind of key.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use common::hls::{
    MECHANISMS, OURS, POLICIES, SUITES, WRAPS, asked, client, hls, keys, meter, meter_that_takes, pair,
    parameters, reads_and_releases,
};
use common::{CLIENT, METER, Meter, exchange, key};
use dlms::acse::{Aarq, Mechanism, Release, ReleaseKind};
use dlms::axdr::Data;
use dlms::client::{
    Association, Authentication, Challenge, Counters, Hls, Key, Opened, Opening, Password, ProofCounter,
    SealAs, Security, SecurityPolicy, Suite, SystemTitle,
};
use dlms::initiate::InitiateRequest;
use dlms::security::{Cipher, Dialogue, Envelope, SecurityControl, Wrapping};
use dlms::server::{self, Policy, Session};
use dlms::{Conformance, Downgrade, Error};
use serde_json::Value;
use store::Vector;

#[test]
fn every_mechanism_works_with_every_suite_and_policy() {
    for mechanism in MECHANISMS {
        for suite in SUITES {
            for policy in POLICIES {
                let opened = pair(meter(mechanism, suite, policy), client(mechanism, suite, policy));
                reads_and_releases(
                    opened.unwrap_or_else(|error| panic!("{mechanism:?} {suite:?} {policy:?}: {error}")),
                );
            }
        }
    }
}

#[test]
fn who_does_not_know_the_secret_is_let_in_by_nobody() {
    for mechanism in MECHANISMS {
        let other = match hls(mechanism, Suite::One, 3, 4) {
            Hls::Manufacturer { .. } => Hls::Manufacturer { secret: Password::new("ABCDEFGH12345679") },
            Hls::Md5 { .. } => Hls::Md5 { secret: Password::new("ABCDEFGH12345679") },
            Hls::Sha1 { .. } => Hls::Sha1 { secret: Password::new("ABCDEFGH12345679") },
            Hls::Sha256 { .. } => Hls::Sha256 { secret: Password::new("ABCDEFGH12345679") },
            same => same,
        };
        let mut wrong = client(mechanism, Suite::One, SecurityPolicy::None);
        if let (Mechanism::Gmac, Some(ciphering)) = (mechanism, &mut wrong.ciphering) {
            ciphering.keys.authentication = key(0xA2);
        }
        wrong.authentication = Authentication::Hls { hls: other, challenge: OURS.into() };
        let refused = pair(meter(mechanism, Suite::One, SecurityPolicy::None), wrong).err();
        assert!(matches!(refused, Some(Error::Action(_))), "{mechanism:?}: {refused:?}");
    }
}

/// Whatever protects and wraps it: a request that fits goes whole, and one that does not goes in blocks that leave no room unused but for the
/// form of a length.
#[test]
fn a_protected_request_uses_all_of_a_small_apdu_and_no_more() {
    for (policy, wrap) in POLICIES[1..].iter().flat_map(|policy| WRAPS.map(|wrap| (*policy, wrap))) {
        let open = |max_pdu| {
            let mut security = client(Mechanism::Sha256, Suite::One, policy);
            let ciphering = security.ciphering.as_mut().unwrap();
            (ciphering.wrap, ciphering.counters) = (wrap, Counters::new(100, 10_000));
            pair(meter_that_takes(max_pdu, Mechanism::Sha256, Suite::One, policy), security).unwrap().client
        };
        let request = |client: &mut Association, length| {
            let mut request = Vec::new();
            client.set(&asked(), &Data::OctetString(vec![7; length]), &mut request).unwrap();
            request.len()
        };
        let mut unlimited = open(0);
        for pdu in [64, 84, 150, 151, 256] {
            let (mut limited, limit) = (open(pdu), usize::from(pdu));
            for length in 0..300 {
                let (whole, sent) = (request(&mut unlimited, length), request(&mut limited, length));
                let is_right =
                    if whole <= limit { sent == whole } else { (limit - 3..=limit).contains(&sent) };
                assert!(is_right, "{policy:?} {wrap:?}: {sent} of {whole} octets where {pdu} are taken");
            }
        }
    }
}

/// The server refuses whatever is longer than it takes.
#[test]
fn a_proof_goes_in_blocks_to_a_meter_that_takes_small_apdus_only() {
    for (mechanism, suite) in MECHANISMS.into_iter().flat_map(|each| SUITES.map(|suite| (each, suite))) {
        for (policy, wrap) in POLICIES.into_iter().flat_map(|policy| WRAPS.map(|wrap| (policy, wrap))) {
            let mut security = client(mechanism, suite, policy);
            if let Some(ciphering) = &mut security.ciphering {
                ciphering.wrap = wrap;
            }
            let opened = pair(meter_that_takes(64, mechanism, suite, policy), security);
            reads_and_releases(
                opened.unwrap_or_else(|error| panic!("{mechanism:?} {suite:?} {policy:?} {wrap:?}: {error}")),
            );
        }
    }
}

/// A proof of the meter that comes in blocks, as a meter with small APDUs may send it.
#[test]
fn a_proof_comes_in_blocks_and_not_without_end() {
    let opened = |cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
        let (mut session, mut out) =
            (meter(Mechanism::Sha256, Suite::Zero, SecurityPolicy::None), Vec::new());
        let security = client(Mechanism::Sha256, Suite::Zero, SecurityPolicy::None);
        let opening = Opening::start(parameters(security), &mut out).unwrap();
        let mut answer = exchange(&mut session, &mut Meter::default(), &out);
        out.clear();
        let Opened::Send(mut opening) = opening.handle(&mut answer, &mut out)? else {
            panic!("no proof is owed")
        };
        let whole = exchange(&mut session, &mut Meter::default(), &out);
        assert_eq!(whole[..4], [0xC7, 1, out[2], 0]);
        for (number, piece) in (1_u32..).zip(cut(&whole[4..])) {
            let is_last = piece.len() < 10 && !piece.is_empty();
            let mut block = [&[0xC7, 2, out[2], is_last.into()][..], &number.to_be_bytes()].concat();
            block.push(piece.len() as u8);
            block.extend(piece);
            out.clear();
            match opening.handle(&mut block, &mut out)? {
                Opened::Send(next) => opening = next,
                Opened::Established(_) => return Ok(true),
            }
            assert_eq!(out[..2], [0xC3, 2]);
            assert_eq!(out[3..], number.to_be_bytes());
        }
        Ok(false)
    };
    let in_tens = |proof: &[u8]| proof.chunks(10).map(<[u8]>::to_vec).collect();
    assert_eq!(opened(&in_tens), Ok(true));
    let damaged = |proof: &[u8]| in_tens(&[&proof[..20], &[!proof[20]], &proof[21..]].concat());
    assert_eq!(opened(&damaged), Err(Error::ServerProof));
    let endless = |_: &[u8]| vec![Vec::new(); 100];
    assert_eq!(opened(&endless), Err(Error::TooLong { what: "proof", limit: 256 }));
}

#[test]
fn under_a_dedicated_key_global_counters_serve_only_to_open_and_to_release() {
    for suite in SUITES {
        for wrap in WRAPS {
            for policy in &POLICIES[1..] {
                let mut security = client(Mechanism::Gmac, suite, *policy);
                let ciphering = security.ciphering.as_mut().unwrap();
                let dedicated = if suite == Suite::Two { Key::new([7; 32]) } else { key(7) };
                (ciphering.dedicated_key, ciphering.wrap) = (Some(dedicated), wrap);
                let mut pair = pair(meter(Mechanism::Gmac, suite, *policy), security).unwrap();
                let mut request = Vec::new();
                pair.client.get(&asked(), None, &mut request).unwrap();
                let expected = match wrap {
                    SealAs::Service => Wrapping::Dedicated(0xC0),
                    SealAs::General => Wrapping::GeneralDedicated(Some(CLIENT)),
                    SealAs::Nameless => Wrapping::GeneralDedicated(None),
                };
                assert_eq!(Envelope::read(&mut request).unwrap().0.wrapping, expected);
                assert_eq!(pair.client.counters().unwrap().next(), 103);
                for _ in 0..300 {
                    pair.read(&asked()).unwrap();
                }
                assert_eq!(pair.client.counters().unwrap().next(), 103);
                reads_and_releases(pair);
            }
        }
    }
}

/// The octets of a request of association, and the initiate request inside, deciphered.
fn aarq(security: Security) -> (Vec<u8>, InitiateRequest, SecurityControl) {
    let mut out = Vec::new();
    Opening::start(parameters(security), &mut out).unwrap();
    let mut information = Aarq::decode(&out).unwrap().user_information.to_vec();
    let (envelope, body) = Envelope::read(&mut information).unwrap();
    let keys = keys(Suite::Zero);
    let cipher = Cipher::new(&keys.encryption, &keys.authentication);
    let plain = envelope.open(&cipher, &CLIENT, body).unwrap();
    (out.clone(), InitiateRequest::decode(plain).unwrap(), envelope.control)
}

#[test]
fn a_dedicated_key_is_never_sent_in_the_clear() {
    let mut security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::Authenticated);
    security.ciphering.as_mut().unwrap().dedicated_key = Some(key(7));
    let (out, initiate, control) = aarq(security);
    assert_eq!(control, SecurityControl::AUTHENTICATED_ENCRYPTED);
    assert_eq!(initiate.dedicated_key.as_ref().map(|key| key.to_vec()), Some(vec![7; 16]));
    assert!(!out.windows(16).any(|octets| octets == [7; 16]));
    assert!(!format!("{initiate:?}").contains('7'), "{initiate:?}");
    let (_, initiate, control) = aarq(client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::Authenticated));
    assert_eq!((initiate.dedicated_key, control), (None, SecurityControl::AUTHENTICATED));
}

#[test]
fn low_level_security_may_be_ciphered_too() {
    let low = || Authentication::Lls { password: Password::new("12345678") };
    let policy = SecurityPolicy::AuthenticatedEncrypted;
    let security = Security { authentication: low(), ..client(Mechanism::Gmac, Suite::Zero, policy) };
    let ciphering = server::Ciphering {
        keys: keys(Suite::Zero),
        counters: Counters::new(1, 200),
        policy,
        last_client_counter: None,
    };
    let meter = server::Security { authentication: low(), title: Some(METER), ciphering: Some(ciphering) };
    let session = Session::new(Policy { security: meter, max_pdu: 1024, conformance: Conformance::CLIENT });
    reads_and_releases(pair(session, security).unwrap());
}

#[test]
fn answers_may_be_protected_less_than_requests_where_that_was_agreed() {
    let mut security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
    let session = || meter(Mechanism::Gmac, Suite::Zero, SecurityPolicy::Authenticated);
    let refused = pair(session(), security).err();
    assert_eq!(refused, Some(Error::Downgrade(Downgrade::Protection { agreed: 0x30, got: 0x10 })));
    security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
    security.ciphering.as_mut().unwrap().demand = SecurityPolicy::Authenticated;
    reads_and_releases(pair(session(), security).unwrap());
}

#[test]
fn the_counter_of_the_proof_is_the_lower_or_the_higher_one() {
    for (proof_counter, proof, around) in [(ProofCounter::Lower, 101, 102), (ProofCounter::Higher, 102, 101)]
    {
        let mut security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
        security.ciphering.as_mut().unwrap().proof_counter = proof_counter;
        let mut session = meter(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
        let mut request = Vec::new();
        let opening = Opening::start(parameters(security), &mut request).unwrap();
        let mut answer = exchange(&mut session, &mut Meter::default(), &request);
        request.clear();
        let Opened::Send(opening) = opening.handle(&mut answer, &mut request).unwrap() else { panic!() };
        let mut action = request.clone();
        let (envelope, body) = Envelope::read(&mut action).unwrap();
        let cipher = Cipher::new(&key(0xE1), &key(0xA1));
        let plain = envelope.open(&cipher, &CLIENT, body).unwrap();
        assert_eq!((&plain[13..18], envelope.counter), (&[9, 17, 0x10, 0, 0][..], around));
        assert_eq!(plain[18..20], [0, proof]);
        let mut answer = exchange(&mut session, &mut Meter::default(), &request);
        request.clear();
        let Opened::Established(client) = opening.handle(&mut answer, &mut request).unwrap() else {
            panic!()
        };
        assert_eq!(client.counters().unwrap().next(), 103);
    }
}

#[test]
fn what_a_security_needs_is_asked_for_before_anything_is_sent() {
    let untitled =
        || Security { title: None, ..client(Mechanism::Sha256, Suite::Zero, SecurityPolicy::None) };
    let keyless =
        || Security { ciphering: None, ..client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::None) };
    let demanding = || {
        let mut security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::None);
        security.ciphering.as_mut().unwrap().demand = SecurityPolicy::Authenticated;
        security
    };
    for security in [untitled(), keyless(), demanding()] {
        let mut out = Vec::new();
        assert!(matches!(Opening::start(parameters(security), &mut out), Err(Error::Misuse(_))));
        assert!(out.is_empty());
    }
    let long = Hls::Manufacturer { secret: Password::new("seventeen octets.") };
    let dialogue = Dialogue { prover: None, verifier: None, challenge: &[1; 8], countered: &[2; 8] };
    let expected = Error::Length { what: "secret", expected: 16, got: 17 };
    assert_eq!(long.prove(&dialogue, None), Err(expected));
}

#[test]
fn a_release_is_protected_exactly_when_the_association_is() {
    for policy in POLICIES {
        let mut pair =
            pair(meter(Mechanism::Gmac, Suite::Zero, policy), client(Mechanism::Gmac, Suite::Zero, policy))
                .unwrap();
        let mut request = Vec::new();
        pair.client.release(&mut request).unwrap();
        let release = Release::decode(ReleaseKind::Request, &request).unwrap();
        assert_eq!(release.user_information.is_some(), policy.is_ciphered());
        let plain = [0x62, 3, 0x80, 1, 0];
        let answer = pair.answer(&plain);
        let reason = Release::decode(ReleaseKind::Response, &answer).unwrap().reason;
        assert_eq!(reason, Some(u8::from(policy.is_ciphered())), "a release that anybody may have sent");
    }
}

fn of_context(vector: &Vector, name: &str) -> Option<Vec<u8>> {
    vector.context.get(name).and_then(Value::as_str).map(store::octets)
}

/// The group `hls`: what a proof has to be.
#[test]
fn vectors_of_proofs() {
    let vectors: Vec<_> = store::all().into_iter().filter(|vector| vector.group == "hls").collect();
    assert!(vectors.len() >= 5);
    for vector in vectors {
        let title =
            |name| of_context(&vector, name).map(|octets| SystemTitle::try_from(&octets[..]).unwrap());
        let (client, server) = (title("client-system-title"), title("server-system-title"));
        let (ours, theirs) = (of_context(&vector, "CtoS"), of_context(&vector, "StoC"));
        let secret = || Password::new(of_context(&vector, "secret").unwrap());
        let challenge = of_context(&vector, "challenge");
        let to_client = challenge.or_else(|| theirs.clone()).unwrap();
        let by_client = Dialogue {
            prover: client.as_ref(),
            verifier: server.as_ref(),
            challenge: &to_client,
            countered: ours.as_deref().unwrap_or_default(),
        };
        let (hls, dialogue) = match vector.context["mechanism"].as_u64().unwrap() {
            2 => (Hls::Manufacturer { secret: secret() }, by_client),
            3 => (Hls::Md5 { secret: secret() }, by_client),
            4 => (Hls::Sha1 { secret: secret() }, by_client),
            5 => (Hls::Gmac, by_client),
            6 => {
                // The server's answer.
                let (challenge, countered) = (ours.as_deref().unwrap(), &to_client[..]);
                let (prover, verifier) = (server.as_ref(), client.as_ref());
                (Hls::Sha256 { secret: secret() }, Dialogue { prover, verifier, challenge, countered })
            }
            other => panic!("{}: mechanism {other}", vector.id),
        };
        let cipher = of_context(&vector, "encryption-key").map(|encryption| {
            let authentication = of_context(&vector, "authentication-key").unwrap();
            Cipher::new(
                &Key::try_from(&encryption[..]).unwrap(),
                &Key::try_from(&authentication[..]).unwrap(),
            )
        });
        let counter = vector.context["invocation-counter"].as_u64().unwrap_or_default();
        let gmac = cipher.as_ref().map(|cipher| (cipher, Suite::Zero, u32::try_from(counter).unwrap()));
        assert_eq!(hls.prove(&dialogue, gmac).unwrap(), vector.octets, "{}", vector.id);
        assert!(hls.verify(&dialogue, &vector.octets, cipher.as_ref()), "{}", vector.id);
        let mut wrong = vector.octets.clone();
        wrong[0] ^= 0x40;
        assert!(!hls.verify(&dialogue, &wrong, cipher.as_ref()), "{}", vector.id);
    }
}

#[test]
fn challenges_have_8_to_64_octets() {
    for length in 0..=80 {
        let challenge = Challenge::try_from(&vec![1; length][..]);
        assert_eq!(challenge.is_ok(), (8..=64).contains(&length), "{length}");
    }
}
