//! The rules of what comes in. A problem never quotes what it is about: in a shifted column that could be a key.

mod plate;
mod secrets;
mod way;

use ami_proto::v1;
use collectors::{Address, AddressError};
use dlms::Obis;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

pub(crate) use self::secrets::DraftSecrets;
pub(crate) use self::way::{DraftPath, own_saps};
use super::Models;
use super::status::Refusal;
use crate::store::AlarmSeverity;
use crate::store::meters::{NewMeter, Secret};

/// The longest serial number.
const MAX_SERIAL: usize = 64;
/// The longest password or secret.
const MAX_PASSWORD: usize = 64;
/// Octets of a system title (IEC 62056-5-3).
const TITLE: usize = 8;
/// Keys in a filter at most.
const MAX_KEYS: usize = 64;
/// The longest canonical key.
const MAX_KEY: usize = 64;
/// Meters or jobs in a page when the client does not care.
const DEFAULT_PAGE: u32 = 100;
/// Rows in a page at most.
pub(crate) const MAX_PAGE: u32 = 10_000;

/// A meter as a client describes it, before it is checked. The default says nothing.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) serial: String,
    pub(crate) model: String,
    /// Empty = its parent's.
    pub(crate) address: String,
    /// 0 = the model's.
    pub(crate) server_sap: u32,
    /// 0 = the model's.
    pub(crate) client_sap: u32,
    pub(crate) zone: String,
    pub(crate) secrets: DraftSecrets,
    /// Empty = not known.
    pub(crate) system_title: Vec<u8>,
    /// Empty = none of its own.
    pub(crate) equipment_id: String,
    /// With DLMS, 0 = none.
    pub(crate) device_address: Option<u64>,
    pub(crate) paths: Vec<DraftPath>,
    /// Empty = none.
    pub(crate) parent: String,
    /// 0 = none.
    pub(crate) subunit: u32,
    /// 0 = the first.
    pub(crate) circuit: u32,
    /// Empty = none.
    pub(crate) throttle_group: String,
    /// 0 = not known.
    pub(crate) pulses_per_kwh: u32,
    /// Empty = none.
    pub(crate) ratio: String,
    /// 0 = the first.
    pub(crate) invocation_counter: u32,
}

/// A field that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its name, which is also the column of an import file.
    pub(crate) field: &'static str,
    /// What is expected.
    pub(crate) problem: String,
}

