//! Each builtin model loads and says what its datasheet says; a wrong file is refused by file and key or line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use dlms::cosem::Form;
use dlms::hdlc::AddressSize;
use models::{
    Alarms, Error, Language, Model, NullRule, Parity, RangeDeviation, Reach, SecondInitiate, Severity,
    Source, builtin, draft, is_name, load_dir, parse, with_name,
};

const SMALL: &str = r#"
name = "small"
manufacturer = "nobody"
description = "the smallest model"
clock = "0.0.1.0.0.255"
invocation_counter = "0.0.43.1.0.255"
association = {}

[identity]
serial = "0.0.96.1.0.255"
logical_device_name = "0.0.42.0.0.255"
firmware = "1.0.0.2.0.255"

[[profiles]]
name = "energy"
obis = "1.0.99.1.0.255"
period_s = 900
depth = 10
read_every = "1h"
columns = [
  { obis = "0.0.1.0.0.255", class_id = 8 },
  { obis = "1.0.1.8.0.255", class_id = 3, unit = "Wh" },
]

[[registers]]
name = "total"
obis = "1.0.1.8.0.255"
class_id = 3
read_every = "1day"
"#;

fn refusal(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "`{from}` is not in the small model");
    parse("small.toml", &SMALL.replacen(from, to, 1)).unwrap_err().to_string()
}

fn key_of(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "`{from}` is not in the small model");
    match parse("small.toml", &SMALL.replacen(from, to, 1)).unwrap_err() {
        Error::Invalid { file, key, .. } => {
            assert_eq!(file, "small.toml");
            key
        }
        other => panic!("expected a refused key, got {other}"),
    }
}

/// The builtin models of meters that speak DLMS; what stands only in front of meters measures nothing, and what is read with its meter says nothing.
fn of_dlms() -> impl Iterator<Item = Arc<Model>> {
    let all = builtin().unwrap().into_values().filter(|model| !model.read_with_parent);
    all.filter(|model| model.language == Language::Dlms && model.concentrator.is_none())
}

#[test]
fn every_builtin_model_loads_under_its_own_name() {
    let models = builtin().unwrap();
    let names: Vec<_> = models.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ble-lls",
            "dlms-concentrator",
            "dlms-gateway",
            "gdw376-terminal",
            "generic-dlms",
            "generic-dlt645",
            "generic-dlt645-1997",
            "huabang-dual",
            "huabang-dual-switched",
            "huabang-modbus",
            "huabang-single",
            "huabang-triple",
            "huabang-triple-switched",
            "joy311",
            "mbus-device",
            "mt371",
            "multi-user-dlt645",
            "multi-user-modbus",
            "p2lpc",
            "sed102",
            "sed302",
            "sm120b2",
            "sm306",
            "sm307",
        ]
    );
}

#[test]
fn sed302_has_the_profiles_of_its_datasheet() {
    let models = builtin().unwrap();
    let sed302 = &models["sed302"];
    let shape: Vec<_> = sed302
        .profiles
        .iter()
        .map(|p| (p.name.as_str(), p.obis.to_string(), p.period_s, p.depth, p.columns.len()))
        .collect();
    assert_eq!(
        shape,
        [
            ("energy", "1.0.99.1.0.255".to_owned(), 900, 9600, 8),
            ("quality", "1.0.99.2.0.255".to_owned(), 900, 9600, 13),
            ("monthly", "0.0.98.1.0.255".to_owned(), 0, 12, 12),
            ("daily", "0.0.98.2.0.255".to_owned(), 86_400, 62, 7),
        ]
    );
    let energy: Vec<_> = sed302.profiles[0].columns.iter().map(|c| c.obis.to_string()).collect();
    assert_eq!(
        energy,
        [
            "0.0.1.0.0.255",
            "0.0.96.10.1.255",
            "1.0.1.4.0.255",
            "1.0.3.4.0.255",
            "1.0.1.29.0.255",
            "1.0.3.29.0.255",
            "1.0.1.8.0.255",
            "1.0.3.8.0.255"
        ]
    );
}

