//! Result documents in the shape that P2LPC gives them: read whole, cut off anywhere, and damaged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use p2lpc::{DEPTH_LIMIT, Decimal, Device, Document, Error, Event, Ident, Profile, Register};
use proptest::prelude::*;

/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;

const PROFILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- pre-read -->
<MeterProfile>
  <Device DeviceID="36371001" P2LPCIdent="C0000001">
    <Profile Ident="99.1.0" Period="900">
      <Register Ident="1.8.0" Value="0000031.184" DateTime="2026-03-01T00:15:00Z" Status="0"/>
      <Register Ident="1.8.0" Value="0000031.250" DateTime="2026-03-01T00:30:00Z" Status="32"/>
      <Register Ident="2.8.0" Value="0000000.000" DateTime="2026-03-01T00:15:00Z" Status="0"></Register>
      <Register Ident="2.8.0" Value="0000000.001" DateTime="2026-03-01T00:30:00Z" Status="64"/>
    </Profile>
    <Profile Ident="99.2.0" Period="3600">
      <Register Ident="0.1.128.50.0" Value="12.5" DateTime="2026-03-01T02:00:00+01:00" Status="0"/>
    </Profile>
  </Device>
  <Device DeviceID="3637&amp;1002" P2LPCIdent="C0000001"/>
</MeterProfile>
"#;

const EVENTS: &str = r#"<MeterEvents><Device DeviceID="36371001" P2LPCIdent="C0000001">
<Event DateTime="2026-03-01T08:00:00Z" Status="32785"/><Event DateTime="2026-03-01T08:01:00Z" Status="3" MeterID="36371002"/>
</Device></MeterEvents>"#;

fn ident(text: &str) -> Ident {
    text.parse().unwrap()
}

fn entries(document: &Document) -> Vec<String> {
    let entries = document.devices.iter().flat_map(|device| {
        let registers = device.profiles.iter().flat_map(|profile| &profile.registers);
        let registers = registers.map(|register| format!("{register:?}"));
        registers.chain(device.events.iter().map(|event| format!("{event:?}")))
    });
    entries.collect()
}

#[test]
fn mt_23_a_profile_is_read_by_time_whatever_its_order() {
    let document = Document::read(PROFILE.as_bytes());
    assert_eq!((document.damage, document.refused), (None, 0));
    assert_eq!(document.devices[1].id, "3637&1002");
    let device = &document.devices[0];
    assert_eq!((device.id.as_str(), device.concentrator.as_str()), ("36371001", "C0000001"));
    let profile = &device.profiles[0];
    assert_eq!((profile.ident, profile.period_s), (Ident([1, 0, 99, 1, 0, 255]), 900));
    let rows: Vec<_> = profile
        .rows()
        .into_iter()
        .map(|row| {
            (row.at, row.status, row.values.values().map(|value| value.scaled(-3)).collect::<Vec<_>>())
        })
        .collect();
    let expected =
        vec![(MARCH + 900, 0, vec![Some(31_184), Some(0)]), (MARCH + 1800, 96, vec![Some(31_250), Some(1)])];
    assert_eq!(rows, expected);
    let gas = &device.profiles[1].registers[0];
    assert_eq!((gas.ident, gas.at), (ident("0.1.128.50.0"), MARCH + 3600));
}

#[test]
fn mt_06_a_log_gives_its_status_words() {
    let document = Document::read(EVENTS.as_bytes());
    let event = |minutes: i64, status, meter: Option<&str>| Event {
        at: MARCH + 8 * 3600 + minutes * 60,
        status,
        meter: meter.map(str::to_owned),
    };
    // 8011h: the terminal cover.
    assert_eq!(document.devices[0].events, [event(0, 32_785, None), event(1, 3, Some("36371002"))]);
    assert_eq!(document.damage, None);
}

#[test]
fn mt_23_a_document_that_is_cut_off_gives_what_is_whole() {
    for text in [PROFILE.trim_end(), EVENTS] {
        let whole = entries(&Document::read(text.as_bytes()));
        let mut most = 0;
        for end in 0..text.len() {
            let document = Document::read(&text.as_bytes()[..end]);
            assert_eq!(document.damage, Some(Error::Truncated { octets: end }), "{end}");
            let some = entries(&document);
            assert_eq!(some, whole[..some.len()], "{end}");
            assert!(some.len() >= most && document.refused == 0, "{end}");
            most = some.len();
        }
        assert_eq!(most, whole.len());
    }
}

