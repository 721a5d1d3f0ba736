//! What a model says of a language other than DLMS, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use models::{Dlt645Profile, Language, Place, ProfilePlace, SwitchPlace, builtin, parse};

const DLT645: &str = r#"
name = "small"
manufacturer = "any"
description = "small"
subunits = 12

[language.dlt645]
edition = 2007

[switch]
settle = "16m"
at.dlt645 = {}

[[registers]]
name = "import"
obis = "1.0.1.8.0.255"
read_every = "1h"
scaler = 1
unit = "Wh"
at.dlt645 = { item = "000100NN", octets = 4 }
"#;

/// Key and message of the refusal when `from` is replaced by `to`.
fn refusal(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    let error = parse("small.toml", &text.replacen(from, to, 1)).unwrap_err().to_string();
    error.trim_start_matches("small.toml: ").to_owned()
}

#[test]
fn hb_01_the_circuits_of_a_meter_say_how_many_households_it_has() {
    let models = builtin().unwrap();
    let households = ["huabang-single", "huabang-dual", "huabang-triple", "huabang-modbus"];
    assert_eq!(households.map(|name| models[name].subunits), [39, 18, 12, 39]);
}

#[test]
fn hb_15_circuits_that_can_only_be_switched_have_nothing_that_is_set() {
    for (name, last) in [("huabang-dual", 2), ("huabang-triple", 3)] {
        let models = builtin().unwrap();
        let (first, others) = (&models[name], &models[&format!("{name}-switched")]);
        assert_eq!((first.last_circuit, others.last_circuit, others.subunits), (1, last, first.subunits));
        assert!(first.parameter("malignant-load step").is_some() && others.parameters().next().is_none());
        assert!(first.load.is_some() && others.load.is_none() && others.switch.is_some());
        assert!(first.times.as_ref().is_some_and(|times| times.most == 12) && others.times.is_none());
    }
    let circuit =
        |more: &str| DLT645.replace("subunits = 12", &format!("subunits = 12\nlast_circuit = 2{more}"));
    let own = circuit("").replace("000100NN", "00010000");
    assert!(parse("small.toml", &own).unwrap().is_only_switched());
    let refused = |text: &str| parse("small.toml", text).unwrap_err().to_string();
    assert!(refused(&circuit("")).contains("last_circuit: needs sub-units with an address of their own"));
    let set = own.replace("unit = \"Wh\"", "unit = \"Wh\"\nset = { least = \"0\", most = \"10\" }");
    assert!(refused(&set).contains("can only be switched"));
    assert!(refused(&own.replace("last_circuit = 2", "last_circuit = 10")).contains("must be 1 to 9"));
}

#[test]
fn a_register_is_found_by_its_place_in_the_language() {
    let model = parse("small.toml", DLT645).unwrap();
    assert_eq!(model.language.as_str(), "dlt645");
    assert!(model.names_subunits() && !builtin().unwrap()["huabang-single"].names_subunits());
    let Some(Place::Dlt645(place)) = &model.registers[0].at else { unreachable!("checked by parse") };
    assert_eq!((place.item.of(Some(12)).0, place.format().octets), (0x0001_000C, 4));
    let Some(SwitchPlace::Dlt645(switch)) = &model.switch.as_ref().unwrap().at else {
        unreachable!("checked by parse")
    };
    assert_eq!((switch.status.to_string().as_str(), switch.open_bit), ("04000503", 4));
    let modbus = &builtin().unwrap()["multi-user-modbus"];
    let Some(Place::Modbus(place)) = &modbus.registers[0].at else { unreachable!("checked by parse") };
    assert_eq!([None, Some(1), Some(36)].map(|household| place.first(household)), [256, 256, 256 + 35 * 32]);
}

