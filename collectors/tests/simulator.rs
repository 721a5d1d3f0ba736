//! The channel against the simulator over TCP: each level of security, each fault, and what it cost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, time::Duration};

use collectors::{
    Channel, Covered, Credentials, Event, Failure, Layout, Limits, ProfileRange, Reason, RegisterRequest,
    Report, Seed, Station, Task, Work,
};
use common::{at, ended, layout, reason};
use dlms::client::{Counters, GlobalKeys, Key, Password, SystemTitle};
use jiff::{Timestamp, tz::TimeZone};
use models::{MBus, Model, RatioObjects, Transformers};
use simulator::{Affected, Clock, Fault, FaultRule, Fleet, FleetConfig, Security, SecurityLevel};
use tokio::sync::mpsc;

const MODEL: &str = "sed302";

fn model() -> Arc<Model> {
    Arc::clone(&models::builtin().unwrap()[MODEL])
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// The local day on which summer time begins: 23 hours, 92 quarter-hours.
fn short_day() -> (Timestamp, Timestamp) {
    (at("2026-03-28T23:15:00Z"), at("2026-03-29T22:00:00Z"))
}

async fn fleet(security: Security, count: u32, faults: &[Fault]) -> Fleet {
    let faults =
        faults.iter().map(|fault| FaultRule { fault: *fault, meters: Affected::SharePpm(1_000_000) });
    let config = FleetConfig {
        count,
        security,
        zone: berlin(),
        clock: Clock::starting_at(at("2026-03-31T12:00:00Z")),
        faults: faults.collect(),
        ..FleetConfig::new(model())
    };
    Fleet::start(config).await.unwrap()
}

fn station(fleet: &Fleet, number: usize) -> Station {
    let (meter, model) = (&fleet.meters()[number], model());
    let secrets = meter.secrets();
    let (client_sap, credentials) = match meter.security() {
        SecurityLevel::None => (model.association.client_sap_none, Credentials::none()),
        SecurityLevel::Lls => {
            let password = Password::new(secrets.password.as_bytes());
            (model.association.client_sap_lls, Credentials::lls(password))
        }
        SecurityLevel::Secret(kind) => panic!("{kind:?} is read by a foreign client"),
        SecurityLevel::Gmac => {
            let credentials = Credentials::gmac(
                SystemTitle::new(*b"HEAD\0\0\0\x01"),
                GlobalKeys::of_suite_0(
                    Key::new(secrets.encryption_key),
                    Key::new(secrets.authentication_key),
                ),
            );
            (model.association.client_sap_hls, credentials)
        }
    };
    Station {
        meter: i32::try_from(number).unwrap(),
        address: fleet.addresses()[number].to_string().parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap,
        credentials,
        serial: Some(meter.serial()),
        model,
        zone: berlin(),
    }
}

fn work(job: i64, station: &Arc<Station>, task: Task) -> Work {
    let first = u32::try_from(job).unwrap() * 1000;
    Work {
        job,
        station: Arc::clone(station),
        counters: Some(Counters::new(first, first + 1000)),
        seed: Seed::new([42; 32]),
        task,
        priority: 0,
        span: tracing::Span::none(),
    }
}

fn read(layout: Option<Arc<Layout>>) -> Task {
    let (from, to) = short_day();
    Task::ReadProfile(ProfileRange {
        obis: model().profile("energy").unwrap().obis,
        from,
        to,
        layout,
        last: None,
    })
}

fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(400),
        linger: Duration::ZERO,
        retry_pause: Duration::from_millis(5),
        ..Limits::default()
    }
}

async fn collect(works: Vec<Work>) -> Vec<Report> {
    let (reports, mut outcome) = mpsc::channel(4);
    let (sender, receiver) = mpsc::channel(works.len());
    for work in works {
        sender.try_send(work).unwrap();
    }
    drop(sender);
    let gather = async {
        let mut all = Vec::new();
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
        all
    };
    tokio::join!(Channel::new(limits(), reports).run(receiver), gather).1
}

/// Time, status and values of every capture that a job reported.
fn captured(reports: &[Report], job: i64) -> Vec<(Timestamp, Option<i32>, Vec<Option<i64>>)> {
    let mut all = Vec::new();
    for report in reports.iter().filter(|report| report.job == job) {
        let Event::Captures(captures) = &report.event else { continue };
        for (index, values) in captures.values.chunks(captures.width).enumerate() {
            all.push((captures.at[index], captures.status[index], values.to_vec()));
        }
    }
    all
}

