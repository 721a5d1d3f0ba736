//! Devices on M-Bus channels.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    BillingIssue, FlagRule, GetMeterRequest, IdentityTarget, Meter, MeterState, ProfileTarget,
    QueryReadingsRequest, ReadNowRequest, Reading, RetireMeterRequest, read_now_request::Target,
    read_now_response::Outcome,
};
use collectors::{Captures, Event, Layout, LayoutColumn, MBusChannel, MBusDevice as Shown, Report};
use dlms::profile::{CaptureObject, Column};
use dlms::{Obis, Unit};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::common::{Database, at};
use super::program::Program;
use super::ratios::issues;
use super::{bench_with, flags, identified};

const fn device(identification: u32, device_type: u8) -> Option<Shown> {
    Some(Shown { identification, manufacturer: 0x2C2D, version: 1, device_type })
}

/// Writes what was on channels on a day of January, seen by a job with that number; returns the flags.
async fn write(database: &Database, meter: i32, day: i64, shown: &[(u8, Option<Shown>)]) -> u64 {
    let read_at = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * (day - 1));
    let channels =
        shown.iter().map(|(channel, device)| MBusChannel { channel: *channel, device: *device, read_at });
    let report = Report { job: day, meter, event: Event::MBus(channels.collect()) };
    let written = database.store.write(Uuid::new_v4(), &[report]).await.unwrap();
    written.flags.each().map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_device_that_is_exchanged_begins_a_row_of_its_own() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let (gas, other, water) = (device(0x0123_4567, 3), device(0x0999_0001, 3), device(0x7000_0000, 7));
    for (day, shown, flags) in [
        (1, &[(1, gas), (2, None)][..], 0),
        (2, &[(1, gas), (2, None)], 0),
        // A device where there was none is no exchange, and a channel that is not shown stays as it was.
        (3, &[(2, water)], 0),
        (4, &[(1, other), (2, water)], 1),
        // What comes late, and the same twice.
        (3, &[(1, gas)], 0),
        (4, &[(1, other), (2, water)], 0),
        // Taken away.
        (5, &[(1, other), (2, None)], 1),
    ] {
        assert_eq!(write(&database, meter, day, shown).await, flags, "day {day}");
    }
    let rows = "SELECT channel, since AT TIME ZONE 'UTC', before AT TIME ZONE 'UTC', read_at AT TIME ZONE 'UTC', manufacturer, identification,
                    device_type, job_id FROM mbus_device ORDER BY channel, since";
    let expected = [
        "1|2026-01-01 00:00:00||2026-01-02 00:00:00|KAM|01234567|3|1",
        "1|2026-01-04 00:00:00|2026-01-02 00:00:00|2026-01-05 00:00:00|KAM|09990001|3|4",
        "2|2026-01-01 00:00:00||2026-01-02 00:00:00||||1",
        "2|2026-01-03 00:00:00|2026-01-02 00:00:00|2026-01-04 00:00:00|KAM|70000000|7|3",
        "2|2026-01-05 00:00:00|2026-01-04 00:00:00|2026-01-05 00:00:00||||5",
    ];
    assert_eq!(database.sql(rows), expected.join("\n"));
    let flags = "SELECT rule, ts AT TIME ZONE 'UTC', obis_text(obis), reference, value, job_id FROM reading_flag ORDER BY ts, obis";
    let expected = [
        "device_exchanged|2026-01-04 00:00:00|0.1.24.1.0.255|1234567|9990001|4",
        "device_exchanged|2026-01-05 00:00:00|0.2.24.1.0.255|70000000||5",
    ];
    assert_eq!(database.sql(flags), expected.join("\n"));
}

/// Hourly captures of the first channel at these hours of the first of January, a litre more each.
fn captured(job: i64, meter: i32, scaler: i8, hours: std::ops::RangeInclusive<i64>) -> Report {
    let column = |class_id, obis: [u8; 6], column, scaler, unit| LayoutColumn {
        capture: CaptureObject { class_id, instance: Obis::new(obis), attribute: 2, data_index: 0 },
        column,
        scaler,
        unit,
    };
    let columns = vec![
        column(8, [0, 0, 1, 0, 0, 255], Column::Clock, 0, Unit::NONE),
        column(4, [0, 1, 24, 2, 1, 255], Column::Value, scaler, Unit(13)),
    ];
    let layout = Arc::new(Layout { obis: Obis::new([0, 1, 24, 3, 0, 255]), period_s: 3600, columns });
    let instants = hours.clone().map(|hour| at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(hour));
    let instants: Vec<Timestamp> = instants.collect();
    let rows = instants.len();
    let captures = Captures {
        layout,
        at: instants,
        offset_min: vec![None; rows],
        clock_status: vec![0; rows],
        status: vec![None; rows],
        width: 1,
        values: hours.map(|hour| Some(1_000 * job + hour)).collect(),
    };
    Report { job, meter, event: Event::Captures(captures) }
}