#[test]
fn generic_load_profile_has_eight_values() {
    let models = builtin().unwrap();
    let energy = models["generic-dlms"].profile("energy").unwrap();
    assert_eq!(energy.columns.len(), 2 + 8);
    assert_eq!(models["generic-dlms"].profile("yearly"), None);
}

#[test]
fn defaults_are_the_standards() {
    let model = parse("small.toml", SMALL).unwrap();
    let association = &model.association;
    assert_eq!(
        (
            association.client_sap_none,
            association.client_sap_lls,
            association.client_sap_hls,
            association.server_sap
        ),
        (16, 32, 1, 1)
    );
    assert_eq!(model.quirks.null_rule, NullRule::Repeat);
    assert_eq!(model.quirks.range_deviation, RangeDeviation::Send);
    assert_eq!(model.quirks.server_address_size, None);
    assert_eq!(model.profiles[0].columns[1].attribute, 2);
    assert_eq!(model.profiles[0].columns[1].unit.symbol(), "Wh");
    assert_eq!(model.profiles[0].read_every, Duration::from_secs(3600));
}

#[test]
fn unknown_key_is_refused_with_its_line() {
    assert_eq!(
        refusal("depth = 10", "depth = 10\ndepht = 11"),
        "small.toml, line 19: unknown field `depht`, expected one of `name`, `obis`, `period_s`, `depth`, `read_every`, `at`, `columns`"
    );
    assert!(refusal("class_id = 8", "class_id = 8, colour = 1").contains("unknown field `colour`"));
    assert!(refusal("association = {}", "association = { sap = 1 }").contains("unknown field `sap`"));
    assert!(refusal("name = \"small\"", "name = \"small\"\nvendor = 1").contains("unknown field `vendor`"));
}

#[test]
fn wrong_values_are_refused_with_their_line() {
    assert!(refusal("depth = 10\n", "").contains("missing field `depth`"));
    assert!(refusal("\"1.0.99.1.0.255\"", "\"1.0.99.1\"").starts_with("small.toml, line 16: "));
    let unit = refusal("\"Wh\"", "\"kWh\"");
    assert!(unit.contains("`kWh` is no unit of the standard"), "{unit}");
    assert!(refusal("\"1h\"", "\"hourly\"").starts_with("small.toml, line 19: "));
}

#[test]
fn an_address_has_one_two_or_four_octets() {
    let size = |octets: &str| format!("quirks = {{ server_address_size = {octets} }}\n[identity]");
    let model = parse("small.toml", &SMALL.replacen("[identity]", &size("4"), 1)).unwrap();
    assert_eq!(model.quirks.server_address_size, Some(AddressSize::Four));
    assert!(refusal("[identity]", &size("3")).contains("an address has 1, 2 or 4 octets, not 3"));
}

#[test]
fn what_no_meter_can_be_is_refused_with_its_key() {
    assert_eq!(key_of("name = \"small\"", "name = \"Small\""), "name");
    assert_eq!(key_of("name = \"small\"", "name = \"other\""), "name");
    assert_eq!(key_of("association = {}", "association = { max_pdu = 10 }"), "association.max_pdu");
    assert_eq!(
        key_of("[identity]", "quirks = { max_rows_per_read = 0 }\n[identity]"),
        "quirks.max_rows_per_read"
    );
    assert_eq!(key_of("period_s = 900", "period_s = 7000"), "profiles[0].period_s");
    assert_eq!(key_of("depth = 10", "depth = 0"), "profiles[0].depth");
    assert_eq!(key_of("\"1h\"", "\"0s\""), "profiles[0].read_every");
    assert_eq!(key_of("class_id = 8", "class_id = 3"), "profiles[0].columns[0]");
    assert_eq!(
        key_of("\"1.0.1.8.0.255\", class_id = 3", "\"0.0.1.0.0.255\", class_id = 8"),
        "profiles[0].columns[1].obis"
    );
    assert_eq!(key_of("class_id = 3\nread", "class_id = 7\nread"), "registers[0].class_id");
}