#[test]
fn mt_23_what_cannot_be_understood_is_left_out_and_counted() {
    let text = PROFILE
        .replace("0000031.250", "0000O31.250")
        .replace("T00:15:00Z\" Status=\"0\"></", "T00:15:00\" Status=\"0\"></")
        .replace("0.1.128.50.0", "gas");
    let document = Document::read(text.as_bytes());
    assert_eq!((document.damage.clone(), document.refused), (None, 3));
    assert_eq!(document.refusal, Some(Error::Value { what: "a value" }));
    assert_eq!(entries(&document).len(), 2);

    let stray =
        r#"<MeterProfile><Register Ident="1.8.0" Value="1" DateTime="2026-03-01T00:15:00Z"/></MeterProfile>"#;
    assert_eq!(Document::read(stray.as_bytes()).refusal, Some(Error::Missing { what: "Device or Profile" }));
}

#[test]
fn mt_23_what_is_no_result_is_named() {
    let damage = |text: &str| Document::read(text.as_bytes()).damage;
    assert_eq!(damage("<html></html>"), Some(Error::Unexpected { element: "html".to_owned() }));
    assert_eq!(damage("no XML at all"), Some(Error::Malformed { octet: 0 }));
    assert_eq!(damage("<MeterProfile></Device></MeterProfile>"), Some(Error::Malformed { octet: 14 }));
    let twice = "<MeterEvents/><MeterEvents/>";
    assert_eq!(damage(twice), Some(Error::Unexpected { element: "MeterEvents".to_owned() }));
    let latin = [EVENTS.as_bytes(), b"\xE4<"].concat();
    assert_eq!(Document::read(&latin).damage, Some(Error::Malformed { octet: EVENTS.len() }));
}

#[test]
fn c_07_bombs_end_early() {
    let deep = format!("<MeterProfile>{}", "<a>".repeat(100_000));
    let too_deep = Error::TooLong { what: "elements inside one another", limit: DEPTH_LIMIT };
    assert_eq!(Document::read(deep.as_bytes()).damage, Some(too_deep));

    let laughs = r#"<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>
        <MeterEvents><Device DeviceID="&c;"><Event DateTime="2026-03-01T08:00:00Z" Status="1"/></Device></MeterEvents>"#;
    let document = Document::read(laughs.as_bytes());
    assert_eq!((document.devices.len(), document.refusal), (0, Some(Error::Value { what: "DeviceID" })));

    let long = format!(r#"<MeterEvents><Device DeviceID="{}"/></MeterEvents>"#, "1".repeat(1000));
    assert_eq!(Document::read(long.as_bytes()).refusal, Some(Error::Value { what: "DeviceID" }));
}

fn any_document() -> impl Strategy<Value = Document> {
    let register =
        (any::<[u8; 6]>(), -999_999_999_i64..1_000_000_000, 0_u8..6, 0_i64..4_000_000_000, any::<u32>());
    let register = register.prop_map(|(ident, digits, decimals, at, status)| {
        // Zeros in front of the point are not kept, those of a whole number are not written.
        Register { ident: Ident(ident), value: Decimal::new(digits, decimals).unwrap(), at, status }
    });
    let profile = (any::<[u8; 6]>(), any::<u32>(), prop::collection::vec(register, 0..5));
    let profile =
        profile.prop_map(|(ident, period_s, registers)| Profile { ident: Ident(ident), period_s, registers });
    let event = (0_i64..4_000_000_000, any::<u32>(), prop::option::of("[0-9A-Z<&\"]{1,8}"));
    let event = event.prop_map(|(at, status, meter)| Event { at, status, meter });
    let (profiles, events) = (prop::collection::vec(profile, 0..3), prop::collection::vec(event, 0..3));
    let device = ("[0-9A-Za-z<>&'\" ]{0,12}", "[0-9A-Z]{0,8}", profiles, events);
    let device =
        device.prop_map(|(id, concentrator, profiles, events)| Device { id, concentrator, profiles, events });
    prop::collection::vec(device, 0..3).prop_map(|devices| Document { devices, ..Document::default() })
}

proptest! {
    #[test]
    fn what_is_written_is_read(document in any_document()) {
        prop_assert_eq!(Document::read(&document.encode()), document);
    }

    #[test]
    fn mt_23_damage_never_makes_more_of_a_document(places in prop::collection::vec((0..PROFILE.len(), any::<u8>()), 1..8)) {
        let mut octets = PROFILE.as_bytes().to_vec();
        for (place, octet) in places {
            octets[place] = octet;
        }
        let document = Document::read(&octets);
        prop_assert!(entries(&document).len() <= 5);
    }
}
