//! Meters that do not speak DLMS, through the whole head-end: from a file of the inventory to readings in the database, and a household that is switched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ami_proto::v1::clocks_service_client::ClocksServiceClient;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::credit_service_client::CreditServiceClient;
use ami_proto::v1::diagnostics_service_client::DiagnosticsServiceClient;
use ami_proto::v1::events_service_client::EventsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    BuyCreditRequest, ClockOrder, Command, CommandKind, CommandOutcome, CommandState, DisconnectRequest,
    FailureReason, ImportMetersRequest, ListEventsRequest, OrderTerms, ProtocolLayers, ReadNowRequest,
    ReconnectRequest, RegistersTarget, SetProtocolLogRequest, SetTimesRequest, SwitchTime, SyncClocksRequest,
    TakeSnapshotRequest, WatchCommandsRequest, read_now_request::Target, set_protocol_log_request::Subject,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use program::Program;
use simulator::{
    Affected, Backend, ConcentratorConfig, Concentrators, Fault, FaultRule, Fleet, FleetConfig, Framing,
    Security, inventory_of_concentrators,
};

const LIMIT: Duration = Duration::from_secs(90);
const SECTIONS: &str = "[roles]\nplanner = true\n[plan]\ninterval = \"1s\"\n[collector]\nlinger = \"100ms\"\n\
                        [log]\nformat = \"json\"\nlevel = \"trace,sqlx=info\"\n";

async fn fleet(model: &str, security: Security) -> Fleet {
    let model = models::builtin().unwrap()[model].clone();
    let count = u32::from(model.subunits) + 1;
    let place = models::builtin().unwrap().keys().position(|name| *name == model.name).unwrap();
    let serial_base = 30_000_000 + place as u64 * 1000;
    Fleet::start(FleetConfig { count, security, serial_base, ..FleetConfig::new(model) }).await.unwrap()
}

/// Waits for what becomes of a command.
async fn end(program: &Program, id: i64) -> Command {
    let request = WatchCommandsRequest { ids: vec![id], ..WatchCommandsRequest::default() };
    let mut client = CommandsServiceClient::new(program.channel.clone());
    let mut lives = client.watch_commands(request).await.unwrap().into_inner();
    loop {
        let message = tokio::time::timeout(LIMIT, lives.message()).await.unwrap().unwrap().unwrap();
        if let Some(command) = message.commands.into_iter().find(|one| one.finished_at.is_some()) {
            return command;
        }
    }
}

/// How many meters have registers that are read by plan: what a device shows is that of its sub-units, where they are named inside of requests.
fn read(fleet: &Fleet) -> usize {
    let meters = fleet.meters().iter();
    meters.filter(|meter| meter.subunit().is_some() || !meter.model().names_subunits()).count()
}