#[test]
fn a_bit_of_the_status_word_has_one_meaning() {
    let with =
        |bits: &str| key_of("[identity]", &format!("validation = {{ status = [{bits}] }}\n[identity]"));
    assert_eq!(with("{ bit = 32, means = \"power_down\" }"), "validation.status");
    let one = "{ bit = 2, means = \"data_not_valid\" }";
    assert_eq!(with(&format!("{one}, {one}")), "validation.status");
    let unknown =
        refusal("[identity]", "validation = { status = [{ bit = 1, means = \"fine\" }] }\n[identity]");
    assert!(unknown.contains("unknown variant `fine`"), "{unknown}");
}

#[test]
fn firmware_is_a_capability_of_its_own() {
    assert_eq!(parse("small.toml", SMALL).unwrap().firmware, None);
    let with = |section: &str| format!("{SMALL}\n[firmware]\nimage_transfer = \"0.0.44.0.0.255\"\n{section}");
    let firmware = parse("small.toml", &with("")).unwrap().firmware.unwrap();
    assert_eq!(
        (firmware.activation_schedule, firmware.max_block_size, firmware.second_initiate),
        (None, 2048, SecondInitiate::DiscardsBlocks)
    );
    assert_eq!(firmware.verify_within, Duration::from_secs(600));
    let key = |section: &str| match parse("small.toml", &with(section)).unwrap_err() {
        Error::Invalid { key, .. } => key,
        other => panic!("expected a refused key, got {other}"),
    };
    assert_eq!(key("max_block_size = 15"), "firmware.max_block_size");
    assert_eq!(key("max_block_size = 65537"), "firmware.max_block_size");
    assert_eq!(key("verify_within = \"0s\""), "firmware.verify_within");
    assert_eq!(key("activate_within = \"7h\""), "firmware.activate_within");
    let unknown = parse("small.toml", &with("second_initiate = \"explodes\"")).unwrap_err().to_string();
    assert!(unknown.contains("unknown variant `explodes`"), "{unknown}");
    let models = builtin().unwrap();
    assert!(models["sed302"].firmware.as_ref().unwrap().activation_schedule.is_some());
    assert!(models["generic-dlms"].firmware.as_ref().unwrap().activation_schedule.is_none());
}

#[test]
fn a_tariff_is_a_capability_of_its_own() {
    assert_eq!(parse("small.toml", SMALL).unwrap().tariff, None);
    let with = |from: &str, to: &str| {
        let section = "[tariff]\ncalendar = \"0.0.13.0.0.255\"\nscript_table = \"0.0.10.0.100.255\"\nrates = 4\n\
                       seasons = 4\nweeks = 4\nday_types = 4\nswitches_per_day = 8\nname_octets = 8\n";
        assert!(section.contains(from), "`{from}` is not in the section");
        parse("small.toml", &format!("{SMALL}\n{}", section.replacen(from, to, 1)))
    };
    let tariff = with("", "").unwrap().tariff.unwrap();
    assert_eq!((tariff.special_days_table, tariff.special_days, tariff.dates), (None, 0, Form::Octets));
    let typed = with("name_octets", "dates = \"typed\"\nname_octets").unwrap().tariff.unwrap();
    assert_eq!(typed.dates, Form::Typed);
    let key = |from: &str, to: &str| match with(from, to).unwrap_err() {
        Error::Invalid { key, .. } => key,
        other => panic!("expected a refused key, got {other}"),
    };
    assert_eq!(key("rates = 4", "rates = 0"), "tariff.rates");
    assert_eq!(key("day_types = 4", "day_types = 256"), "tariff.day_types");
    assert_eq!(key("name_octets = 8", "name_octets = 65"), "tariff.name_octets");
    assert_eq!(key("rates = 4", "special_days = 10\nrates = 4"), "tariff.special_days");
    let table = "special_days_table = \"0.0.11.0.0.255\"\nrates = 4";
    assert_eq!(key("rates = 4", table), "tariff.special_days");
}

