//! What codes mean, held against the lists of the companion specifications; and the codes of other systems.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use models::{CimCodes, Error, KEYS, Language, Model, Severity, Source, builtin, load_dir};
use proptest::prelude::*;

static MODELS: LazyLock<BTreeMap<String, Arc<Model>>> = LazyLock::new(|| builtin().unwrap());

/// Logs of IDIS: the last part of the log, first and last code, key, and whether codes that follow each other are phases 1 to 3.
const IDIS: &[(u8, u32, u32, &str, bool)] = &[
    (0, 1, 1, "power.down", false),
    (0, 2, 2, "power.up", false),
    (0, 3, 3, "clock.dst", false),
    (0, 4, 5, "clock.adjusted", false),
    (0, 6, 6, "clock.invalid", false),
    (0, 7, 7, "battery.replace", false),
    (0, 8, 8, "battery.low", false),
    (0, 9, 9, "tariff.activated", false),
    (0, 12, 12, "memory.program", false),
    (0, 13, 13, "memory.ram", false),
    (0, 14, 14, "memory.nv", false),
    (0, 15, 15, "watchdog", false),
    (0, 16, 16, "measurement.error", false),
    (0, 17, 17, "fw.ready", false),
    (0, 18, 18, "fw.activated", false),
    (0, 19, 19, "tariff.programmed", false),
    (0, 21, 21, "billing.end", false),
    (0, 25, 25, "power.last_gasp_test", false),
    (0, 47, 47, "config.changed", false),
    (0, 48, 48, "security.key_changed", false),
    (0, 49, 49, "security.decrypt", false),
    (0, 50, 50, "security.replay", false),
    (0, 51, 51, "fw.verify_failed", false),
    (0, 52, 52, "consumption.unexpected", false),
    (0, 88, 88, "phase.sequence", false),
    (0, 89, 89, "neutral.missing", false),
    (0, 99, 99, "power.last_gasp", false),
    (0, 255, 255, "log.cleared", false),
    (1, 40, 40, "tamper.terminal_cover_open", false),
    (1, 41, 41, "tamper.terminal_cover_closed", false),
    (1, 42, 42, "tamper.magnet_on", false),
    (1, 43, 43, "tamper.magnet_off", false),
    (1, 44, 44, "tamper.meter_cover_open", false),
    (1, 45, 45, "tamper.meter_cover_closed", false),
    (1, 46, 46, "security.auth_fail", false),
    (1, 91, 91, "current.reverse", false),
    (1, 255, 255, "log.cleared", false),
    (2, 59, 59, "relay.ready_for_reconnect", false),
    (2, 60, 60, "relay.disconnected_manual", false),
    (2, 61, 61, "relay.connected_manual", false),
    (2, 62, 62, "relay.disconnected_remote", false),
    (2, 63, 63, "relay.connected_remote", false),
    (2, 64, 64, "relay.disconnected_local", false),
    (2, 65, 65, "limiter.exceeded", false),
    (2, 66, 66, "limiter.ok", false),
    (2, 67, 67, "limiter.changed", false),
    (2, 68, 68, "relay.failed", false),
    (2, 69, 69, "relay.connected_local", false),
    (2, 95, 95, "relay.disconnected_calendar", false),
    (2, 96, 96, "relay.connected_calendar", false),
    (2, 255, 255, "log.cleared", false),
    (3, 100, 100, "mbus.comm_error", false),
    (3, 101, 101, "mbus.comm_ok", false),
    (3, 103, 103, "mbus.fraud", false),
    (3, 113, 113, "mbus.fraud", false),
    (3, 123, 123, "mbus.fraud", false),
    (3, 133, 133, "mbus.fraud", false),
    (3, 105, 105, "mbus.new", false),
    (3, 164, 164, "mbus.valve", false),
    (3, 174, 174, "mbus.valve", false),
    (3, 184, 184, "mbus.valve", false),
    (3, 194, 194, "mbus.valve", false),
    (4, 76, 78, "voltage.under", true),
    (4, 79, 81, "voltage.over", true),
    (4, 82, 84, "phase.fail", true),
    (4, 85, 87, "voltage.normal", true),
    (4, 90, 90, "voltage.unbalance", false),
    (4, 92, 94, "voltage.bad", true),
    (5, 142, 143, "comm.sim", false),
    (5, 146, 148, "comm.pdp", false),
    (5, 149, 157, "comm.modem", false),
    (5, 158, 158, "security.unauthorised_comm", false),
];