fn expected(fleet: &Fleet, number: u32) -> Vec<(Timestamp, Option<i32>, Vec<Option<i64>>)> {
    let (from, to) = short_day();
    let rows = fleet.expected(number, "energy", from, to).unwrap();
    let row = |row: simulator::Capture| {
        (row.at, row.status.map(i32::from), row.values.into_iter().map(Some).collect::<Vec<_>>())
    };
    rows.into_iter().map(row).collect()
}

/// Reads the day from the only meter of a fleet, which has a fault.
async fn outcome(security: Security, fault: Fault) -> Result<Covered, Failure> {
    let fleet = fleet(security, 1, &[fault]).await;
    let reports = collect(vec![work(1, &Arc::new(station(&fleet, 0)), read(None))]).await;
    let outcome = ended(&reports, 1);
    if outcome.is_ok() {
        assert_eq!(captured(&reports, 1), expected(&fleet, 0), "{fault:?}: nothing twice, nothing missing");
    }
    fleet.shutdown().await;
    outcome
}

#[tokio::test]
async fn each_security_brings_every_capture_of_the_short_day() {
    let fleet = fleet(Security::Mixed, 3, &[]).await;
    for number in 0..3u32 {
        let station = Arc::new(station(&fleet, number as usize));
        let reports = collect(vec![work(1, &station, read(None))]).await;
        let expected = expected(&fleet, number);
        assert_eq!(expected.len(), 92);
        assert_eq!(captured(&reports, 1), expected, "meter {number}");
        assert_eq!(ended(&reports, 1).unwrap().range, Some(short_day()));
        let layout = layout(&reports);
        let spec = model().profile("energy").unwrap().clone();
        let names: Vec<_> = layout.columns.iter().map(|column| column.capture.instance).collect();
        assert_eq!(names, spec.columns.iter().map(|column| column.obis).collect::<Vec<_>>());
        let units: Vec<_> = layout.values().map(|column| (column.scaler, column.unit)).collect();
        assert_eq!(
            units,
            spec.columns[2..].iter().map(|column| (column.scaler, column.unit)).collect::<Vec<_>>()
        );
    }
    fleet.shutdown().await;
}