#[test]
fn calendars_are_as_large_as_the_datasheets_say() {
    let models = builtin().unwrap();
    let sizes = |name: &str| {
        let tariff = models[name].tariff.as_ref()?;
        Some((tariff.rates, tariff.seasons, tariff.weeks, tariff.switches_per_day, tariff.special_days))
    };
    for name in ["sm306", "sm307", "sm120b2"] {
        assert_eq!(sizes(name), Some((4, 12, 12, 16, 100)), "{name}");
    }
    assert_eq!(
        sizes("mt371").map(|(rates, seasons, weeks, switches, _)| (rates, seasons, weeks, switches)),
        Some((4, 4, 4, 8))
    );
    assert_eq!(sizes("ble-lls"), None);
}

/// The sizes of the datasheets are kept by the registers, too: 32 for energies and demands of the rates of an SM306.
#[test]
fn each_rate_of_a_datasheet_has_its_registers() {
    let models = builtin().unwrap();
    for (name, quantities, energies_and_demands) in [
        ("sm306", 1..=4, &[8, 6][..]),
        ("sm307", 1..=4, &[8, 6]),
        ("sm120b2", 1..=2, &[8]),
        ("mt371", 1..=2, &[8]),
    ] {
        let registers: Vec<_> = models[name]
            .registers
            .iter()
            .map(|register| register.obis.octets())
            .filter(|obis| obis[4] > 0 && obis[3] < 29 && obis[3] != 7)
            .collect();
        let mut expected = Vec::new();
        for d in energies_and_demands {
            for c in quantities.clone() {
                expected.extend((1..=4).map(|rate| [1, 0, c, *d, rate, 255]));
            }
        }
        assert_eq!(
            registers.iter().collect::<std::collections::BTreeSet<_>>(),
            expected.iter().collect(),
            "{name}"
        );
        assert_eq!(registers.len(), expected.len(), "{name}");
    }
}

#[test]
fn a_model_is_like_its_base_but_for_what_it_says() {
    let models = builtin().unwrap();
    let (sm306, sm307) = (&models["sm306"], &models["sm307"]);
    assert_eq!(
        (&sm307.profiles, &sm307.registers, &sm307.tariff),
        (&sm306.profiles, &sm306.registers, &sm306.tariff)
    );
    assert_ne!(sm307.description, sm306.description);
    let has_switch: Vec<_> =
        of_dlms().filter(|model| model.switch.is_some()).map(|model| model.name.clone()).collect();
    assert_eq!(has_switch, ["generic-dlms", "sed102", "sed302", "sm120b2"]);
    let lock = |name: &str| models[name].switch.as_ref().unwrap().tamper_lock;
    assert_eq!((lock("sed102"), lock("generic-dlms")), (lock("sed302"), None));
    let own_events: Vec<_> = of_dlms()
        .filter(|model| model.alarms.events != models["generic-dlms"].alarms.events)
        .map(|model| model.name.clone())
        .collect();
    assert_eq!(own_events, ["mt371"]);
}

#[test]
fn a_base_may_be_a_builtin_or_one_of_the_folder() {
    let folder = std::env::temp_dir().join(format!("models-{}-base", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ours.toml"), "base = \"sm306\"\nname = \"ours\"\ndescription = \"ours\"").unwrap();
    fs::write(folder.join("theirs.toml"), "base = \"ours\"\nname = \"theirs\"\nmanufacturer = \"them\"")
        .unwrap();
    let models = load_dir(&folder).unwrap();
    assert_eq!(models["theirs"].manufacturer, "them");
    assert_eq!(models["theirs"].description, "ours");
    fs::write(folder.join("theirs.toml"), "base = \"ours\"\nname = \"theirs\"\nclok = 1").unwrap();
    let error = load_dir(&folder).unwrap_err().to_string();
    fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("theirs.toml") && error.contains("unknown field `clok`"), "{error}");
}

/// A profile holds no more than the meter has room for: 3456 records of one value with time and status.
#[test]
fn mt371_overwrites_sixteen_values_after_two_days_and_a_quarter() {
    let models = builtin().unwrap();
    let profile = models["mt371"].profile("energy").unwrap();
    let values = profile.columns.len() as u32 - 2;
    assert_eq!((values, profile.depth), (16, 3456 / 16));
    assert_eq!(profile.depth * profile.period_s, 2 * 86_400 + 86_400 / 4);
    assert!(profile.read_every < Duration::from_secs(86_400));
}