/// Status words of the family of the MT371, and the events that each stands for: key and phase.
const ISKRA: &[(u32, &[(&str, u8)])] = &[
    (0x0002, &[("clock.invalid", 0)]),
    (0x0008, &[("clock.dst", 0)]),
    (0x0010, &[("billing.end", 0)]),
    (0x0020, &[("clock.adjusted", 0)]),
    (0x00C0, &[("power.up", 0), ("power.down", 0)]),
    (0x0100, &[("config.changed", 0)]),
    (0x0600, &[("measurement.error", 0), ("measurement.error", 0)]),
    (0x0800, &[("relay.disconnected_remote", 0)]),
    (0x1000, &[("relay.connected_remote", 0)]),
    (0x6000, &[("log.cleared", 0), ("log.cleared", 0)]),
    (0x8001, &[("phase.fail", 1)]),
    (0x8002, &[("phase.fail", 2)]),
    (0x8003, &[("phase.fail", 3)]),
    (0x8004, &[("phase.restored", 1)]),
    (0x8006, &[("phase.restored", 3)]),
    (0x8010, &[("tamper.meter_cover_open", 0)]),
    (32_785, &[("tamper.terminal_cover_open", 0)]),
];

/// Keys and codes that are seen in the field.
const CIM: &[(&str, &str)] = &[
    ("power.down", "3.26.0.47"),
    ("power.up", "3.26.0.216"),
    ("power.last_gasp", "3.26.136.47"),
    ("voltage.under", "3.26.38.150"),
    ("voltage.over", "3.26.38.93"),
    ("voltage.sag", "3.21.38.223"),
    ("voltage.swell", "3.21.38.248"),
    ("energy.reverse", "3.12.48.219"),
    ("tamper.bypass", "3.12.0.257"),
    ("security.auth_fail", "3.12.136.38"),
    ("security.decrypt", "3.12.136.85"),
    ("relay.failed", "3.31.1.143"),
    ("billing.end", "3.8.0.215"),
    ("clock.invalid", "3.36.0.79"),
    ("battery.low", "3.2.22.150"),
    ("memory.ram", "3.18.85.79"),
    ("memory.program", "3.18.92.79"),
    ("memory.nv", "3.18.72.79"),
    ("measurement.error", "3.21.67.79"),
    ("temperature.high", "3.35.0.40"),
];

#[test]
fn x_06_codes_of_the_idis_logs_have_their_keys_and_phases() {
    let models = builtin().unwrap();
    for model in ["generic-dlms", "sed302", "sed102", "sm306", "sm120b2"].map(|name| &models[name]) {
        for &(part, first, last, key, phases) in IDIS {
            let log = format!("0.0.99.98.{part}.255").parse().unwrap();
            assert!(model.log(log).is_some(), "{} reads {log}", model.name);
            for code in first..=last {
                let meaning = model.alarms.meaning(Source::Event { log, code }).unwrap();
                let phase = phases.then(|| u8::try_from(code - first + 1).unwrap());
                assert_eq!((meaning.key, meaning.phase), (key, phase), "{} {log} {code}", model.name);
            }
        }
    }
}

#[test]
fn ble_08_alarm_registers_mean_the_same_for_every_model_of_dlms() {
    let asked = |model: &&Arc<Model>| {
        model.language == Language::Dlms && !model.read_with_parent && model.concentrator.is_none()
    };
    for model in MODELS.values().filter(asked) {
        for (register, bit, expected) in [
            (0, 13, Some(("tamper.detected", None))),
            (0, 30, Some(("phase.fail", Some(3)))),
            (0, 31, Some(("alarm.test", None))),
            (1, 0, Some(("power.down", None))),
            (1, 7, Some(("voltage.normal", Some(3)))),
            (1, 16, Some(("voltage.bad", Some(3)))),
            (1, 26, Some(("mbus.valve", None))),
            (1, 27, None),
        ] {
            let source = Source::Bit { register: dlms::Obis::new([0, 0, 97, 98, register, 255]), bit };
            let meaning = model.alarms.meaning(source).map(|meaning| (meaning.key, meaning.phase));
            assert_eq!(meaning, expected, "{} {register} {bit}", model.name);
        }
    }
    // Both are read, and what was handled can be cleared.
    let model = &MODELS["ble-lls"];
    let cleared: Vec<_> = model.parameters().map(|(register, _)| register.obis.to_string()).collect();
    assert_eq!(cleared, ["0.0.97.98.0.255", "0.0.97.98.1.255"]);
}

#[test]
fn mt_06_bits_and_numbers_of_a_status_word_have_their_keys_and_phases() {
    let models = builtin().unwrap();
    let model = &models["mt371"];
    let log = &model.logs[0];
    assert_eq!((log.obis.to_string().as_str(), log.depth), ("1.0.99.98.0.255", 64));
    for &(word, expected) in ISKRA {
        let events = log.codes(word).into_iter().map(|code| {
            let meaning = model.alarms.meaning(Source::Event { log: log.obis, code }).unwrap();
            (meaning.key, meaning.phase.unwrap_or(0))
        });
        assert_eq!(events.collect::<Vec<_>>(), expected, "{word:#06x}");
    }
}