/// Exchanges per read are a result: a change of these numbers is a change of what the line costs.
#[tokio::test]
async fn what_a_read_of_a_day_costs() {
    for (security, opening, blocks) in [(Security::None, 1, 5), (Security::Lls, 1, 5), (Security::Gmac, 2, 5)]
    {
        let fleet = fleet(security, 1, &[]).await;
        let station = Arc::new(station(&fleet, 0));
        let known = Some(layout(&collect(vec![work(1, &station, read(None))]).await));
        let works = vec![work(2, &station, read(known.clone())), work(3, &station, read(known.clone()))];
        let reports = collect(works).await;
        let (cold, warm) = (ended(&reports, 2).unwrap(), ended(&reports, 3).unwrap());
        assert_eq!(warm.exchanges, blocks, "{security:?}: one exchange per block and nothing else");
        assert_eq!(
            cold.exchanges,
            blocks + opening + 1,
            "{security:?}: association and serial number besides"
        );
        assert!(warm.bytes_on_wire < 92 * 56, "{security:?}: {} octets", warm.bytes_on_wire);
        assert_eq!(captured(&reports, 3).len(), 92);
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn identity_clock_and_all_registers_of_the_model() {
    let fleet = fleet(Security::Gmac, 1, &[]).await;
    let station = Arc::new(station(&fleet, 0));
    let register = |register: &models::Register| RegisterRequest {
        obis: register.obis,
        class_id: register.class_id,
        attribute: 2,
    };
    let requests: Vec<_> = model().registers.iter().map(register).collect();
    let works = vec![
        work(1, &station, Task::Identify),
        work(2, &station, Task::ReadClock),
        work(3, &station, Task::ReadRegisters(requests.clone())),
    ];
    let reports = collect(works).await;
    let Event::Identity { serial, .. } = &reports[0].event else { panic!("{reports:?}") };
    assert_eq!(*serial, fleet.meters()[0].serial());
    let Event::Clock(clock) = &reports[2].event else { panic!("{reports:?}") };
    let ahead = fleet.clock().now().as_second() - clock.shown.as_second();
    assert!((0..10).contains(&ahead), "{clock:?}");
    assert_eq!((clock.offset_min, clock.status), (Some(120), 0x80));
    let Event::Registers(values) = &reports[4].event else { panic!("{reports:?}") };
    assert_eq!(
        values.iter().map(|value| value.obis).collect::<Vec<_>>(),
        requests.iter().map(|r| r.obis).collect::<Vec<_>>()
    );
    assert!((1..=3).all(|job| ended(&reports, job).is_ok()));
    fleet.shutdown().await;
}

#[tokio::test]
async fn ratios_of_transformers_come_with_the_identity() {
    let objects = |numerator: &str, denominator: Option<&str>| RatioObjects {
        numerator: numerator.parse().unwrap(),
        denominator: denominator.map(|name| name.parse().unwrap()),
    };
    let current = objects("1.0.0.4.2.255", Some("1.0.0.4.5.255"));
    let shown = Transformers { current: Some(current), voltage: None };
    let with = |transformers| Arc::new(Model { transformers: Some(transformers), ..Model::clone(&model()) });
    let config = FleetConfig { security: Security::Lls, ..FleetConfig::new(with(shown)) };
    let fleet = Fleet::start(config).await.unwrap();
    let asked = |transformers| Arc::new(Station { model: with(transformers), ..station(&fleet, 0) });
    // The meter has no voltage transformers, and a ratio of which one number is not there is none.
    let voltage = objects("1.0.0.4.3.255", None);
    let alone = objects("1.0.0.4.2.255", None);
    let half = objects("1.0.0.4.2.255", Some("1.0.0.4.6.255"));
    for (transformers, expected) in [
        (Transformers { voltage: Some(voltage), ..shown }, Some((200, 5))),
        (Transformers { current: Some(alone), voltage: None }, Some((200, 1))),
        (Transformers { current: Some(half), voltage: Some(voltage) }, None),
    ] {
        let reports = collect(vec![work(1, &asked(transformers), Task::Identify)]).await;
        assert!(matches!(reports[0].event, Event::Identity { .. }) && ended(&reports, 1).is_ok());
        let found = reports.iter().find_map(|report| match report.event {
            Event::Ratios(ratios) => Some(ratios),
            _ => None,
        });
        let current = found.and_then(|ratios| ratios.current);
        assert_eq!(current.map(|ratio| (ratio.numerator, ratio.denominator)), expected);
        assert_eq!(found.and_then(|ratios| ratios.voltage), None);
    }
    fleet.shutdown().await;
}

#[tokio::test]
async fn what_is_on_channels_of_mbus_comes_with_the_identity() {
    let client = "0.0.24.1.0.255".parse().unwrap();
    let with = |channels| Arc::new(Model { mbus: Some(MBus { channels, client }), ..Model::clone(&model()) });
    let config = FleetConfig { security: Security::Lls, ..FleetConfig::new(with(2)) };
    let fleet = Fleet::start(config).await.unwrap();
    let meter = &fleet.meters()[0];
    meter.set_mbus_device(1, Some(simulator::MBusDevice { number: 1_234_567, device_type: 3 }));
    meter.set_mbus_device(2, None);
    // The third channel is one that the meter does not have.
    let station = Arc::new(Station { model: with(3), ..station(&fleet, 0) });
    let reports = collect(vec![work(1, &station, Task::Identify)]).await;
    let Event::MBus(channels) = &reports[1].event else { panic!("{reports:?}") };
    let shown: Vec<_> = channels
        .iter()
        .map(|shown| {
            let device = shown.device.map(|device| (device.maker(), device.number(), device.device_type));
            (shown.channel, device)
        })
        .collect();
    assert_eq!(shown, [(1, Some(("KAM".to_owned(), "01234567".to_owned(), 3))), (2, None)]);
    assert!(ended(&reports, 1).is_ok());
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_silent_meter_is_a_timeout() {
    for security in [Security::None, Security::Gmac] {
        assert_eq!(outcome(security, Fault::Silent).await.unwrap_err().reason, Reason::Timeout);
    }
}

#[tokio::test]
async fn a_slow_meter_is_waited_for_up_to_the_limit() {
    assert!(outcome(Security::Gmac, Fault::Slow(Duration::from_millis(30))).await.is_ok());
    assert_eq!(
        outcome(Security::Lls, Fault::Slow(Duration::from_millis(700))).await.unwrap_err().reason,
        Reason::Timeout
    );
}

#[tokio::test]
async fn a_line_that_is_cut_between_blocks_is_healed_as_long_as_it_brings_something() {
    // With a known layout a connection brings association and serial number first: 2 answers, with GMAC 3.
    for (security, after) in [(Security::None, 3), (Security::Gmac, 5)] {
        let healthy = fleet(security, 1, &[]).await;
        let known = Some(layout(&collect(vec![work(1, &Arc::new(station(&healthy, 0)), read(None))]).await));
        healthy.shutdown().await;
        let cut = fleet(security, 1, &[Fault::Cut { after }]).await;
        let reports = collect(vec![work(1, &Arc::new(station(&cut, 0)), read(known))]).await;
        assert_eq!(captured(&reports, 1), expected(&cut, 0), "{security:?}");
        assert!(ended(&reports, 1).is_ok());
        cut.shutdown().await;
    }
    assert_eq!(outcome(Security::Gmac, Fault::Cut { after: 1 }).await.unwrap_err().reason, Reason::LineCut);
}

/// C-13: nothing of an answer with a wrong tag is reported.
#[tokio::test]
async fn answers_that_do_not_authenticate_are_never_used() {
    // None is intact: not even the association can be proved. One is: the meter has the keys, and still nothing holds.
    for after in [0, 1] {
        let failure = outcome(Security::Gmac, Fault::WrongTag { after }).await.unwrap_err();
        assert_eq!(failure.reason, Reason::WrongKey, "{after}");
    }
    let told = outcome(Security::Gmac, Fault::WrongTag { after: 1 }).await.unwrap_err().detail;
    assert!(told.contains("proved its keys"), "{told}");
    // A long layout cannot be read within 14 answers, the captures come in pieces.
    assert!(outcome(Security::Gmac, Fault::WrongTag { after: 14 }).await.is_ok());
}

/// C-13: whatever is asked of such a meter, it is given up long before its counters are spent.
#[tokio::test]
async fn registers_that_do_not_authenticate_are_given_up_soon() {
    let fleet = fleet(Security::Gmac, 1, &[Fault::WrongTag { after: 1 }]).await;
    let register = |obis: &str| RegisterRequest { obis: obis.parse().unwrap(), class_id: 3, attribute: 2 };
    let registers = vec![register("1.0.1.8.0.255"), register("1.0.2.8.0.255")];
    let reports = collect(vec![work(1, &Arc::new(station(&fleet, 0)), Task::ReadRegisters(registers))]).await;
    assert_eq!(ended(&reports, 1).unwrap_err().reason, Reason::WrongKey);
    fleet.shutdown().await;
}

#[tokio::test]
async fn the_wrong_meter_is_not_read() {
    let failure = outcome(Security::Gmac, Fault::WrongSerial).await.unwrap_err();
    assert_eq!(failure.reason, Reason::WrongMeter);
    assert!(
        failure.detail.contains("930000000") && failure.detail.contains("30000000"),
        "{}",
        failure.detail
    );
}

#[tokio::test]
async fn another_layout_is_noticed_reported_and_used() {
    let change = at("2026-04-01T00:00:00Z");
    let fleet = fleet(Security::Gmac, 1, &[Fault::OtherLayout { from: change }]).await;
    let station = Arc::new(station(&fleet, 0));
    let reports = collect(vec![work(1, &station, read(None))]).await;
    let old = layout(&reports);
    assert_eq!(captured(&reports, 1), expected(&fleet, 0));

    fleet.clock().advance(86_400);
    let obis = old.obis;
    let (from, to) = (at("2026-04-01T00:15:00Z"), at("2026-04-01T10:00:00Z"));
    let range = |layout| Task::ReadProfile(ProfileRange { obis, from, to, layout: Some(layout), last: None });
    let reports = collect(vec![work(2, &station, range(Arc::clone(&old)))]).await;
    assert_eq!(reason(&reports, 2), Reason::LayoutChanged);
    let new = layout(&reports);
    assert_eq!(new.columns.len(), old.columns.len() - 1);
    let reports = collect(vec![work(3, &station, range(new))]).await;
    let rows = fleet.expected(0, "energy", from, to).unwrap();
    let values: Vec<_> = captured(&reports, 3).into_iter().map(|row| (row.0, row.2)).collect();
    let wanted: Vec<_> =
        rows.into_iter().map(|row| (row.at, row.values.into_iter().map(Some).collect())).collect();
    assert_eq!(wanted.len(), 40);
    assert_eq!(values, wanted);
    fleet.shutdown().await;
}

#[tokio::test]
async fn wrong_secrets_and_used_counters_are_told_apart() {
    let fleet = fleet(Security::Mixed, 3, &[]).await;
    let wrong_password = Credentials::lls(Password::new("00000000"));
    let lls = Arc::new(Station { credentials: wrong_password, ..station(&fleet, 1) });
    let reports = collect(vec![work(1, &lls, Task::ReadClock)]).await;
    assert_eq!(reason(&reports, 1), Reason::WrongPassword);

    let good = Arc::new(station(&fleet, 2));
    let change = |spoil: fn(&mut GlobalKeys)| {
        let mut credentials = good.credentials.clone();
        spoil(&mut credentials.protection.as_mut().expect("meter 2 ciphers").keys);
        credentials
    };
    let wrong_encryption = change(|keys| keys.encryption = Key::new([7; 16]));
    let wrong_authentication = change(|keys| keys.authentication = Key::new([7; 16]));
    for credentials in [wrong_encryption, wrong_authentication] {
        let station = Arc::new(Station { credentials, ..station(&fleet, 2) });
        let reports = collect(vec![work(2, &station, Task::ReadClock)]).await;
        assert_eq!(reason(&reports, 2), Reason::WrongKey);
    }
    assert!(ended(&collect(vec![work(5, &good, Task::ReadClock)]).await, 5).is_ok());
    let failure = ended(&collect(vec![work(4, &good, Task::ReadClock)]).await, 4).unwrap_err();
    assert_eq!(failure.reason, Reason::CounterRejected);
    let expected = failure.expected_counter.expect("the meter names the counter it expects");
    assert!((5001..6000).contains(&expected), "{expected}");
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_closed_port_is_a_refusal() {
    let fleet = fleet(Security::None, 1, &[]).await;
    let station = Arc::new(station(&fleet, 0));
    fleet.shutdown().await;
    let reports = collect(vec![work(1, &station, Task::ReadClock), work(2, &station, Task::ReadClock)]).await;
    assert_eq!(reason(&reports, 1), Reason::Refused);
    assert_eq!(reason(&reports, 2), Reason::Refused);
    let nowhere = Arc::new(Station { address: "meter.invalid:4059".parse().unwrap(), ..(*station).clone() });
    let reports = collect(vec![work(3, &nowhere, Task::ReadClock)]).await;
    assert_eq!(reason(&reports, 3), Reason::NoRoute);
}

#[tokio::test]
async fn what_a_meter_has_becomes_a_draft_of_its_model() {
    let fleet = fleet(Security::Gmac, 1, &[]).await;
    let known = model();
    // All that is known of the meter is how to speak with it, and that under a wrong serial number.
    let generic = Arc::clone(&models::builtin().unwrap()["generic-dlms"]);
    let station = Station { model: generic, serial: Some("4711".into()), ..station(&fleet, 0) };
    let reports = collect(vec![work(1, &Arc::new(station), Task::Discover)]).await;
    assert!(ended(&reports, 1).is_ok(), "{reports:?}");
    let draft = reports.iter().find_map(|report| match &report.event {
        Event::ModelDraft(draft) => Some(draft),
        _ => None,
    });
    let file = models::with_name("found", draft.unwrap());
    let found = models::parse("found.toml", &file).unwrap();
    assert_eq!(found.manufacturer, "SIM");
    assert!(file.contains("No object holds the serial number of the inventory"), "{file}");
    for profile in &known.profiles {
        let same = found.profiles.iter().find(|other| other.obis == profile.obis).unwrap();
        assert_eq!((same.period_s, same.depth), (profile.period_s, profile.depth), "{}", profile.name);
        assert_eq!(same.columns, profile.columns, "{}", profile.name);
    }
    assert_eq!(found.profiles.len(), known.profiles.len());
    assert_eq!(
        found.switch.as_ref().map(|switch| switch.obis),
        known.switch.as_ref().map(|switch| switch.obis)
    );
    let schedule = |model: &Model| model.firmware.as_ref().unwrap().activation_schedule;
    assert_eq!(schedule(&found), schedule(&known));
    assert_eq!(found.identity, known.identity);
    assert_eq!(found.quirks, known.quirks);
}