fn sight(job: i64, meter: i32, hour: i64, device: Option<Shown>) -> Report {
    let read_at = at("2026-01-01T00:30:00Z") + SignedDuration::from_hours(hour);
    Report { job, meter, event: Event::MBus(vec![MBusChannel { channel: 1, device, read_at }]) }
}

#[tokio::test]
async fn captures_are_those_of_the_device_that_was_seen_before_and_after_them() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let (gas, other) = (device(0x0123_4567, 3), device(0x0999_0001, 3));
    let write = async |reports: &[Report]| {
        database.store.write(Uuid::new_v4(), reports).await.unwrap();
    };
    // Nobody knows whose those are that were captured before anybody looked, and those that are later than the last look may be another one's.
    write(&[sight(1, meter, 3, gas), captured(1, meter, -3, 1..=3)]).await;
    write(&[sight(2, meter, 6, gas), captured(2, meter, -3, 4..=8)]).await;
    // Exchanged after six: what is read of the time between the two is of nobody, with whatever unit.
    write(&[sight(3, meter, 10, other), captured(3, meter, -2, 5..=10)]).await;
    write(&[sight(4, meter, 12, other), captured(4, meter, -2, 9..=12)]).await;
    // Back again: its series goes on.
    write(&[sight(5, meter, 13, gas)]).await;
    write(&[sight(6, meter, 14, gas), captured(6, meter, -3, 11..=14)]).await;

    let readings = "SELECT m.serial, r.ts AT TIME ZONE 'UTC', r.value, r.unit FROM reading r JOIN meter m ON m.id = r.meter_id ORDER BY 1, 2";
    let rows = [
        "KAM-01234567-01-03|2026-01-01 04:00:00|2.004|m³",
        "KAM-01234567-01-03|2026-01-01 05:00:00|2.005|m³",
        "KAM-01234567-01-03|2026-01-01 06:00:00|2.006|m³",
        "KAM-01234567-01-03|2026-01-01 14:00:00|6.014|m³",
        "KAM-09990001-01-03|2026-01-01 11:00:00|40.11|m³",
        "KAM-09990001-01-03|2026-01-01 12:00:00|40.12|m³",
    ];
    assert_eq!(database.sql(readings), rows.join("\n"));
    let parts = "SELECT serial, model, state, subunit, parent_id FROM meter WHERE parent_id IS NOT NULL ORDER BY serial";
    let expected = [
        format!("KAM-01234567-01-03|mbus-device|active|1|{meter}"),
        format!("KAM-09990001-01-03|mbus-device|retired|1|{meter}"),
    ];
    assert_eq!(database.sql(parts), expected.join("\n"));
    // How far the channel was read is known of the meter, whosever the captures are.
    let read = "SELECT m.serial, p.last_ts AT TIME ZONE 'UTC' FROM meter_profile p JOIN meter m ON m.id = p.meter_id ORDER BY m.id";
    let expected = [
        "M1|2026-01-01 14:00:00",
        "KAM-01234567-01-03|2026-01-01 14:00:00",
        "KAM-09990001-01-03|2026-01-01 12:00:00",
    ];
    assert_eq!(database.sql(read), expected.join("\n"));
    let audit = "SELECT action, target FROM audit ORDER BY id";
    let expected = [
        "part.added|KAM-01234567-01-03",
        "part.retired|KAM-01234567-01-03",
        "part.added|KAM-09990001-01-03",
        "part.retired|KAM-09990001-01-03",
        "part.added|KAM-01234567-01-03",
    ];
    assert_eq!(database.sql(audit), expected.join("\n"));
}

/// A meter whose channels capture each second.
const FAST: &str = r#"
base = "mt371"
name = "mt371-fast"

[[profiles]]
name = "gas"
obis = "0.1.24.3.0.255"
period_s = 1
depth = 600
read_every = "1h"
columns = [
  { obis = "0.0.1.0.0.255", class_id = 8 },
  { obis = "0.1.24.2.1.255", class_id = 4, scaler = -3, unit = "m³" },
]
"#;

/// Reads what the first channel captured in the last minute, and tells the answer.
async fn read_channel(program: &Program, serial: &str) -> Vec<Reading> {
    let proto = |at: Timestamp| Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 });
    let now = Timestamp::now();
    let (from, to) = (proto(now - SignedDuration::from_secs(60)), proto(now));
    let target = Some(Target::Profile(ProfileTarget { profile: "gas".into(), from, to }));
    let request = ReadNowRequest { meter_serial: serial.to_owned(), target, wait: None };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    match client.read_now(request).await.unwrap().into_inner().outcome {
        Some(Outcome::Readings(outcome)) => outcome.readings,
        other => panic!("{other:?}"),
    }
}

/// All readings of a meter.
async fn readings(program: &Program, serial: &str) -> Vec<Reading> {
    let request = QueryReadingsRequest {
        meter_serials: vec![serial.to_owned()],
        page_size: 10_000,
        ..QueryReadingsRequest::default()
    };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    client.query_readings(request).await.unwrap().into_inner().readings
}

async fn known(program: &Program, serial: &str) -> Meter {
    let request = GetMeterRequest { serial: serial.to_owned() };
    let mut client = InventoryServiceClient::new(program.channel.clone());
    client.get_meter(request).await.unwrap().into_inner().meter.unwrap()
}