#[test]
fn a_concentrator_measures_nothing_and_says_how_its_nodes_are_reached() {
    let text = include_str!("../gdw376-terminal.toml");
    let with = |concentrator: &str| {
        let (head, _) = text.split_once("[concentrator]").unwrap();
        parse("gdw376-terminal.toml", &format!("{head}[concentrator]\n{concentrator}"))
    };
    let concentrator = with("reach = { by = \"forward\", port = 31 }").unwrap().concentrator.unwrap();
    let Reach::Forward { baud, parity, authentication, .. } = concentrator.reach else { panic!("{text}") };
    assert_eq!((baud, parity, authentication), (2400, Parity::Even, false));
    assert_eq!((concentrator.node_list, concentrator.answer_within), (None, Duration::from_secs(45)));
    let key = |concentrator: &str| match with(concentrator) {
        Err(Error::Invalid { key, .. }) => key,
        other => panic!("expected a refused key, got {other:?}"),
    };
    assert_eq!(key("reach = { by = \"forward\", port = 32 }"), "concentrator.reach.port");
    assert_eq!(key("reach = { by = \"forward\", port = 1, baud = 9601 }"), "concentrator.reach.baud");
    assert_eq!(key("reach = { by = \"gateway\" }"), "concentrator.reach.by");
    let upgrades = "reach = { by = \"forward\", port = 1 }\nupgrades = true";
    assert_eq!(key(upgrades), "concentrator.upgrades");
    let slow = "reach = { by = \"forward\", port = 1 }\nanswer_within = \"11m\"";
    assert_eq!(key(slow), "concentrator.answer_within");
    assert!(with("reach = { by = \"radio\" }").unwrap_err().to_string().contains("unknown variant `radio`"));
    let (head, _) = include_str!("../p2lpc.toml").split_once("[concentrator]").unwrap();
    assert!(matches!(parse("p2lpc.toml", head), Err(Error::Invalid { key, .. }) if key == "profiles"));
}

#[test]
fn a_name_stands_once() {
    let profile = SMALL[SMALL.find("[[profiles]]").unwrap()..SMALL.find("[[registers]]").unwrap()].to_owned();
    let twice = profile.replace("\"energy\"", "\"again\"") + "[[registers]]";
    assert_eq!(key_of("[[registers]]", &twice), "profiles[1].obis");
    let twice = profile.replace(".99.1.", ".99.2.") + "[[registers]]";
    assert_eq!(key_of("[[registers]]", &twice), "profiles[1].name");
    assert_eq!(key_of("obis = \"1.0.1.8.0.255\"\n", "obis = \"1.0.99.1.0.255\"\n"), "registers[0].obis");
}

#[test]
fn sixteen_values_fit_and_one_more_does_not() {
    let values = |count: u8| -> String {
        (1..=count).map(|e| format!("  {{ obis = \"1.0.1.8.{e}.255\", class_id = 3 }},\n")).collect()
    };
    let line = "  { obis = \"1.0.1.8.0.255\", class_id = 3, unit = \"Wh\" },\n";
    assert!(parse("small.toml", &SMALL.replace(line, &values(16))).is_ok());
    assert_eq!(key_of(line, &values(17)), "profiles[0].columns");
}

