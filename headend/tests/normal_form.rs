//! The normal form: whatever a model captures or reads stands in the store under its logical name, in its unit, with every digit; checked by PostgreSQL, which
//! computes with numbers of its own, against what the simulated meters really hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::collections::BTreeSet;
use std::sync::Arc;

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::get_billing_sets_request::Cycle;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    BillingSource, GetBillingSetsRequest, ImportMetersRequest, ProfileTarget, ReadNowRequest, RegistersTarget,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::{Language, MBus, Model};
use program::Program;
use simulator::{Clock, Fleet, FleetConfig, Framing, Meter, Security};

/// The models of the requirements.
const MODELS: [&str; 9] = [
    "joy311",
    "ble-lls",
    "huabang-single",
    "multi-user-modbus",
    "sed102",
    "sed302",
    "sm306",
    "sm120b2",
    "mt371",
];
const NOW: &str = "2026-11-03T12:00:00Z";

async fn fleet(model: &Arc<Model>, number: u64) -> Fleet {
    let plain = Framing::Plain { devices_per_line: 1 };
    let framing = if model.language == Language::Dlms { Framing::Wrapper } else { plain };
    let config = FleetConfig {
        count: u32::from(model.subunits) + 1,
        serial_base: 40_000_000 + number * 1000,
        security: Security::None,
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        history_days: 70,
        clock: Clock::starting_at(NOW.parse().unwrap()),
        framing,
        ..FleetConfig::new(Arc::clone(model))
    };
    Fleet::start(config).await.unwrap()
}