#[test]
fn hb_03_a_language_takes_nothing_of_another_one() {
    let refused = |from, to| refusal(DLT645, from, to);
    assert!(
        refused("at.dlt645 = { item = \"000100NN\", octets = 4 }", "")
            .starts_with("registers[0].at: is expected")
    );
    assert!(
        refused("at.dlt645 = { item = \"000100NN\", octets = 4 }", "at.iec62056-21 = { set = \"1.8.0\" }")
            .starts_with("registers[0].at: is of iec62056-21, and the meter speaks dlt645")
    );
    assert!(refused("at.dlt645 = {}", "").starts_with("switch.at: is expected"));
    assert!(
        refused("[switch]", "[identity]\nserial = \"0.0.96.1.1.255\"\n[switch]")
            .starts_with("identity: is of DLMS")
    );
    let old = DLT645.replace("000100NN", "901F");
    assert!(refusal(&old, "edition = 2007", "edition = 1997").starts_with("switch.at: the edition of 1997"));
    let dlms = include_str!("../generic-dlms.toml").replace("generic-dlms", "small");
    assert!(
        refusal(
            &dlms,
            "obis = \"1.0.1.8.0.255\"\nclass_id = 3",
            "obis = \"1.0.1.8.0.255\"\nclass_id = 3\nat.modbus = { table = \"input\", register = 1 }"
        )
        .contains("is of modbus, and the meter speaks dlms")
    );
}

#[test]
fn places_that_cannot_be_are_refused_with_their_key() {
    let refused = |from, to| refusal(DLT645, from, to);
    assert!(refused("octets = 4", "octets = 9").starts_with("registers[0].at.dlt645.octets"));
    assert!(refused("000100NN", "0100").starts_with("registers[0].at.dlt645.item"));
    assert!(refused("000100NN", "00010NN0").contains("is no item"));
    assert!(refused("octets = 4", "octets = 4, step = 400").starts_with("registers[0].at.dlt645.offset"));
    assert!(
        refused("at.dlt645 = {}", "at.dlt645 = { open_bit = 16 }").starts_with("switch.at.dlt645.open_bit")
    );
    assert!(refused("edition = 2007", "edition = 2007\nwake_up = 5").starts_with("language.dlt645.wake_up"));
    assert!(refused("edition = 2007", "edition = 2008").contains("there is no edition 2008"));
    let modbus = include_str!("../multi-user-modbus.toml").replace("\"multi-user-modbus\"", "\"small\"");
    let refused = |from, to| refusal(&modbus, from, to);
    assert!(refused("register = 256", "register = 65000").starts_with("registers[0].at.modbus.register"));
    assert!(
        refused("kind = \"float\"", "kind = \"float\", order = \"acbd\"").contains("`acbd` is none of abcd")
    );
    assert!(
        refused("registers = 4, kind = \"bcd\"", "registers = 2, kind = \"float\"")
            .starts_with("language.modbus.serial.kind")
    );
    assert!(refused("closed = 1 }, state", "closed = 0 }, state").starts_with("switch.at.modbus.order.open"));
    assert!(refused("table = \"coils\"", "table = \"discrete\"").starts_with("switch.at.modbus.order.table"));
}

#[test]
fn hb_17_a_word_of_bits_is_read_and_says_what_its_bits_mean() {
    let word = r#"
[[registers]]
name = "phase"
obis = "0.0.97.98.0.255"
class_id = 1
read_every = "1h"
at.dlt645 = { item = "0400E3NN", octets = 2, bits = true }

[alarms]
bits = [{ register = "0.0.97.98.0.255", bit = 7, key = "phase.fail", severity = "critical", cleared = "phase.restored" }]
"#;
    let text = DLT645.to_owned() + word;
    let model = parse("small.toml", &text).unwrap();
    assert_eq!(model.alarms.bits[0].cleared.as_deref(), Some("phase.restored"));
    let refused = |from, to| refusal(&text, from, to);
    let key = "registers[1].at.dlt645.bits: ";
    assert!(refused("octets = 2, bits", "octets = 5, bits").starts_with(key));
    assert!(refused("octets = 2, bits", "octets = 2, signed = true, bits").starts_with(key));
    let set = "read_every = \"1h\"\nset = { least = \"0\", most = \"1\" }\nat.dlt645 = { item = \"0400";
    assert!(refused("read_every = \"1h\"\nat.dlt645 = { item = \"0400", set).starts_with("registers[1].set"));
    assert!(refused("phase.restored", "phase.found").starts_with("alarms.bits[0].cleared"));
    let unread =
        refused("bits = [{ register = \"0.0.97.98.0.255\"", "bits = [{ register = \"0.0.97.98.1.255\"");
    assert!(unread.contains("needs 0.0.97.98.1.255 among the registers"), "{unread}");
}