/// What a device has counted, in the thousandths of the readings, one for each second since the instant.
fn counted(device: simulator::MBusDevice, readings: &[Reading]) -> Vec<(i64, i64)> {
    let expected: Vec<_> = readings
        .iter()
        .map(|reading| {
            let at = reading.at.unwrap().seconds;
            (at, i64::from(device.total(at)))
        })
        .collect();
    let told: Vec<_> = readings
        .iter()
        .map(|reading| {
            let value = reading.value.unwrap();
            assert_eq!(
                (reading.obis.as_str(), reading.unit.as_str(), value.exponent),
                ("0.1.24.2.1.255", "m³", -3)
            );
            (reading.at.unwrap().seconds, value.mantissa)
        })
        .collect();
    assert_eq!(told, expected);
    assert!(told.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "a second is missing: {told:?}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_that_went_and_the_one_that_came_have_series_of_their_own() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mbus-models");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mt371-fast.toml"), FAST).unwrap();
    let model = models::load_dir(&folder).unwrap()["mt371-fast"].clone();
    let (fleet, program, serial) = bench_with(model, &format!("[models]\ndir = {folder:?}\n")).await;
    let meter = &fleet.meters()[0];
    let wait = async || tokio::time::sleep(Duration::from_secs(3)).await;

    let number = |channel| format!("{:08}", meter.mbus_device(channel).unwrap().number);
    let first = identified(&program, &serial).await.mbus_devices;
    let told: Vec<_> = first.iter().map(|device| (device.channel, device.identification.clone())).collect();
    let expected: Vec<_> = (1..=4).map(|channel| (u32::from(channel), number(channel))).collect();
    assert_eq!(told, expected);

    let old = meter.mbus_device(1).unwrap();
    // Whose earlier ones are was not known when they were captured.
    let first_seen = first[0].since.unwrap();
    let earlier = |reading: &Reading| reading.at.is_none_or(|at| at.seconds <= first_seen.seconds);
    assert!(!read_channel(&program, &serial).await.iter().any(earlier));
    wait().await;
    let answer = read_channel(&program, &serial).await;
    assert!(counted(old, &answer).len() >= 2 && !answer.iter().any(earlier), "{answer:?}");
    let old_serial = answer[0].meter_serial.clone();
    assert_eq!(old_serial, format!("KAM-{:08}-01-03", old.number));
    assert_eq!(first[0].part_serial, old_serial);
    let part = known(&program, &old_serial).await;
    assert_eq!((part.parent, part.subunit, part.model.as_str()), (serial.clone(), 1, "mbus-device"));
    let of_old = readings(&program, &old_serial).await;
    assert_eq!(of_old, answer);

    let new = simulator::MBusDevice { number: 90_000_001, device_type: 3 };
    meter.set_mbus_device(1, Some(new));
    assert!(
        read_channel(&program, &serial).await.is_empty(),
        "the new one was not there when they were captured, or not seen"
    );
    wait().await;
    let answer = read_channel(&program, &serial).await;
    assert!(counted(new, &answer).len() >= 2, "{answer:?}");
    assert_eq!(answer[0].meter_serial, "KAM-90000001-01-03");
    assert!(
        answer.iter().all(|reading| reading.flags.is_empty()),
        "nothing is compared with the other one: {answer:?}"
    );
    assert_eq!(readings(&program, "KAM-90000001-01-03").await, answer);
    assert_eq!(readings(&program, &old_serial).await, of_old, "the history of the old one is what it was");
    let of_meter = issues(&program, &serial).await;
    assert!(
        !of_meter.contains(&BillingIssue::IntervalsMissing),
        "they are not those of the meter: {of_meter:?}"
    );
    assert!(readings(&program, &serial).await.iter().all(|reading| !reading.obis.starts_with("0.1.24.")));
    assert_eq!(known(&program, &old_serial).await.state(), MeterState::Retired);
    assert_eq!(flags(&program, &serial).await, [(FlagRule::DeviceExchanged, "0.1.24.1.0.255".to_owned())]);
    let of_channel =
        identified(&program, &serial).await.mbus_devices.into_iter().filter(|device| device.channel == 1);
    let parts: Vec<_> = of_channel.map(|device| device.part_serial).collect();
    assert_eq!(parts, ["KAM-90000001-01-03".to_owned(), old_serial], "the latest first");

    // What is on its channels is out of service with the meter, and until then never asked itself.
    let mut inventory = InventoryServiceClient::new(program.channel.clone());
    let request = ReadNowRequest {
        meter_serial: parts[0].clone(),
        target: Some(Target::Identity(IdentityTarget {})),
        wait: None,
    };
    let refused = ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap_err();
    assert!(refused.message().contains("order it of the meter"), "{refused:?}");
    inventory.retire_meter(RetireMeterRequest { serial }).await.unwrap();
    assert_eq!(known(&program, &parts[0]).await.state(), MeterState::Retired);
    fleet.shutdown().await;
}