/// The meter of a draft, or everything that is wrong with it.
pub(crate) fn meter(draft: Draft, models: &Models) -> Result<NewMeter, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rule = |holds: bool, field: &'static str, problem: &str| {
        if !holds {
            problems.push(Problem { field, problem: problem.to_owned() });
        }
    };
    rule(is_serial(&draft.serial), "serial", "1 to 64 visible ASCII characters without comma are expected");
    let address = way::address(&draft.address, !draft.parent.is_empty(), &mut rule);
    rule(TimeZone::get(&draft.zone).is_ok(), "zone", "an IANA time zone is expected, for example Asia/Dhaka");
    pushes(&draft, &mut rule);
    let part_of = way::part_of(&draft.serial, &draft.parent, (draft.subunit, draft.circuit), &mut rule);
    let group = &draft.throttle_group;
    rule(
        group.is_empty() || is_serial(group),
        "throttle_group",
        "1 to 64 visible ASCII characters without comma are expected, or nothing",
    );
    plate::check(&draft.ratio, draft.pulses_per_kwh, &mut rule);
    let (server, client) = (u16::try_from(draft.server_sap), u16::try_from(draft.client_sap));
    rule(server.is_ok(), "server_sap", "1 to 65535 is expected, or 0 for the model's");
    rule(client.is_ok(), "client_sap", "1 to 65535 is expected, or 0 for the model's");
    let model = models.get(&draft.model);
    let secrets = draft.secrets.check(&mut problems);
    if draft.invocation_counter > 0 && secrets.as_ref().is_some_and(|secrets| secrets.keys.is_none()) {
        let problem = "without keys it has to be left out".to_owned();
        problems.push(Problem { field: "invocation_counter", problem });
    }
    if model.is_none() {
        let known: Vec<_> = models.keys().map(String::as_str).collect();
        problems.push(Problem { field: "model", problem: format!("known models are {}", known.join(", ")) });
    }
    match (model, secrets, server, client) {
        (Some(model), Some(secrets), Ok(server), Ok(client)) if problems.is_empty() => {
            let own = own_saps(model, secrets.security);
            let server_sap = if server == 0 { own.0 } else { server };
            let client_sap = if client == 0 { own.1 } else { client };
            let saps = (server_sap, client_sap);
            way::subunit(part_of.as_ref(), model)?;
            let device_address = way::device_address(address.as_ref(), draft.device_address, (model, saps))?;
            let paths = way::paths(draft.paths, address.is_some(), (model, saps))?;
            let line = model.concentrator.is_some().then(|| Address::line_of_concentrator(&draft.serial));
            Ok(NewMeter {
                line,
                serial: draft.serial,
                model: draft.model,
                address,
                device_address,
                paths,
                part_of,
                throttle_group: Some(draft.throttle_group).filter(|group| !group.is_empty()),
                pulses_per_kwh: i32::try_from(draft.pulses_per_kwh).ok().filter(|pulses| *pulses > 0),
                ratio: Some(draft.ratio).filter(|ratio| !ratio.is_empty()),
                server_sap,
                client_sap,
                zone: draft.zone,
                secrets,
                first_counter: draft.invocation_counter.max(1),
                system_title: draft.system_title.try_into().ok(),
                equipment_id: Some(draft.equipment_id).filter(|id| !id.is_empty()),
            })
        }
        _ => Err(problems),
    }
}