#[test]
fn hb_07_number_and_amount_of_a_purchase_stand_behind_each_other() {
    let modbus = include_str!("../multi-user-modbus.toml").replace("\"multi-user-modbus\"", "\"small\"");
    let credit = parse("small.toml", &modbus).unwrap().credit.unwrap();
    assert_eq!(credit.purchase.most, "99999900".parse().unwrap());
    let refused = |from, to| refusal(&modbus, from, to);
    assert!(refused("register = 274,", "register = 275,").starts_with("credit.amount: must stand behind"));
    assert!(
        refused("amount = \"0.0.128.19.13.255\"", "amount = \"0.0.128.19.14.255\"")
            .starts_with("credit: names")
    );
    assert!(refused("least = \"10\"", "least = \"999999999\"").starts_with("credit.purchase: `least` is"));
    let low = "low = \"0.0.128.19.20.255\"";
    assert!(refused(low, "low = \"0.0.128.19.29.255\"").starts_with("credit.low: must be a register"));
    let dlt645 = include_str!("../multi-user-dlt645.toml").replace("\"multi-user-dlt645\"", "\"small\"");
    let refused = |from, to| refusal(&dlt645, from, to);
    let behind = "item = \"0402E0NN\", octets = 4, offset = 4";
    for elsewhere in
        ["item = \"0402E0NN\", octets = 4, offset = 5", "item = \"0402E1NN\", octets = 4, offset = 4"]
    {
        assert!(refused(behind, elsewhere).starts_with("credit.amount"), "{elsewhere}");
    }
}

#[test]
fn hb_10_hb_11_thresholds_of_loads_are_parameters_and_the_counter_of_trips_is_none() {
    let modbus = include_str!("../multi-user-modbus.toml").replace("\"multi-user-modbus\"", "\"small\"");
    assert_eq!(parse("small.toml", &modbus).unwrap().load.unwrap().locked_after, 6);
    let refused = |from, to| refusal(&modbus, from, to);
    let step = "malignant_step = \"0.0.128.19.22.255\"";
    assert!(refused(step, "malignant_step = \"1.0.1.7.0.255\"").starts_with("load.malignant_step"));
    assert!(refused("limit = \"1.0.1.35.0.255\"", "limit = \"1.0.1.7.0.255\"").starts_with("load.limit"));
    assert!(refused("trips = \"1.0.1.36.0.255\"", "trips = \"1.0.1.35.0.255\"").starts_with("load.trips"));
    let counter = "table = \"holding\", register = 278";
    assert!(refused(counter, "table = \"input\", register = 278").starts_with("load.trips"));
    assert!(refused("locked_after = 6", "locked_after = 0").starts_with("load.locked_after"));
}

#[test]
fn hb_14_what_is_cleared_is_seen_by_registers_and_reached_by_an_address() {
    let dlt645 = include_str!("../multi-user-dlt645.toml").replace("\"multi-user-dlt645\"", "\"small\"");
    let clearing = parse("small.toml", &dlt645).unwrap().clearing.unwrap();
    assert!(clearing.admits(None) && !clearing.admits(Some(7)));
    let refused = |from, to| refusal(&dlt645, from, to);
    let subunit = refused("whole = true", "whole = true\nsubunit = true");
    assert!(subunit.starts_with("clearing.subunit: needs sub-units"), "{subunit}");
    assert!(refused("whole = true", "whole = false").starts_with("clearing: needs `whole` or"));
    let unknown = refused("counters = [\"1.0.1.8.0.255\",", "counters = [\"1.0.1.8.9.255\",");
    assert!(unknown.contains("names 1.0.1.8.9.255"), "{unknown}");
    let twice = refused("accounts = [\"0.0.128.19.10.255\"]", "accounts = [\"1.0.1.8.0.255\"]");
    assert!(twice.starts_with("clearing.accounts: `1.0.1.8.0.255` stands"), "{twice}");
    assert!(refused("whole = true", "whole = true\nsettle = \"6m\"").starts_with("clearing.settle"));
    // The older edition has no such order, nor has another language.
    let older = include_str!("../generic-dlt645-1997.toml").replace("\"generic-dlt645-1997\"", "\"small\"");
    let section = "[clearing]\nwhole = true\ncounters = [\"1.0.1.8.0.255\"]\n\n[[registers]]";
    assert!(refusal(&older, "[[registers]]", section).starts_with("clearing: is nothing"));
    let modbus = include_str!("../multi-user-modbus.toml").replace("\"multi-user-modbus\"", "\"small\"");
    assert!(refusal(&modbus, "[[registers]]", section).starts_with("clearing: is nothing"));
}