#[test]
fn mt_09_mt_16_outages_and_valves_of_the_mt371_have_their_keys() {
    let alarms = &MODELS["mt371"].alarms;
    let key = |log: &str, code| {
        let log = MODELS["mt371"].log(log.parse().unwrap()).unwrap();
        let [code] = log.codes(code)[..] else { panic!("one code") };
        alarms.meaning(Source::Event { log: log.obis, code }).map(|meaning| (meaning.key, meaning.severity))
    };
    assert_eq!(key("1.0.99.97.0.255", 179), Some(("outage.short", Severity::Info)));
    assert_eq!(key("1.0.99.97.0.255", 180), Some(("outage.long", Severity::Warning)));
    assert_eq!(key("0.1.24.5.0.255", 162), Some(("mbus.valve", Severity::Info)));
    assert_eq!(key("0.4.24.5.0.255", 194), Some(("mbus.valve", Severity::Warning)));
    assert_eq!(key("0.4.24.5.0.255", 164), None, "that is channel 1");
}

#[test]
fn every_log_of_every_model_has_codes_and_every_code_a_log_that_is_read() {
    for model in builtin().unwrap().values().filter(|model| model.concentrator.is_none()) {
        let read: BTreeSet<_> = model.logs.iter().map(|log| log.obis).collect();
        let coded: BTreeSet<_> = model.alarms.events.iter().map(|event| event.log).collect();
        assert_eq!(read, coded, "{}", model.name);
    }
}

#[test]
fn keys_have_the_cim_codes_that_are_seen_in_the_field() {
    let codes = CimCodes::builtin().unwrap();
    for &(key, code) in CIM {
        assert_eq!(codes.code(key), Some(code), "{key}");
    }
    // Nobody agrees on these.
    for key in
        ["phase.fail", "tamper.meter_cover_open", "relay.disconnected_remote", "log.cleared", "mode.prepaid"]
    {
        assert_eq!(codes.code(key), None, "{key}");
    }
    assert!(codes.iter().all(|(key, _)| KEYS.contains(&key)));
}

#[test]
fn a_file_of_the_operator_goes_before_the_codes_of_the_program() {
    let folder = std::env::temp_dir().join(format!("cim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("own.toml");
    std::fs::write(
        &file,
        "[codes]\n\"power.down\" = \"3.2.0.85\"\n\"power.up\" = \"\"\n\"vendor.fuse\" = \"3.26.0.1\"\n",
    )
    .unwrap();
    let codes = CimCodes::load(&file).unwrap();
    let found = ["power.down", "power.up", "vendor.fuse", "power.last_gasp"].map(|key| codes.code(key));
    assert_eq!(found, [Some("3.2.0.85"), None, Some("3.26.0.1"), Some("3.26.136.47")]);
    assert!(matches!(CimCodes::load(folder.join("none.toml")), Err(Error::Unreadable { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_log_that_no_meter_can_have_is_refused_by_key() {
    let folder = std::env::temp_dir().join(format!("logs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = "[[logs]]\nname = \"own\"\nobis = \"0.0.99.98.0.255\"\ndepth = 64\nread_every = \"6h\"\n";
    for (from, to, part) in [
        ("depth = 64", "depth = 0", "logs[0].depth: is 0"),
        ("\"6h\"", "\"6s\"", "logs[0].read_every"),
        ("0.0.99.98.0.255", "1.0.99.1.0.255", "logs[0].obis: `1.0.99.1.0.255` stands there twice"),
        ("\"own\"", "\"energy\"", "logs[0].name: `energy` stands there twice"),
        ("depth", "status_word = { number = 1, bits = 2 }\ndepth", "unknown field `bits`"),
        ("depth", "outages = { long = \"0s\" }\ndepth", "logs[0].outages.long: must be at least 1 s"),
        ("depth", "outages = { long = \"3m\" }\nstatus_word = {}\ndepth", "logs[0].outages: stands beside"),
    ] {
        let text = format!("base = \"generic-dlms\"\nname = \"own\"\n{}", log.replacen(from, to, 1));
        std::fs::write(folder.join("own.toml"), text).unwrap();
        let message = load_dir(&folder).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

proptest! {
    #[test]
    fn x_06_what_no_table_has_means_nothing_and_nothing_is_lost(word in any::<u32>(), log in any::<[u8; 6]>()) {
        for model in MODELS.values() {
            for known in &model.logs {
                let codes = known.codes(word);
                prop_assert!(!codes.is_empty());
                if known.outages.is_none() {
                    prop_assert_eq!(codes.iter().fold(0, |all, code| all | code), word);
                }
                for code in codes {
                    let listed = model.alarms.events.iter().any(|event| event.log == known.obis && event.code == code);
                    let meaning = model.alarms.meaning(Source::Event { log: known.obis, code });
                    prop_assert_eq!(meaning.is_some(), listed);
                }
            }
            let log = dlms::Obis::new(log);
            if model.log(log).is_none() {
                prop_assert_eq!(model.alarms.meaning(Source::Event { log, code: word }), None);
            }
        }
    }
}

#[test]
fn severities_tell_what_is_urgent() {
    let models = builtin().unwrap();
    let severity = |code| {
        let log = "0.0.99.98.1.255".parse().unwrap();
        models["generic-dlms"].alarms.meaning(Source::Event { log, code }).unwrap().severity
    };
    assert_eq!([40, 41, 46].map(severity), [Severity::Critical, Severity::Info, Severity::Warning]);
}