/// Who it is when it pushes.
fn pushes(draft: &Draft, rule: &mut impl FnMut(bool, &'static str, &str)) {
    let title = &draft.system_title;
    rule(title.is_empty() || title.len() == TITLE, "system_title", "8 octets are expected, or nothing");
    let id = &draft.equipment_id;
    rule(
        id.is_empty() || is_serial(id),
        "equipment_id",
        "1 to 64 visible ASCII characters without comma are expected, or nothing",
    );
}

/// A serial number in a question: whatever no meter can have is not looked for.
pub(crate) fn serial(field: &'static str, text: &str) -> Result<(), Refusal> {
    if is_serial(text) {
        Ok(())
    } else {
        Err(Refusal::field(field, "1 to 64 visible ASCII characters are expected"))
    }
}

/// An address in a question.
pub(crate) fn address(field: &'static str, text: &str) -> Result<Address, Refusal> {
    text.parse().map_err(|error: AddressError| Refusal::field(field, error.to_string()))
}

/// A list of serial numbers or logical names.
pub(crate) fn list<T>(field: &'static str, items: &[T], limit: usize) -> Result<(), Refusal> {
    if items.len() <= limit {
        return Ok(());
    }
    Err(Refusal::OverLimit { field, problem: format!("{} were given, {limit} are allowed", items.len()) })
}

/// A logical name.
pub(crate) fn obis(field: &'static str, text: &str) -> Result<Obis, Refusal> {
    text.parse().map_err(|_| Refusal::field(field, "a logical name is expected, for example 1.0.1.8.0.255"))
}

/// An instant.
pub(crate) fn instant(field: &'static str, instant: &prost_types::Timestamp) -> Result<Timestamp, Refusal> {
    let wrong = || Refusal::field(field, "an instant between the years 1 and 9999 is expected");
    let in_proto = (0..1_000_000_000).contains(&instant.nanos);
    let parsed = Timestamp::new(instant.seconds, instant.nanos).ok().filter(|_| in_proto);
    parsed.filter(|instant| (EARLIEST..=LATEST).contains(&instant.as_second())).ok_or_else(wrong)
}

/// The year 1 begins, in seconds from 1970.
const EARLIEST: i64 = -62_135_596_800;
/// 1 January 9999, in seconds from 1970.
const LATEST: i64 = 253_370_764_800;

/// The years that a date may lie in.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=9990;

/// A date of the calendar.
pub(crate) fn date(field: &'static str, text: &str) -> Result<Date, Refusal> {
    // The parser would take a date out of a longer text, too.
    let parsed = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
    parsed
        .filter(|date| YEARS.contains(&date.year()))
        .ok_or_else(|| Refusal::field(field, "a date is expected, for example 2026-10-01"))
}

/// A range with both ends; an open end reaches as far as instants do.
pub(crate) fn range(
    from: Option<&prost_types::Timestamp>,
    to: Option<&prost_types::Timestamp>,
) -> Result<(Timestamp, Timestamp), Refusal> {
    let end = |field, end: Option<&prost_types::Timestamp>, open| match end {
        Some(end) => instant(field, end),
        None => Timestamp::from_second(open).map_err(|_| Refusal::Internal),
    };
    let (from, to) = (end("from", from, EARLIEST)?, end("to", to, LATEST)?);
    if from > to {
        return Err(Refusal::field("to", "an instant at or after `from` is expected"));
    }
    Ok((from, to))
}

/// Canonical keys of a filter.
///
/// # Errors
/// [`Refusal::OverLimit`], [`Refusal::InvalidField`].
pub(crate) fn keys(keys: &[String]) -> Result<(), Refusal> {
    list("keys", keys, MAX_KEYS)?;
    if keys.iter().any(|key| key.is_empty() || key.len() > MAX_KEY) {
        return Err(Refusal::field("keys", "canonical keys are expected, for example power.last_gasp"));
    }
    Ok(())
}

/// The least severity of a filter, if it has one.
///
/// # Errors
/// [`Refusal::InvalidField`].
pub(crate) fn least_severity(least: i32) -> Result<Option<AlarmSeverity>, Refusal> {
    match v1::AlarmSeverity::try_from(least) {
        Ok(v1::AlarmSeverity::Unspecified) => Ok(None),
        Ok(v1::AlarmSeverity::Info) => Ok(Some(AlarmSeverity::Info)),
        Ok(v1::AlarmSeverity::Warning) => Ok(Some(AlarmSeverity::Warning)),
        Ok(v1::AlarmSeverity::Critical) => Ok(Some(AlarmSeverity::Critical)),
        Err(_) => Err(Refusal::field("min_severity", "a severity of ami.v1.AlarmSeverity is expected")),
    }
}

/// The size of a page of meters or jobs; 0 is the usual one.
pub(crate) fn page_size(asked: u32) -> Result<u32, Refusal> {
    page_size_or(asked, DEFAULT_PAGE)
}

/// The size of a page; 0 is `usual`.
pub(crate) fn page_size_or(asked: u32, usual: u32) -> Result<u32, Refusal> {
    match asked {
        0 => Ok(usual),
        1..=MAX_PAGE => Ok(asked),
        _ => {
            Err(Refusal::OverLimit { field: "page_size", problem: format!("at most {MAX_PAGE} is allowed") })
        }
    }
}

/// Octets that are wiped when they are dropped.
pub(crate) fn secret(octets: Vec<u8>) -> Secret {
    Zeroizing::new(octets)
}

fn is_serial(text: &str) -> bool {
    (1..=MAX_SERIAL).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Security;
    use crate::store::meters::PartOf;

    fn draft() -> Draft {
        Draft {
            serial: "SN-17".into(),
            model: "generic-dlms".into(),
            address: "meter.example:4059".into(),
            server_sap: 0,
            client_sap: 0,
            zone: "Asia/Dhaka".into(),
            secrets: DraftSecrets::of(Some(Security::None)),
            system_title: Vec::new(),
            equipment_id: String::new(),
            device_address: None,
            paths: Vec::new(),
            parent: String::new(),
            subunit: 0,
            circuit: 0,
            throttle_group: String::new(),
            pulses_per_kwh: 0,
            ratio: String::new(),
            invocation_counter: 0,
        }
    }

    fn gmac(title: usize, encryption: usize, authentication: usize) -> DraftSecrets {
        DraftSecrets {
            client_title: vec![1; title],
            encryption_key: secret(vec![2; encryption]),
            authentication_key: secret(vec![3; authentication]),
            ..DraftSecrets::of(Some(Security::Gmac))
        }
    }

    fn fields(draft: Draft) -> Vec<&'static str> {
        let models = models::builtin().unwrap();
        meter(draft, &models).err().unwrap_or_default().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_line_says_which_addresses_can_be_on_it() {
        let on = |address: &str, device_address, server_sap, client_sap| Draft {
            address: address.into(),
            device_address: Some(device_address),
            server_sap,
            client_sap,
            ..draft()
        };
        let (hdlc, wrapper) = ("hdlc://gateway.example:4001", "meter.example:4059");
        for right in [
            on(hdlc, 0, 126, 126),
            on(hdlc, 17, 0, 0),
            on(hdlc, 16_381, 16_381, 1),
            on("serial:///dev/ttyS0", 17, 1, 16),
            on(wrapper, 0, 65_535, 65_535),
        ] {
            assert_eq!(fields(right), [""; 0]);
        }
        assert_eq!(fields(on(wrapper, 17, 0, 0)), ["device_address"]);
        assert_eq!(fields(on(hdlc, 16_382, 16_382, 127)), ["device_address", "server_sap", "client_sap"]);
        assert_eq!(fields(on(hdlc, 65_537, 1, 1)), ["device_address"]);
        assert_eq!(fields(on(hdlc, 0, 127, 1)), ["server_sap"]);
        let models = models::builtin().unwrap();
        let made = meter(on("serial:///dev/ttyS0", 17, 0, 0), &models).unwrap();
        assert_eq!(made.address.unwrap().to_string(), "serial:///dev/ttyS0?baud=9600&parity=none");
        assert_eq!(made.device_address, Some(17));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        assert_eq!(fields(draft()), [""; 0]);
        let wrong = Draft {
            serial: "a,b".into(),
            model: "none".into(),
            address: "x".into(),
            server_sap: 65_536,
            client_sap: 65_536,
            zone: "Asia/Nowhere".into(),
            secrets: gmac(7, 15, 17),
            system_title: vec![1; 9],
            equipment_id: "a b".into(),
            parent: "a,b".into(),
            throttle_group: "a b".into(),
            pulses_per_kwh: 1_000_001,
            ratio: "600/0".into(),
            ..draft()
        };
        let expected = [
            "serial",
            "address",
            "zone",
            "system_title",
            "equipment_id",
            "parent",
            "subunit",
            "throttle_group",
            "pulses_per_kwh",
            "ratio",
            "server_sap",
            "client_sap",
            "encryption_key",
            "authentication_key",
            "client_title",
            "model",
        ];
        assert_eq!(fields(wrong), expected);
        let no_password = DraftSecrets::of(Some(Security::Lls));
        assert_eq!(fields(Draft { secrets: no_password, ..draft() }), ["password"]);
    }

    #[test]
    fn a_sub_unit_may_have_the_way_of_its_parent() {
        let part = || Draft {
            model: "huabang-single".into(),
            device_address: Some(999_999_999_999),
            parent: "SN-1".into(),
            subunit: 39,
            address: String::new(),
            ..draft()
        };
        let made = meter(part(), &models::builtin().unwrap()).unwrap();
        assert_eq!((made.address, made.device_address), (None, Some(999_999_999_999)));
        assert_eq!(made.part_of, Some(PartOf { parent: "SN-1".into(), subunit: 39, circuit: 1 }));
        let path = || vec![DraftPath::parse("h:1")];
        for (wrong, field) in [
            (Draft { parent: String::new(), ..part() }, "address"),
            (Draft { parent: String::new(), address: "h:1".into(), ..part() }, "subunit"),
            (Draft { subunit: 256, ..part() }, "subunit"),
            (Draft { subunit: 40, ..part() }, "subunit"),
            (Draft { model: "huabang-dual".into(), subunit: 19, ..part() }, "subunit"),
            (Draft { model: "generic-dlms".into(), subunit: 1, ..part() }, "subunit"),
            (Draft { subunit: 0, ..part() }, "subunit"),
            (Draft { parent: "SN-17".into(), ..part() }, "parent"),
            (Draft { paths: path(), ..part() }, "paths"),
        ] {
            assert_eq!(fields(wrong)[0], field);
        }
    }

    #[test]
    fn hb_01_the_language_says_which_device_addresses_there_are() {
        let of = |model: &str, device_address| Draft {
            model: model.into(),
            address: "serial://gateway:4001".into(),
            device_address,
            ..draft()
        };
        let inside =
            |model: &str| Draft { parent: "P".into(), subunit: 1, address: String::new(), ..of(model, None) };
        for right in [
            of("huabang-single", Some(999_999_999_999)),
            of("multi-user-modbus", Some(247)),
            of("joy311", None),
            of("joy311", Some(12_345_678)),
            inside("multi-user-modbus"),
            inside("multi-user-dlt645"),
        ] {
            assert_eq!(fields(right), [""; 0]);
        }
        for wrong in [
            of("huabang-single", None),
            of("huabang-single", Some(1_000_000_000_000)),
            of("multi-user-modbus", Some(0)),
            of("multi-user-modbus", Some(248)),
            inside("huabang-single"),
        ] {
            assert_eq!(fields(wrong), ["device_address"]);
        }
    }

    #[test]
    fn further_ways_have_the_rules_of_the_first() {
        let with = |paths: &[&str]| Draft {
            paths: paths.iter().map(|text| DraftPath::parse(text)).collect(),
            ..draft()
        };
        let models = models::builtin().unwrap();
        let made = meter(with(&["hdlc://gateway:4001#17", "udp://h:4059"]), &models).unwrap();
        let ways: Vec<_> =
            made.paths.iter().map(|path| (path.address.to_string(), path.device_address)).collect();
        assert_eq!(ways, [("hdlc://gateway:4001".into(), Some(17)), ("udp://h:4059".into(), None)]);
        let five = ["h:1", "h:2", "h:3", "h:4", "h:5"];
        for wrong in [&["h:1#17"][..], &["h:1", "hdlc://h:1#16382"], &["h"], &["h:1#x"], &five] {
            assert_eq!(fields(with(wrong)), ["paths"]);
        }
    }

    #[test]
    fn service_access_points_come_from_the_model() {
        let models = models::builtin().unwrap();
        let spec = &models["generic-dlms"].association;
        let made = meter(Draft { secrets: gmac(8, 16, 16), ..draft() }, &models).unwrap();
        assert_eq!((made.server_sap, made.client_sap), (spec.server_sap, spec.client_sap_hls));
        let made = meter(Draft { server_sap: 9, client_sap: 99, ..draft() }, &models).unwrap();
        assert_eq!((made.server_sap, made.client_sap), (9, 99));
    }

    #[test]
    fn ranges_are_ordered_and_bounded() {
        let at = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        assert!(range(None, None).is_ok());
        assert!(range(Some(&at(5)), Some(&at(5))).is_ok());
        assert!(range(Some(&at(6)), Some(&at(5))).is_err());
        assert!(range(Some(&at(i64::MAX)), None).is_err());
        assert!(instant("from", &prost_types::Timestamp { seconds: 0, nanos: -1 }).is_err());
    }
}