#[test]
fn a_folder_is_read_by_name_and_its_errors_name_the_file() {
    let folder = std::env::temp_dir().join(format!("models-test-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("small.toml"), SMALL).unwrap();
    fs::write(folder.join("notes.txt"), "not a model").unwrap();
    let models = load_dir(&folder).unwrap();
    assert_eq!(models.keys().collect::<Vec<_>>(), ["small"]);
    fs::write(folder.join("zz.toml"), "name = 1").unwrap();
    let error = load_dir(&folder).unwrap_err().to_string();
    fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("zz.toml, line 1"), "{error}");
    assert!(matches!(load_dir(&folder), Err(Error::Unreadable { .. })));
}

#[test]
fn the_two_last_gasps_are_told_apart_by_every_builtin_model() {
    let obis = |text: &str| text.parse().unwrap();
    for model in of_dlms() {
        let meaning = |source| {
            let meaning = model.alarms.meaning(source).unwrap();
            (meaning.key, meaning.severity)
        };
        for register in ["0.0.97.98.2.255", "0.3.25.9.0.255"].map(obis) {
            let bit = |bit| meaning(Source::Bit { register, bit });
            assert_eq!(bit(0), ("power.last_gasp", Severity::Critical), "{}", model.name);
            assert_eq!(bit(1), ("power.last_gasp_test", Severity::Info), "{}", model.name);
        }
        let log = obis("0.0.99.98.0.255");
        if model.log(log).is_some() {
            let event = |code| meaning(Source::Event { log, code });
            assert_eq!(event(99), ("power.last_gasp", Severity::Critical), "{}", model.name);
            assert_eq!(event(25), ("power.last_gasp_test", Severity::Info), "{}", model.name);
        }
        assert_eq!(model.alarms.meaning(Source::Object(obis("1.0.1.8.0.255"))), None);
        assert!(model.alarms.source("power.last_gasp").is_some());
    }
}

#[test]
fn one_number_means_different_things_in_different_logs() {
    let generic = &builtin().unwrap()["generic-dlms"];
    let key = |log: &str, code| {
        let meaning = generic.alarms.meaning(Source::Event { log: log.parse().unwrap(), code })?;
        Some((meaning.key, meaning.phase))
    };
    assert_eq!(key("0.0.99.98.0.255", 49), Some(("security.decrypt", None)));
    assert_eq!(key("0.0.99.98.1.255", 49), Some(("tamper.module_cover_open", None)));
    assert_eq!(key("0.0.99.98.4.255", 83), Some(("phase.fail", Some(2))));
    assert_eq!(key("0.0.99.98.4.255", 99), None);
}

#[test]
fn a_meaning_that_no_alarm_can_have_is_refused_with_its_key() {
    let with = |section: &str| format!("{SMALL}\n[alarms]\n{section}");
    let event = |text: &str| with(&format!("events = [{{ log = \"0.0.99.98.0.255\", code = 1, {text} }}]"));
    assert!(parse("small.toml", &event("key = \"vendor.door\", severity = \"info\"")).is_ok());
    let key = |text: &str| match parse("small.toml", text).unwrap_err() {
        Error::Invalid { key, .. } => key,
        other => panic!("expected a refused key, got {other}"),
    };
    assert_eq!(key(&event("key = \"power.donw\", severity = \"info\"")), "alarms.events[0].key");
    assert_eq!(key(&event("key = \"vendor.\", severity = \"info\"")), "alarms.events[0].key");
    assert_eq!(
        key(&event("key = \"power.last_gasp_test\", severity = \"warning\"")),
        "alarms.events[0].severity"
    );
    assert_eq!(key(&event("key = \"phase.fail\", severity = \"info\", phase = 4")), "alarms.events[0].phase");
    let bit = "{ register = \"0.0.97.98.0.255\", bit = 1, key = \"power.up\", severity = \"info\" }";
    assert_eq!(key(&with(&format!("bits = [{bit}, {bit}]"))), "alarms.bits[1].bit");
    assert_eq!(key(&with(&format!("bits = [{}]", bit.replace("bit = 1", "bit = 64")))), "alarms.bits[0].bit");
    let object = "{ object = \"0.0.96.1.1.255\", key = \"comm.online\", severity = \"info\" }";
    assert_eq!(key(&with(&format!("objects = [{object}, {object}]"))), "alarms.objects[1].object");
    assert!(
        parse("small.toml", &event("key = \"power.up\", severity = \"grave\""))
            .unwrap_err()
            .to_string()
            .contains("unknown variant `grave`")
    );
}

#[test]
fn a_draft_is_a_model_again() {
    for model in of_dlms() {
        let (name, mut model) = (model.name.clone(), (*model).clone());
        model.quirks.server_address_size = Some(AddressSize::Four);
        let notes = ["What is open.\n[profiles] is no section here".to_owned()];
        let draft = draft(&model, &notes).unwrap();
        let again = parse(&format!("{name}.toml"), &with_name(&name, &draft)).unwrap();
        // What events mean, and what may be set, is not told by a meter, so it is in no draft.
        model.registers.iter_mut().for_each(|register| register.set = None);
        assert_eq!(again, Model { alarms: Alarms::default(), ..model }, "{draft}");
        assert!(draft.starts_with("# What is open.\n# [profiles] is no section here\nmanufacturer = "));
        assert!(draft.contains("obis = \"1.0.99.1.0.255\" # load profile 1\n"), "{draft}");
    }
}

#[test]
fn what_would_be_no_model_makes_no_draft() {
    let model = Model { profiles: Vec::new(), ..(*builtin().unwrap()["generic-dlms"]).clone() };
    let error = draft(&model, &[]).unwrap_err().to_string();
    assert!(error.starts_with("draft.toml: profiles: has 0 entries"), "{error}");
    assert!(is_name("mx-1") && !is_name("") && !is_name("MX") && !is_name(&"m".repeat(33)));
}

/// SEN-18 and the datasheets of the Sensemi family: "total and per-phase"; what the SED102 has is that of the SED302 but for two phases.
#[test]
fn the_sensemi_models_name_what_their_datasheets_do() {
    let models = builtin().unwrap();
    let names =
        |model: &str| -> Vec<_> { models[model].registers.iter().map(|it| it.obis.to_string()).collect() };
    for model in ["sm306", "sm307"] {
        for quantity in [1, 3, 13] {
            for part in [quantity, quantity + 20, quantity + 40, quantity + 60] {
                assert!(names(model).contains(&format!("1.0.{part}.7.0.255")), "{model} {part}");
            }
        }
    }
    let columns = |model: &str, profile: &str| models[model].profile(profile).unwrap().columns.clone();
    for profile in ["energy", "monthly", "daily"] {
        assert_eq!(columns("sed102", profile), columns("sed302", profile), "{profile}");
    }
    let of_other_phases =
        ["1.0.52.7.0.255", "1.0.72.7.0.255", "1.0.51.7.0.255", "1.0.71.7.0.255", "1.0.12.35.0.255"];
    let rest = names("sed302").into_iter().filter(|obis| !of_other_phases.contains(&obis.as_str()));
    assert_eq!(names("sed102"), rest.collect::<Vec<_>>());
}

/// Datasheet of the JOY311: eight digits; the two more are the index of what is shown.
#[test]
fn joy_12_a_counter_begins_anew_behind_eight_digits() {
    assert_eq!(builtin().unwrap()["joy311"].validation.counter_modulus, 100_000_000);
}

/// MT-05: 16 values every quarter of an hour are there for two days and a quarter, whatever somebody says of how often they are to be read.
#[test]
fn mt_05_captures_are_read_twice_before_a_meter_overwrites_them() {
    let mut energy = models::builtin().unwrap()["mt371"].profiles[0].clone();
    assert_eq!(energy.columns.len(), 18, "clock, status and 16 values");
    assert_eq!(energy.read_within(energy.period_s, energy.depth), energy.read_every, "often enough");
    energy.read_every = Duration::from_secs(7 * 86_400);
    assert_eq!(energy.read_within(energy.period_s, energy.depth), Duration::from_secs(27 * 3600));
    // What is captured more often is overwritten sooner.
    energy.period_s = 60;
    assert_eq!(energy.read_within(energy.period_s, energy.depth), Duration::from_secs(108 * 60));
    energy.period_s = 0;
    assert_eq!(
        energy.read_within(energy.period_s, energy.depth),
        energy.read_every,
        "nobody knows for how long"
    );
}

/// Lists are taken whole, so that a profile of a model with a base has to say everything; which one does not is told.
#[test]
fn a_profile_that_lacks_something_is_named_where_there_is_a_base() {
    let text =
        "base = 'generic-dlms'\nname = 'fast'\n[[profiles]]\nobis = '1.0.99.1.0.255'\nread_every = '1m'";
    let message = parse("fast.toml", text).unwrap_err().to_string();
    for part in ["fast.toml", "missing field", "[[profiles]]; obis = \"1.0.99.1.0.255\""] {
        assert!(message.contains(part), "{message}");
    }
}
