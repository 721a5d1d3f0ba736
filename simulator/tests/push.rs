//! What meters push, read by the protocol's own decoder.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use dlms::push::{self, Push};
use dlms::security::{Cipher, Key, SystemTitle};
use dlms::wrapper::{HEADER_LENGTH, Header};
use simulator::{Error, FleetConfig, Meter, PushOptions, Pusher, Security};

fn meter(model: &str, security: Security) -> Meter {
    let model = models::builtin().unwrap()[model].clone();
    Meter::offline(FleetConfig { security, ..FleetConfig::new(model) }, 0).unwrap()
}

#[test]
fn the_form_is_that_of_the_model() {
    let mut pusher = Pusher::new();
    let mut frame = |model: &str, key: &str, confirmed| {
        let options = PushOptions { plain: false, confirmed };
        pusher.frame(&meter(model, Security::None), key, options).unwrap()
    };
    let gasp = frame("generic-dlms", "power.last_gasp", false);
    let header = Header::decode(gasp.first_chunk().unwrap()).unwrap();
    assert_eq!(
        (header.source, header.destination, usize::from(header.length) + HEADER_LENGTH),
        (1, 103, gasp.len())
    );
    let Push::Event(event) = Push::decode(&gasp[HEADER_LENGTH..]).unwrap() else { panic!("{gasp:02X?}") };
    assert_eq!(event.attribute.instance, "128.128.128.128.128.0".parse().unwrap());
    assert_eq!(event.value, b"\x09\x0830000000");

    // Who, the push setup that stands for alarm register 3, and its bit 0.
    let gasp = frame("sed302", "power.last_gasp", true);
    let Push::Data(data) = Push::decode(&gasp[HEADER_LENGTH..]).unwrap() else { panic!("{gasp:02X?}") };
    assert!(data.invoke.is_confirmed() && data.time.is_some());
    assert_eq!(data.body[..12], *b"\x02\x03\x09\x0830000000");
    assert!(data.body.ends_with(&[6, 0, 0, 0, 1]));

    // The event-code object of the fraud log.
    let magnet = frame("sed302", "tamper.magnet_on", false);
    let Push::Data(data) = Push::decode(&magnet[HEADER_LENGTH..]).unwrap() else { panic!("{magnet:02X?}") };
    assert!(data.body.ends_with(&[9, 6, 0, 0, 96, 11, 1, 255, 6, 0, 0, 0, 42]));
}

#[test]
fn ciphered_ones_open_with_the_keys_of_the_meter_and_count_upwards() {
    let meter = meter("sed302", Security::Gmac);
    let secrets = meter.secrets();
    let cipher = Cipher::new(&Key::new(secrets.encryption_key), &Key::new(secrets.authentication_key));
    let title = SystemTitle::new(*b"SIM\0\x01\xC9\xC3\x80");
    let mut pusher = Pusher::new();
    let mut counters = Vec::new();
    for _ in 0..3 {
        let mut frame = pusher.frame(&meter, "power.last_gasp", PushOptions::default()).unwrap();
        let opened = push::open(&cipher, &title, &mut frame[HEADER_LENGTH..]).unwrap();
        assert!(matches!(opened.push, Push::Data(_)));
        counters.push(opened.counter);
    }
    assert!(counters.is_sorted_by(|one, next| one < next), "{counters:?}");
    let plain = PushOptions { plain: true, confirmed: false };
    assert!(Push::decode(&pusher.frame(&meter, "power.last_gasp", plain).unwrap()[HEADER_LENGTH..]).is_ok());
}

#[test]
fn what_the_model_does_not_have_is_refused_by_name() {
    let refused =
        Pusher::new().frame(&meter("sed302", Security::None), "vendor.nothing", PushOptions::default());
    assert_eq!(refused, Err(Error::NoEvent { model: "sed302".into(), key: "vendor.nothing".into() }));
}
