//! What models say of what stands around a meter: transformers, and devices on M-Bus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::{ScalerUnit, Unit};
use models::{DlmsSwitch, Error, MBUS_DEVICE, MBus, SwitchPlace, Transformers, builtin, parse};

/// The key that is refused in a model like the SED302 with this section.
fn refused(section: &str) -> String {
    match parse("own.toml", &format!("base = \"sed302\"\nname = \"own\"\n{section}")) {
        Err(Error::Invalid { key, .. }) => key,
        other => panic!("expected a refused key, got {other:?}"),
    }
}

#[test]
fn ratios_of_transformers_are_named_by_the_models_that_have_them() {
    let models = builtin().unwrap();
    let names = |model: &str| {
        let objects = models[model].transformers.iter().flat_map(Transformers::objects);
        objects.map(|obis| obis.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("sm306"), "1.0.0.4.2.255 1.0.0.4.5.255");
    assert_eq!(names("sm307"), "1.0.0.4.2.255 1.0.0.4.5.255 1.0.0.4.3.255 1.0.0.4.6.255");
    assert_eq!(names("sed302"), "");
    assert_eq!(refused("[transformers]"), "transformers");
    let twice = r#"transformers.current = { numerator = "1.0.0.4.2.255", denominator = "1.0.0.4.2.255" }"#;
    assert_eq!(refused(twice), "transformers");
}

#[test]
fn each_channel_of_mbus_has_its_client() {
    let models = builtin().unwrap();
    let clients = models["mt371"].mbus.iter().flat_map(MBus::clients);
    let names: Vec<_> = clients.map(|(channel, client)| format!("{channel} {client}")).collect();
    assert_eq!(names, ["1 0.1.24.1.0.255", "2 0.2.24.1.0.255", "3 0.3.24.1.0.255", "4 0.4.24.1.0.255"]);
    for wrong in [0, 17] {
        assert_eq!(refused(&format!("[mbus]\nchannels = {wrong}")), "mbus.channels");
    }
    let profiles = models["mt371"].profiles.iter();
    let channels: Vec<_> = profiles.filter_map(|profile| MBus::channel(profile.obis)).collect();
    assert_eq!(channels, [1, 2, 3, 4]);
    let of = |channel| {
        let columns =
            r#"{ obis = "0.0.1.0.0.255", class_id = 8 }, { obis = "0.3.24.2.1.255", class_id = 4 }"#;
        format!(
            "[mbus]\nchannels = 2\n[[profiles]]\nname = \"x\"\nobis = \"0.{channel}.24.3.0.255\"\nperiod_s = 3600\ndepth = 9\nread_every = \"1h\"\ncolumns = [{columns}]"
        )
    };
    assert_eq!(refused(&of(3)), "profiles[0].obis");
    parse("own.toml", &format!("base = \"sed302\"\nname = \"own\"\n{}", of(2))).unwrap();
}

#[test]
fn scalers_that_a_datasheet_states_are_those_of_an_object() {
    let scalers = |list: &str| format!("scalers = [{list}]");
    let stated =
        r#"{ obis = "1.0.1.8.0.255", scaler = 3, unit = "Wh" }, { obis = "1.0.13.7.0.255", scaler = -3 }"#;
    let text = format!("base = \"sed302\"\nname = \"own\"\n{}", scalers(stated));
    let model = parse("own.toml", &text).unwrap();
    let of = |obis: &str| model.stated_scaler(obis.parse().unwrap());
    assert_eq!(of("1.0.1.8.0.255"), Some(ScalerUnit { scaler: 3, unit: Unit(30) }));
    assert_eq!(of("1.0.13.7.0.255"), Some(ScalerUnit { scaler: -3, unit: Unit::NONE }));
    assert_eq!(of("1.0.2.8.0.255"), None);
    assert_eq!(refused(&scalers(&format!("{stated}, {stated}"))), "scalers[2].obis");
    let many: Vec<String> =
        (0..129).map(|e| format!(r#"{{ obis = "1.0.1.8.{e}.255", scaler = 0 }}"#)).collect();
    assert_eq!(refused(&scalers(&many.join(", "))), "scalers");
    let other = format!("base = \"generic-dlt645\"\nname = \"own\"\n{}", scalers(stated));
    let message = parse("own.toml", &other).unwrap_err().to_string();
    assert!(message.contains("scalers: is of DLMS"), "{message}");
}

#[test]
fn mt_12_a_switch_may_be_a_data_object_with_two_numbers() {
    let switch = |at: &str| format!("without = [\"switch\"]\n[switch]\nobis = \"0.0.128.30.21.255\"\n{at}");
    let numbers = "at.dlms = { connected = 1, disconnected = 0 }";
    let text = format!("base = \"sed302\"\nname = \"own\"\n{}", switch(numbers));
    let place = parse("own.toml", &text).unwrap().switch.unwrap().at;
    assert_eq!(place, Some(SwitchPlace::Dlms(DlmsSwitch { connected: 1, disconnected: 0 })));
    let same = numbers.replace('0', "1");
    assert_eq!(refused(&switch(&same)), "switch.at.dlms.connected");
    let locked = format!("{numbers}\ntamper_lock = \"1.0.94.98.69.255\"");
    assert_eq!(refused(&switch(&locked)), "switch.tamper_lock");
}

#[test]
fn what_is_read_with_its_meter_has_nothing_of_its_own() {
    assert!(builtin().unwrap()[MBUS_DEVICE].read_with_parent);
    assert_eq!(refused("read_with_parent = true"), "profiles");
}