/// Waits until the database says so.
async fn until(program: &Program, sql: &str, expected: &str) {
    let begun = Instant::now();
    while program.sql(sql) != expected {
        assert!(begun.elapsed() < LIMIT, "{sql} is {}, not {expected}\n{}", program.sql(sql), program.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Switches a meter off and waits for what becomes of it.
async fn disconnect(program: &Program, serial: String) -> Command {
    let terms =
        OrderTerms { idempotency_key: serial.clone(), reason: "test".into(), ..OrderTerms::default() };
    let request = DisconnectRequest { meter_serials: vec![serial], terms: Some(terms) };
    let mut client = SwitchServiceClient::new(program.channel.clone());
    let id = client.disconnect(request).await.unwrap().into_inner().commands[0].id;
    end(program, id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_03_hb_06_joy_13_each_language_is_read_and_switched_through_the_head_end() {
    let program = Program::start(SECTIONS).await;
    let fleets = [
        fleet("huabang-triple", Security::Lls).await,
        fleet("multi-user-dlt645", Security::None).await,
        fleet("multi-user-modbus", Security::None).await,
        fleet("joy311", Security::None).await,
    ];
    for fleet in &fleets {
        program.import(fleet).await;
    }
    let layers = ProtocolLayers { application: true, frame: true, bytes: true };
    let household = fleets[0].meters()[5].serial();
    let request = SetProtocolLogRequest {
        subject: Some(Subject::MeterSerial(household.clone())),
        layers: Some(layers),
        time: None,
    };
    DiagnosticsServiceClient::new(program.channel.clone()).set_protocol_log(request).await.unwrap();

    for fleet in &fleets {
        let model = &fleet.meters()[0].model().name;
        let meters = fleet.meters().len();
        until(
            &program,
            &format!("SELECT count(DISTINCT r.meter_id) FROM register_row r JOIN meter m ON m.id = r.meter_id WHERE m.model = '{model}'"),
            &read(fleet).to_string(),
        )
        .await;
        // The head-end knows each by the serial number that it showed.
        until(
            &program,
            &format!("SELECT count(*) FROM meter WHERE model = '{model}' AND identified_at IS NOT NULL"),
            &meters.to_string(),
        )
        .await;
        let last = fleet.meters().last().unwrap();
        let energy = format!(
            "SELECT value FROM reading WHERE serial = '{}' AND obis LIKE '1.0.1.8.0.%' ORDER BY ts DESC LIMIT 1",
            last.serial()
        );
        let stored: i64 = program.sql(&energy).split('.').next().unwrap().parse().unwrap();
        let scaler = last
            .model()
            .registers
            .iter()
            .find(|register| register.obis.to_string() == "1.0.1.8.0.255")
            .unwrap()
            .scaler;
        let held = last.register("1.0.1.8.0.255".parse().unwrap()).unwrap()
            * 10_i64.pow(scaler.unsigned_abs().into());
        assert!(stored.abs_diff(held) < 1000, "{model}: {stored} Wh are stored, {held} Wh are held");
    }
    for fleet in &fleets[..3] {
        let household = &fleet.meters()[5];
        let command = disconnect(&program, household.serial()).await;
        assert_eq!(command.outcome(), CommandOutcome::Disconnected, "{command:?}\n{}", program.log());
        assert!(!household.connected());
        assert_eq!((household.counts().actions, fleet.counts().relay_moves), (1, 1));
    }

    let log = program.stop().await;
    let seen: Vec<&str> = log.lines().filter(|line| line.contains("\"target\":\"protocol\"")).collect();
    assert!(
        seen.iter().any(|line| line.contains("action 70 0.0.96.3.10.255 1")),
        "the order is in the protocol log"
    );
    assert!(seen.iter().any(|line| line.contains("****")), "its octets are hidden");
    let password = fleets[0].meters()[5].secrets().password;
    let digits = &password[password.len() - 6..];
    // As it goes over the line: the last two digits first, and 33 added to each octet.
    let on_the_line = [4, 2, 0]
        .map(|at| format!("{:02X}", u8::from_str_radix(&digits[at..at + 2], 16).unwrap() + 0x33))
        .concat();
    assert!(seen.iter().all(|line| !line.contains(digits) && !line.contains(&on_the_line)));
}

/// Time and first value of the captures that are stored of a meter's profile.
fn stored(program: &Program, serial: &str, profile: &models::Profile) -> Vec<(i64, i64)> {
    let obis: String = profile.obis.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    let found = program.sql(&format!(
        "SELECT extract(epoch FROM r.ts)::int8, r.v0 FROM profile_row r JOIN meter m ON m.id = r.meter_id
         JOIN profile_layout l ON l.id = r.layout_id WHERE m.serial = '{serial}' AND l.obis = '\\x{obis}' ORDER BY r.ts"
    ));
    let row = |line: &str| {
        let (at, value) = line.split_once('|').unwrap();
        (at.parse().unwrap(), value.parse().unwrap())
    };
    found.lines().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_03_load_records_and_snapshots_of_dlt645_are_stored_like_profiles_of_dlms() {
    let program = Program::start(SECTIONS).await;
    let begun = Timestamp::now();
    for name in ["generic-dlt645", "generic-dlt645-1997"] {
        let fleet = fleet(name, Security::None).await;
        program.import(&fleet).await;
        let (meter, model) = (&fleet.meters()[0], fleet.meters()[0].model().clone());
        until(
            &program,
            &format!(
                "SELECT count(*) FROM meter_profile p JOIN meter m ON m.id = p.meter_id WHERE m.model = '{name}' AND p.read_at IS NOT NULL AND p.coverage <> '{{}}'"
            ),
            &model.profiles.len().to_string(),
        )
        .await;
        // The horizon of the plan is 30 days, and so is the history of the meter.
        let from = begun - SignedDuration::from_hours(29 * 24);
        for profile in model.profiles.iter().filter(|profile| profile.name != "ordered") {
            let stored: Vec<_> = stored(&program, &meter.serial(), profile);
            let last = stored.last().map_or(from, |(at, _)| Timestamp::from_second(*at).unwrap());
            let held = meter.expected(&profile.name, from, begun).unwrap();
            let held: Vec<_> = held.iter().map(|row| (row.at.as_second(), row.values[0])).collect();
            let stored: Vec<_> = stored
                .into_iter()
                .filter(|(at, _)| (from.as_second()..=begun.as_second()).contains(at))
                .collect();
            assert_eq!(stored, held, "{name} {}", profile.name);
            assert!(profile.period_s != 900 || held.len() > 2700, "{name} up to {last}: {}", held.len());
        }
    }
}

/// A terminal in front of a fleet of so many meters, both in the inventory.
async fn terminal(program: &Program, fleet: FleetConfig, nodes: u32) -> Concentrators {
    let config = ConcentratorConfig {
        backend: Backend::Forward,
        model: "gdw376-terminal".to_owned(),
        nodes,
        accelerate: 5000,
        ..ConcentratorConfig::default()
    };
    let concentrators = Concentrators::start(fleet, config).await.unwrap();
    let chunk = inventory_of_concentrators(&concentrators).into_bytes();
    let parts = tokio_stream::iter([ImportMetersRequest { chunk }]);
    let imported = InventoryServiceClient::new(program.channel.clone()).import_meters(parts).await.unwrap();
    assert_eq!(imported.into_inner().problems, []);
    concentrators
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_of_dlt645_behind_a_terminal_of_376_1_is_read_through_the_head_end() {
    let program = Program::start(SECTIONS).await;
    let fleet =
        FleetConfig { count: 2, ..FleetConfig::new(models::builtin().unwrap()["generic-dlt645"].clone()) };
    let concentrators = terminal(&program, fleet, 2).await;
    let daily = "SELECT count(*) FROM meter_profile p JOIN meter m ON m.id = p.meter_id
                 WHERE m.model = 'generic-dlt645' AND p.obis = '\\x0100620200ff' AND p.read_at IS NOT NULL AND p.last_ts IS NOT NULL";
    until(&program, daily, "2").await;
    let begun = Timestamp::now() - SignedDuration::from_hours(24);
    for meter in concentrators.meters() {
        let profile = meter.model().profile("daily").unwrap();
        let from = begun - SignedDuration::from_hours(24 * 20);
        let held = meter.expected("daily", from, begun).unwrap();
        let held: Vec<_> = held.iter().map(|row| (row.at.as_second(), row.values[0])).collect();
        let stored = stored(&program, &meter.serial(), profile).into_iter();
        let stored: Vec<_> =
            stored.filter(|(at, _)| (from.as_second()..=begun.as_second()).contains(at)).collect();
        assert_eq!((stored.len(), stored), (20, held), "{}", meter.serial());
    }
    program.stop().await;
    concentrators.shutdown().await;
}

/// A zone in which it is about noon, when clocks may be moved.
fn noon() -> TimeZone {
    let ahead = 12 - Timestamp::now().to_zoned(TimeZone::UTC).hour();
    TimeZone::get(&format!("Etc/GMT{:+}", -ahead)).unwrap()
}

/// What is ordered of one node, and told to everybody: nobody answers a broadcast, so what shows that it was heard is read of the one that was named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_and_a_snapshot_are_told_to_all_nodes_of_a_terminal_at_once() {
    let program = Program::start("[collector]\nlinger = \"100ms\"\n").await;
    let off = |number, seconds| FaultRule {
        fault: Fault::ClockOff(seconds),
        meters: Affected::Numbers(vec![number]),
    };
    let faults = vec![off(0, 90), off(1, -100), off(2, 200)];
    let model = models::builtin().unwrap()["generic-dlt645"].clone();
    let fleet = FleetConfig { count: 3, zone: noon(), faults, ..FleetConfig::new(model) };
    let concentrators = terminal(&program, fleet, 3).await;
    let meters = concentrators.meters();
    let serials = vec![meters[0].serial()];
    let terms = |key: &str| {
        Some(OrderTerms { idempotency_key: key.into(), reason: "test".into(), ..OrderTerms::default() })
    };
    let order = Some(ClockOrder { across_boundaries: true, ..ClockOrder::default() });
    let request = SyncClocksRequest { meter_serials: serials.clone(), terms: terms("time"), order };
    let mut clocks = ClocksServiceClient::new(program.channel.clone());
    let ordered = clocks.sync_clocks(request).await.unwrap().into_inner().commands.remove(0);
    let command = end(&program, ordered.id).await;
    assert_eq!(command.outcome(), CommandOutcome::ClockRight, "{command:?}\n{}", program.log());
    let ahead: Vec<_> = meters.iter().map(|meter| meter.clock_ahead()).collect();
    assert!(ahead.iter().all(|seconds| seconds.abs() <= 2), "{ahead:?}");

    let request =
        TakeSnapshotRequest { meter_serials: serials, everybody_on_the_line: true, terms: terms("snapshot") };
    let mut readings = ReadingsServiceClient::new(program.channel.clone());
    let ordered = readings.take_snapshot(request).await.unwrap().into_inner().commands.remove(0);
    let command = end(&program, ordered.id).await;
    assert_eq!(command.outcome(), CommandOutcome::SnapshotTaken, "{command:?}\n{}", program.log());
    let taken: Vec<_> = meters.iter().map(|meter| meter.counts().actions).collect();
    assert_eq!(taken, [1, 1, 1]);
    program.stop().await;
    concentrators.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_ordered_is_taken_by_everybody_on_the_line_and_read_as_a_profile() {
    let program = Program::start("[collector]\nlinger = \"100ms\"\n").await;
    let model = models::builtin().unwrap()["generic-dlt645"].clone();
    let framing = Framing::Plain { devices_per_line: 3 };
    let fleet = Fleet::start(FleetConfig { count: 3, framing, ..FleetConfig::new(model) }).await.unwrap();
    program.import(&fleet).await;
    let dlms = self::fleet("sed302", Security::None).await;
    program.import(&dlms).await;
    let order = |serial: String| TakeSnapshotRequest {
        meter_serials: vec![serial.clone()],
        everybody_on_the_line: true,
        terms: Some(OrderTerms { idempotency_key: serial, ..OrderTerms::default() }),
    };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    let refused = client.take_snapshot(order(dlms.meters()[0].serial())).await.unwrap_err();
    assert!(refused.message().contains("takes no snapshots by order"), "{refused}");

    let serial = fleet.meters()[1].serial();
    let ordered = client.take_snapshot(order(serial.clone())).await.unwrap().into_inner();
    let command = end(&program, ordered.commands[0].id).await;
    assert_eq!(command.outcome(), CommandOutcome::SnapshotTaken, "{command:?}\n{}", program.log());
    let again = client.take_snapshot(order(serial.clone())).await.unwrap().into_inner();
    assert_eq!(again.commands[0].id, ordered.commands[0].id, "the same order is the same command");
    let taken: Vec<_> = fleet.meters().iter().map(|meter| meter.counts().actions).collect();
    assert_eq!(taken, [1, 1, 1]);

    let now = Timestamp::now();
    program.sql(&format!(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, max_attempts)
         SELECT id, 'read_profile', '\\x0100620300ff', '{now}'::timestamptz - interval '1 hour', '{now}', 5 FROM meter WHERE model = 'generic-dlt645'"
    ));
    until(&program, "SELECT count(*) FROM profile_row", "3").await;
    for meter in fleet.meters() {
        let stored = stored(&program, &meter.serial(), meter.model().profile("ordered").unwrap());
        let at = Timestamp::from_second(stored[0].0).unwrap();
        assert_eq!(stored, [(at.as_second(), meter.capture("ordered", at).unwrap()[0])]);
    }
    program.stop().await;
}

/// Reads the registers of a meter now.
async fn read_registers(program: &Program, meter_serial: String) {
    let request = ReadNowRequest {
        meter_serial,
        target: Some(Target::Registers(RegistersTarget::default())),
        wait: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
    };
    ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
}

/// All events, the latest first.
async fn events(program: &Program) -> Vec<ami_proto::v1::Event> {
    let mut client = EventsServiceClient::new(program.channel.clone());
    client.list_events(ListEventsRequest::default()).await.unwrap().into_inner().events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_17_a_phase_that_a_household_lost_is_among_the_events_and_so_is_its_return() {
    let program = Program::start("").await;
    let fleet = fleet("huabang-triple", Security::None).await;
    program.import(&fleet).await;
    let household = &fleet.meters()[5];
    for word in [0x80, 0x80, 0] {
        household.hold("0.0.97.98.5.255".parse().unwrap(), word);
        read_registers(&program, household.serial()).await;
    }
    let events = events(&program).await;
    let told: Vec<_> =
        events.iter().map(|event| (event.key.as_str(), event.phase, event.code, event.logged)).collect();
    assert_eq!(told, [("phase.restored", 2, -0x80, 0), ("phase.fail", 2, 0x80, 0x80)], "the latest first");
    assert!(events.iter().all(|event| event.meter_serial == household.serial() && event.authenticated));
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_07_a_purchase_goes_into_the_household_once_whoever_orders_it_again() {
    let program = Program::start("[collector]\nlinger = \"100ms\"\n").await;
    let fleet = fleet("multi-user-dlt645", Security::None).await;
    program.import(&fleet).await;
    let (household, credit) = (&fleet.meters()[3], fleet.meters()[3].model().credit.unwrap());
    household.hold(credit.remaining, 1);
    household.use_up(1);
    assert!(!household.connected());
    let buy = async |serial: String, number, amount: &str, key: &str| {
        let terms = OrderTerms { idempotency_key: key.into(), ..OrderTerms::default() };
        let request =
            BuyCreditRequest { meter_serial: serial, number, amount: amount.into(), terms: Some(terms) };
        CreditServiceClient::new(program.channel.clone()).buy_credit(request).await
    };
    for (number, amount, field) in [(0, "2500", "number"), (1, "much", "amount"), (1, "2505", "amount")] {
        let refused = buy(household.serial(), number, amount, "wrong").await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{field}: {refused}");
    }
    for (number, key, left) in [(1, "a", 250), (1, "a", 250), (1, "b", 250), (2, "c", 500)] {
        let command =
            buy(household.serial(), number, "2500", key).await.unwrap().into_inner().command.unwrap();
        let command = end(&program, command.id).await;
        assert_eq!(command.outcome(), CommandOutcome::CreditBought, "{command:?}\n{}", program.log());
        assert_eq!(household.register(credit.remaining), Some(left), "{number} {key}");
    }
    assert!(household.connected());
    assert_eq!((household.counts().sets, fleet.counts().sets), (2, 2));
    let late = buy(household.serial(), 1, "2500", "d").await.unwrap().into_inner().command.unwrap();
    let late = end(&program, late.id).await;
    assert!(late.outcome() == CommandOutcome::Unspecified && household.counts().sets == 2, "{late:?}");
    assert_eq!(program.sql("SELECT count(*) FROM command WHERE kind = 'buy_credit'"), "4");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_10_hb_11_what_a_meter_does_about_a_load_is_told_and_a_locked_household_is_closed_by_force_alone()
{
    let program = Program::start("[collector]\nlinger = \"100ms\"\n").await;
    let (households, others) =
        (fleet("multi-user-modbus", Security::None).await, fleet("generic-dlt645", Security::None).await);
    program.import(&households).await;
    program.import(&others).await;
    let (household, load) = (&households.meters()[3], households.meters()[3].model().load.unwrap());
    household.hold(load.malignant_step, 800);
    household.hold(load.limit, 3000);
    household.heat(2000);
    assert!(!household.connected());
    read_registers(&program, household.serial()).await;
    household.draw(3001);
    household.close_again();
    for _ in 1..6 {
        household.close_again();
    }
    household.draw(100);
    read_registers(&program, household.serial()).await;
    let told: BTreeSet<_> = events(&program).await.into_iter().map(|event| event.key).collect();
    assert_eq!(
        told.iter().map(String::as_str).collect::<Vec<_>>(),
        ["limiter.exceeded", "load.lockout", "load.malignant", "load.malignant_off"]
    );

    let close = async |serial: String, force, reason: &str, key: &str| {
        let terms =
            OrderTerms { idempotency_key: key.into(), reason: reason.into(), ..OrderTerms::default() };
        let request = ReconnectRequest { meter_serials: vec![serial], terms: Some(terms), force };
        SwitchServiceClient::new(program.channel.clone()).reconnect(request).await
    };
    let refused = close(household.serial(), true, "", "a").await.unwrap_err();
    assert!(
        refused.code() == tonic::Code::InvalidArgument && refused.message().contains("reason"),
        "{refused}"
    );
    let refused = close(others.meters()[0].serial(), true, "why not", "b").await.unwrap_err();
    assert!(refused.message().contains("never locks its switch for its load"), "{refused}");
    let plain = close(household.serial(), false, "", "c").await.unwrap().into_inner().commands.remove(0);
    let plain = end(&program, plain.id).await;
    assert_eq!(
        (plain.state(), plain.failure()),
        (CommandState::Refused, FailureReason::NotEffective),
        "{plain:?}"
    );
    assert!(!household.connected() && household.counts().actions == 0);
    let forced = close(household.serial(), true, "the stove is gone", "d").await.unwrap();
    let forced = end(&program, forced.into_inner().commands.remove(0).id).await;
    assert_eq!(
        (forced.kind(), forced.outcome()),
        (CommandKind::ForceReconnect, CommandOutcome::Connected),
        "{forced:?}\n{}",
        program.log()
    );
    assert!(household.connected() && household.register(load.trips) == Some(0));
    read_registers(&program, household.serial()).await;
    assert!(events(&program).await.iter().any(|event| event.key == "limiter.ok"));
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_12_times_of_the_day_are_set_in_a_household_and_what_it_cannot_hold_is_refused() {
    let program = Program::start("").await;
    let (timed, others) =
        (fleet("huabang-dual", Security::None).await, fleet("multi-user-modbus", Security::None).await);
    program.import(&timed).await;
    program.import(&others).await;
    let household = &timed.meters()[7];
    let set = async |meter_serial: String, minutes: &[u32], key: &str| {
        let time = |(place, minute): (usize, &u32)| SwitchTime { minute: *minute, on: place % 2 == 0 };
        let request = SetTimesRequest {
            meter_serials: vec![meter_serial],
            times: minutes.iter().enumerate().map(time).collect(),
            terms: Some(OrderTerms { idempotency_key: key.into(), ..OrderTerms::default() }),
        };
        SwitchServiceClient::new(program.channel.clone()).set_times(request).await
    };
    let thirteen: Vec<u32> = (0..13).map(|hour| hour * 60).collect();
    for (minutes, said) in
        [(&thirteen[..], "too many"), (&[390, 390], "overlaps"), (&[70_000], "none of a day")]
    {
        let refused = set(household.serial(), minutes, "wrong").await.unwrap_err();
        assert!(
            refused.code() == tonic::Code::InvalidArgument && refused.message().contains(said),
            "{refused}"
        );
    }
    let refused = set(others.meters()[3].serial(), &[390], "other").await.unwrap_err();
    assert!(refused.message().contains("does not switch at times of the day"), "{refused}");
    let ordered = set(household.serial(), &[390, 1320], "a").await.unwrap().into_inner().commands.remove(0);
    let command = end(&program, ordered.id).await;
    assert_eq!(
        (command.kind(), command.outcome()),
        (CommandKind::SetTimes, CommandOutcome::TimesSet),
        "{command:?}\n{}",
        program.log()
    );
    let life = "SELECT value FROM command_change WHERE what LIKE 'value %' ORDER BY id";
    assert_eq!(program.sql(life), "no times\n06:30 on, 22:00 off");
    assert_eq!((household.times().len(), timed.counts().sets), (36, 1), "nobody else was written to");
    program.stop().await;
}
