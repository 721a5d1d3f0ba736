//! A meter that no model describes becomes a draft of one, and the draft reads what the meter holds.

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::read_now_response::Outcome;
use ami_proto::v1::{CreateMeterRequest, ModelTarget};
use dlms::Obis;
use models::{DeviationSign, Model, RangeDeviation};

use crate::head::{Head, gmac};
use crate::meter::Meter;

const NAME: &str = "found-1";

/// The draft of a meter, as a file and as the model that it is.
async fn draft(meter: &Meter, security: &str, zone: &str) -> (String, Model) {
    let head = Head::start().await;
    head.register(meter, security, zone).await;
    let target = Target::Model(ModelTarget { name: NAME.into() });
    let answer = head.read(&meter.text("serial"), target).await.unwrap_or_else(|status| {
        panic!("{status:?}\n{}", head.log());
    });
    let Some(Outcome::Model(found)) = answer.outcome else { panic!("{answer:?}") };
    let model = models::parse(&format!("{NAME}.toml"), &found.file).unwrap_or_else(|error| {
        panic!("{error}\n{}", found.file);
    });
    (found.file, model)
}

fn obis(text: &str) -> Obis {
    text.parse().unwrap()
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn the_draft_reads_what_the_meter_holds() {
    let meter = Meter::start(&["--timezone", "Europe/Berlin"]);
    let (file, model) = draft(&meter, "gmac", "Europe/Berlin").await;
    assert_eq!(model.manufacturer, "PYM");
    let profiles: Vec<_> = model.profiles.iter().map(|profile| (profile.obis, profile.period_s)).collect();
    let expected = [("1.0.98.1.0.255", 0), ("1.0.99.1.0.255", 900), ("1.0.99.2.0.255", 86_400)];
    assert_eq!(profiles, expected.map(|(name, period_s)| (obis(name), period_s)), "{file}");
    let generic = models::builtin().unwrap()["generic-dlms"].clone();
    let energy = |model: &Model| {
        let profile = model.profiles.iter().find(|profile| profile.obis == obis("1.0.99.1.0.255"));
        (profile.unwrap().depth, profile.unwrap().columns.clone())
    };
    assert_eq!(energy(&model), energy(&generic), "{file}");
    assert_eq!(model.switch.as_ref().unwrap().obis, obis("0.0.96.3.10.255"));
    assert_eq!(model.firmware.as_ref().unwrap().image_transfer, obis("0.0.44.0.0.255"));
    assert_eq!(model.tariff.as_ref().unwrap().calendar, obis("0.0.13.0.0.255"));
    assert!(model.registers.iter().any(|register| register.name == "active energy import (+A), total"));
    assert_eq!(model.quirks, generic.quirks);
    assert!(file.contains("# Logs, whose codes belong into [alarms]: 0.0.99.98.0.255."), "{file}");
    assert!(!file.contains("No object holds the serial number"), "{file}");

    let head = Head::knowing(NAME, &file).await;
    let serial = meter.text("serial");
    let keys = gmac(&meter.text("encryption_key"), &meter.text("authentication_key"));
    let request = CreateMeterRequest {
        serial: serial.clone(),
        model: NAME.into(),
        address: meter.address().to_string(),
        zone: "Europe/Berlin".into(),
        credentials: Some(keys),
        ..Default::default()
    };
    InventoryServiceClient::new(head.channel.clone()).create_meter(request).await.unwrap();
    let (from, to) = ("2026-03-28T12:15:00Z", "2026-03-30T12:00:00Z");
    head.read_profile(&serial, from, to).await.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
    let stored = head.stored(8);
    assert_eq!(stored.len(), 2 * 96);
    assert_eq!(stored, meter.expected(from, to));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn how_the_meter_says_times_is_found_out() {
    let meter = Meter::start(&["--timezone", "Asia/Dhaka", "--unspecified-deviation"]);
    let (_, model) = draft(&meter, "lls", "Asia/Dhaka").await;
    assert_eq!(model.quirks.range_deviation, RangeDeviation::Unspecified);
    assert_eq!(model.quirks.deviation_sign, DeviationSign::Standard);
    assert_eq!(model.profiles.len(), 3);
}
