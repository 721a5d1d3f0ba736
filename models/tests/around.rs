//! What models say of what stands around a meter: transformers, and devices on M-Bus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use models::{Error, MBus, Transformers, builtin, parse};

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
}
