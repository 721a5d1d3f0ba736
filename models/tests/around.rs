//! What models say of what stands around a meter: transformers, and devices on M-Bus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use models::{Error, MBUS_DEVICE, MBus, Transformers, builtin, parse};

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
fn what_is_read_with_its_meter_has_nothing_of_its_own() {
    assert!(builtin().unwrap()[MBUS_DEVICE].read_with_parent);
    assert_eq!(refused("read_with_parent = true"), "profiles");
}