#[test]
fn joy_13_a_data_set_has_a_name_without_brackets() {
    let joy311 = include_str!("../joy311.toml").replace("\"joy311\"", "\"small\"");
    assert!(matches!(parse("small.toml", &joy311).unwrap().language, Language::Iec62056_21(_)));
    assert!(
        refusal(&joy311, "set = \"1.8.0\"", "set = \"1.8.0(\"")
            .starts_with("registers[0].at.iec62056-21.set")
    );
    assert!(
        refusal(&joy311, "serial = \"0.0.0\"", "serial = \"\"").starts_with("language.iec62056-21.serial")
    );
    assert!(
        refusal(&joy311, "[[registers]]", "[switch]\n[[registers]]")
            .contains("has no orders for a load switch")
    );
}

const RECORDS: &str = r#"
[[profiles]]
name = "load"
obis = "1.0.99.1.0.255"
period_s = 900
depth = 100
read_every = "1h"
at.dlt645.records = { item = "06040001" }
columns = [
  { obis = "0.0.1.0.0.255", class_id = 8 },
  { obis = "1.0.1.8.0.255", class_id = 3, scaler = 1, unit = "Wh", at.dlt645 = { item = "06040001", octets = 4 } },
]
"#;

#[test]
fn hb_03_a_profile_of_dlt645_says_where_its_captures_are() {
    let text = DLT645.to_owned() + RECORDS;
    let model = parse("small.toml", &text).unwrap();
    let Some(ProfilePlace::Dlt645(Dlt645Profile::Records(records))) = &model.profiles[0].at else {
        unreachable!("checked by parse")
    };
    assert_eq!([records.oldest(), records.last()].map(|item| item.0), [0x0604_0000, 0x0604_0002]);
    assert_eq!((records.class(), records.at_once), (Some(4), 8));
    let refused = |from, to| refusal(&text, from, to);
    let at = "profiles[0].at";
    let column = "profiles[0].columns[1].at";
    for (from, to, begins) in [
        ("at.dlt645.records = { item = \"06040001\" }", "", at.to_owned()),
        ("{ item = \"06040001\" }", "{ item = \"06070001\" }", format!("{column}.dlt645.item")),
        ("{ item = \"06040001\" }", "{ item = \"06040000\" }", format!("{at}.dlt645.records.item")),
        (
            "{ item = \"06040001\" }",
            "{ item = \"06040001\", at_once = 0 }",
            format!("{at}.dlt645.records.at_once"),
        ),
        ("\"06040001\", octets", "\"06050001\", octets", format!("{column}.dlt645.item")),
        ("octets = 4 } },", "octets = 4, offset = 13 } },", format!("{column}.dlt645.item")),
        ("octets = 4 } },", "octets = 4, step = 4 } },", format!("{column}.dlt645.step")),
        (", at.dlt645 = { item = \"06040001\", octets = 4 } },", " },", column.to_owned()),
        ("period_s = 900", "period_s = 30", format!("{at}.dlt645.records.item")),
        (
            "records = { item = \"06040001\" }",
            "settled = { days = [\"04000B01\"] }",
            format!("{at}.dlt645.settled"),
        ),
        (
            "records = { item = \"06040001\" }",
            "frozen = { time = \"050600NN\" }",
            format!("{at}.dlt645.frozen.time"),
        ),
    ] {
        assert!(refused(from, to).starts_with(&begins), "{}", refused(from, to));
    }
    let modbus = include_str!("../multi-user-modbus.toml").replace("\"multi-user-modbus\"", "\"small\"");
    let wrong = parse("small.toml", &(modbus + RECORDS)).unwrap_err().to_string();
    assert!(wrong.contains("profiles: is of DLMS, and the meter speaks modbus"), "{wrong}");
    let dlms = include_str!("../generic-dlms.toml").replace("generic-dlms", "small");
    let wrong = parse("small.toml", &(dlms + &RECORDS.replace("99.1.0", "99.9.0"))).unwrap_err().to_string();
    assert!(wrong.contains("meters that speak dlms say themselves"), "{wrong}");
}