async fn read(program: &Program, serial: &str, target: Target) {
    let request = ReadNowRequest {
        meter_serial: serial.to_owned(),
        target: Some(target),
        wait: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
    };
    let read = ReadingsServiceClient::new(program.channel.clone()).read_now(request).await;
    read.unwrap_or_else(|status| panic!("{serial}: {status:?}\n{}", program.log()));
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The values of a profile of a meter as the view shows them: instant, logical name, number, unit.
fn shown(program: &Program, serial: &str, profile: &str) -> BTreeSet<String> {
    let text = format!(
        "SELECT extract(epoch FROM ts)::bigint, obis, value, unit FROM reading r
         WHERE serial = '{serial}' AND kind = 'profile' AND EXISTS (SELECT FROM profile_row p JOIN profile_layout l ON l.id = p.layout_id
             JOIN profile_slot s ON s.layout_id = l.id WHERE p.meter_id = r.meter_id AND p.ts = r.ts AND obis_text(l.obis) = '{profile}'
                 AND obis_text(s.obis) = r.obis)"
    );
    program.sql(&text).lines().map(str::to_owned).collect()
}

/// The meter's own integer as a decimal, moved by the scaler; digits are moved, never computed.
fn decimal(value: i64, scaler: i8) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    match scaler {
        0 => format!("{sign}{digits}"),
        1.. if value == 0 => "0".into(),
        1.. => format!("{sign}{digits}{}", "0".repeat(usize::from(scaler.unsigned_abs()))),
        _ => {
            let places = usize::from(scaler.unsigned_abs());
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// Every value of every profile of a meter within two days, and of its billing profiles within the months before. What is on channels of M-Bus is not the
/// meter's.
async fn profiles(program: &Program, meter: &Meter, model: &Model) {
    let serial = meter.serial();
    for profile in model.profiles.iter().filter(|profile| MBus::channel(profile.obis).is_none()) {
        let from = if profile.period_s == 0 { "2026-09-15T00:00:00Z" } else { "2026-11-01T22:00:00Z" };
        let (from, to) = (instant(from), instant("2026-11-03T11:00:00Z"));
        let proto = |at: Timestamp| Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 });
        let target = ProfileTarget { profile: profile.name.clone(), from: proto(from), to: proto(to) };
        read(program, &serial, Target::Profile(target)).await;
        let name = format!("{} of {}", profile.name, model.name);
        let columns = meter.columns(&profile.name).unwrap();
        let spec = |(obis, attribute): &(dlms::Obis, i8)| {
            let column =
                profile.columns.iter().find(|column| (column.obis, column.attribute) == (*obis, *attribute));
            let column = column.unwrap();
            // The time of a maximum is in seconds.
            if (column.class_id, column.attribute) == (4, 5) {
                (0, "s")
            } else {
                (column.scaler, column.unit.symbol())
            }
        };
        let mut expected = BTreeSet::new();
        for capture in meter.expected(&profile.name, from, to).unwrap() {
            for (column, value) in columns.iter().zip(&capture.values) {
                let (scaler, unit) = spec(column);
                let (at, value) = (capture.at.as_second(), decimal(*value, scaler));
                expected.insert(format!("{at}|{}|{value}|{unit}", column.0));
            }
        }
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(shown(program, &serial, &profile.obis.to_string()), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_nine_models_name_stands_in_the_store_with_its_unit_and_every_digit() {
    let program = Program::start("").await;
    let models = models::builtin().unwrap();
    for (number, name) in (0..).zip(MODELS) {
        let model = &models[name];
        let fleet = fleet(model, number).await;
        let chunk = simulator::inventory(&fleet).into_bytes();
        let imported = InventoryServiceClient::new(program.channel.clone())
            .import_meters(tokio_stream::iter([ImportMetersRequest { chunk }]))
            .await
            .unwrap();
        assert_eq!(imported.into_inner().problems, Vec::new());
        let meter = fleet.meters().last().unwrap();
        let serial = meter.serial();
        profiles(&program, meter, model).await;
        read(&program, &serial, Target::Registers(RegistersTarget::default())).await;
        let found = program.sql(&format!(
            "SELECT DISTINCT obis_text(obis) FROM register_row r JOIN meter m ON m.id = r.meter_id WHERE serial = '{serial}' AND attribute = 2"
        ));
        let found: BTreeSet<_> = found.lines().map(str::to_owned).collect();
        let named: BTreeSet<_> = model.registers.iter().map(|register| register.obis.to_string()).collect();
        assert_eq!(found, named, "registers of {name}");
        // What has no unit is a ratio, a count or a word of bits.
        let without = program.sql(&format!(
            "SELECT DISTINCT obis FROM reading WHERE serial = '{serial}' AND unit = '' AND obis !~ '^1[.]0[.](13|33|53|73)[.]|^0[.]0[.](0[.]1[.]0|96[.]7[.]0|97[.]98|128[.]19[.]12[.]|128[.]62[.][06][.])|^1[.]0[.]1[.]36[.]'"
        ));
        assert_eq!(without, "", "{name}: these have no unit");
        let maxima = model.registers.iter().filter(|register| register.class_id == 4).count();
        let times = program.sql(&format!(
            "SELECT count(DISTINCT obis) FROM register_row r JOIN meter m ON m.id = r.meter_id WHERE serial = '{serial}' AND attribute = 5 AND unit = 7"
        ));
        assert_eq!(times, maxima.to_string(), "{name}: maxima with the time at which they occurred");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ble_03_a_bill_has_the_maximum_with_the_time_at_which_it_occurred() {
    let program = Program::start("").await;
    let models = models::builtin().unwrap();
    let model = &models["ble-lls"];
    let fleet = fleet(model, 20).await;
    let meter = &fleet.meters()[0];
    let chunk = simulator::inventory(&fleet).into_bytes();
    let chunks = tokio_stream::iter([ImportMetersRequest { chunk }]);
    InventoryServiceClient::new(program.channel.clone()).import_meters(chunks).await.unwrap();
    profiles(&program, meter, model).await;
    let question = GetBillingSetsRequest {
        meter_serials: vec![meter.serial()],
        cycle: Some(Cycle::Month("2026-10".into())),
        ..GetBillingSetsRequest::default()
    };
    let mut client = BillingServiceClient::new(program.channel.clone());
    let mut sets = client.get_billing_sets(question).await.unwrap().into_inner();
    let set = sets.message().await.unwrap().unwrap().set.unwrap();
    let end = instant("2026-10-31T23:00:00Z");
    let frozen = meter.expected("monthly", end, end).unwrap().remove(0);
    let columns = meter.columns("monthly").unwrap();
    let of = |obis: &str, attribute: i8| {
        let place =
            columns.iter().position(|(name, number)| name.to_string() == obis && *number == attribute);
        frozen.values[place.unwrap()]
    };
    for (obis, unit) in
        [("1.0.1.6.0.255", "W"), ("1.0.2.6.0.255", "W"), ("1.0.3.6.0.255", "var"), ("1.0.4.6.0.255", "var")]
    {
        let demand = set.demands.iter().find(|demand| demand.obis == obis).unwrap();
        assert_eq!(demand.value.unwrap().mantissa, of(obis, 2));
        assert_eq!(demand.at.unwrap().seconds, of(obis, 5));
        assert_eq!((demand.source(), demand.unit.as_str()), (BillingSource::Billing, unit));
    }
    for register in &set.registers {
        assert_eq!(register.closing.as_ref().unwrap().value.unwrap().mantissa, of(&register.obis, 2));
        // Cumulative maxima stand there with both values and no difference.
        let is_cumulative = ["1.0.1.2.0.255", "1.0.2.2.0.255"].contains(&register.obis.as_str());
        assert_eq!(register.consumption.is_none(), is_cumulative, "{register:?}");
        assert!(register.consumption.is_none_or(|consumed| consumed.mantissa >= 0), "{register:?}");
    }
}
