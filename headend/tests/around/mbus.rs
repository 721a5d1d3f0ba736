//! Devices on M-Bus channels.

use ami_proto::v1::{FlagRule, MBusDevice};
use collectors::{Event, MBusChannel, MBusDevice as Shown, Report};
use jiff::SignedDuration;
use uuid::Uuid;

use super::common::{Database, at};
use super::{bench, flags, identified};

const MODEL: &str = "mt371";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_is_seen_also_by_a_head_end_that_was_killed() {
    let (fleet, program, serial) = bench(MODEL).await;
    let meter = &fleet.meters()[0];
    let told = |devices: &[MBusDevice]| {
        let each = devices.iter().map(|device| (device.channel, device.identification.clone()));
        each.collect::<Vec<_>>()
    };
    let number = |channel| format!("{:08}", meter.mbus_device(channel).unwrap().number);
    let first = identified(&program, &serial).await.mbus_devices;
    let expected: Vec<_> = (1..=4).map(|channel| (u32::from(channel), number(channel))).collect();
    assert_eq!(told(&first), expected);

    let old = number(2);
    meter.set_mbus_device(2, Some(simulator::MBusDevice { number: 90_000_001, device_type: 7 }));
    let program = program.kill_and_restart().await;
    for _ in 0..2 {
        let seen = identified(&program, &serial).await.mbus_devices;
        let of_two: Vec<_> = seen.into_iter().filter(|device| device.channel == 2).collect();
        assert_eq!(told(&of_two), [(2, "90000001".to_owned()), (2, old.clone())], "the latest first");
        assert_eq!(of_two[0].before, first[1].read_at);
    }
    assert_eq!(flags(&program, &serial).await, [(FlagRule::DeviceExchanged, "0.2.24.1.0.255".to_owned())]);
    fleet.shutdown().await;
}
