//! The contract of every driver: the same list of things is asked of meters that speak each language, against the simulator, and what is reported is held against
//! what the meters hold and what really happened to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod clearing;
mod clocks;
mod credit;
mod holes;
mod households;
mod load;
mod parameters;
mod profiles;
mod resets;
mod snapshots;
mod times;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use collectors::{
    Channel, Covered, Credentials, Event, Failure, Limits, Outcome, Reason, RegisterRequest, RegisterValue,
    Report, Seed, Station, Switch, SwitchTo, Task, Terms, Work,
};
use dlms::client::Password;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::Model;
use simulator::{
    Affected, Bus, BusConfig, Fault, FaultRule, Fleet, FleetConfig, Framing, Meter, Often, Security,
    SwitchConfig, Terminal,
};
use tokio::sync::mpsc;

use SwitchTo::{Connected, Disconnected};

/// Each driver of the requirements: DL/T 645 with an address for each household, with the household inside of items, of 1997, Modbus; and mode C.
const MODELS: [&str; 5] =
    ["huabang-triple", "multi-user-dlt645", "generic-dlt645-1997", "multi-user-modbus", "joy311"];

/// A fleet with two devices of a model on one line.
struct Bench {
    model: Arc<Model>,
    fleet: Fleet,
}

/// What came of a work.
struct Done {
    events: Vec<Event>,
    end: Result<Covered, Failure>,
}

impl Bench {
    async fn new(model: &str, change: impl FnOnce(&mut Model, &mut FleetConfig)) -> Self {
        let mut model = Model::clone(&models::builtin().unwrap()[model]);
        let mut config = FleetConfig::new(Arc::new(model.clone()));
        config.framing = Framing::Plain { devices_per_line: 2 };
        config.count = 2 * (u32::from(model.subunits) + 1);
        config.zone = TimeZone::get("Asia/Dhaka").unwrap();
        change(&mut model, &mut config);
        let model = Arc::new(model);
        config.model = Arc::clone(&model);
        Self { model, fleet: Fleet::start(config).await.unwrap() }
    }

    /// Number of the meter that is asked: the last household of the second device, or that device.
    fn last(&self) -> usize {
        self.fleet.meters().len() - 1
    }

    fn station(&self, number: usize) -> Station {
        let meter = &self.fleet.meters()[number];
        let device = &self.fleet.meters()[number - usize::from(meter.subunit().unwrap_or_default())];
        let credentials = match meter.security() {
            simulator::SecurityLevel::Lls => {
                let password = meter.secrets().password;
                Credentials::lls(Password::new(&password.as_bytes()[password.len() - 6..]))
            }
            _ => Credentials::none(),
        };
        Station {
            meter: i32::try_from(number).unwrap(),
            address: format!("serial://{}?baud=115200", self.fleet.addresses()[number]).parse().unwrap(),
            device_address: meter.line_address().or(device.line_address()),
            subunit: meter.subunit(),
            via: None,
            server_sap: 1,
            client_sap: 16,
            credentials,
            model: Arc::clone(&self.model),
            serial: Some(meter.serial()),
            zone: TimeZone::get("Asia/Dhaka").unwrap(),
        }
    }

    async fn ask(&mut self, number: usize, task: Task) -> Done {
        let station = self.station(number);
        self.ask_all(vec![(station, task)]).await.remove(0)
    }

    /// Works in one channel, as they come.
    async fn ask_all(&mut self, asked: Vec<(Station, Task)>) -> Vec<Done> {
        let limits = Limits {
            response_timeout: Duration::from_secs(1),
            retry_pause: Duration::from_millis(10),
            linger: Duration::from_millis(10),
            ..Limits::default()
        };
        collect(asked, limits).await
    }

    fn all_registers(&self) -> Task {
        all_registers(&self.model)
    }
}

fn all_registers(model: &Model) -> Task {
    let request = |register: &models::Register| RegisterRequest {
        obis: register.obis,
        class_id: register.class_id,
        attribute: 2,
    };
    Task::ReadRegisters(model.registers.iter().map(request).collect())
}

/// Lets one channel do works, as they come.
async fn collect(asked: Vec<(Station, Task)>, limits: Limits) -> Vec<Done> {
    let (reports, mut reported) = mpsc::channel::<Report>(64);
    let (sender, receiver) = mpsc::channel(asked.len());
    let mut all: Vec<_> = asked.iter().map(|_| (Vec::new(), None)).collect();
    for (job, (station, task)) in (0..).zip(asked) {
        let (station, seed) = (Arc::new(station), Seed::new([42; 32]));
        let span = tracing::Span::none();
        sender.try_send(Work { job, station, counters: None, seed, task, priority: 0, span }).unwrap();
    }
    drop(sender);
    let channel = tokio::spawn(Channel::new(limits, reports).run(receiver));
    while let Some(Report { job, event, .. }) = reported.recv().await {
        let (events, end) = &mut all[usize::try_from(job).unwrap()];
        match event {
            Event::Ended(outcome) => *end = Some(outcome),
            event => events.push(event),
        }
    }
    channel.await.unwrap();
    all.into_iter().map(|(events, end)| Done { events, end: end.expect("every work ends") }).collect()
}

impl Done {
    fn registers(&self) -> &[RegisterValue] {
        match self
            .events
            .iter()
            .find_map(|event| if let Event::Registers(values) = event { Some(values) } else { None })
        {
            Some(values) => values,
            None => panic!("{:?} {:?}", self.events, self.end),
        }
    }

    fn failure(&self) -> &Failure {
        self.end.as_ref().expect_err("a failure")
    }

    fn outcome(&self) -> Outcome {
        self.end.as_ref().unwrap_or_else(|failure| panic!("{failure}")).outcome.expect("an outcome")
    }
}

fn soon() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(5)
}

fn order(to: SwitchTo) -> Task {
    Task::Switch(Switch { to, force: false, terms: Terms { deadline: soon(), in_doubt: false } })
}

/// What happens to a household.
type Happens = fn(&Meter);

/// Value times ten to the power of the scaler, in the smallest unit that either side counts in.
fn scaled(value: i64, scaler: i8) -> i64 {
    value * 10_i64.pow(u32::try_from(scaler + 6).unwrap())
}

#[tokio::test]
async fn hb_03_every_driver_says_who_is_there() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let last = bench.last();
        let done = bench.ask(last, Task::Identify).await;
        assert!(done.end.is_ok(), "{name}: {:?}", done.end);
        let serial = bench.fleet.meters()[last].serial();
        assert!(
            matches!(&done.events[..], [Event::Identity { serial: found, .. }] if *found == serial),
            "{name}: {:?}",
            done.events
        );
    }
}

#[tokio::test]
async fn hb_04_hb_05_every_driver_reads_what_each_household_holds() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, _| {}).await;
        for number in [bench.last(), 1] {
            let task = bench.all_registers();
            let done = bench.ask(number, task).await;
            assert!(done.end.is_ok(), "{name}: {:?}", done.end);
            let (values, meter) = (done.registers(), &bench.fleet.meters()[number]);
            assert_eq!(values.len(), bench.model.registers.len(), "{name}");
            for (value, register) in values.iter().zip(&bench.model.registers) {
                assert_eq!((value.obis, value.unit), (register.obis, register.unit), "{name}");
                let held = meter.register(register.obis).unwrap();
                let (found, held) = (scaled(value.value, value.scaler), scaled(held, register.scaler));
                // Load moves between two minutes, energy with every second.
                let energy_wh = scaled(20, 0);
                let is_near = found.abs_diff(held) <= energy_wh.unsigned_abs();
                let is_load = register.obis.octets()[2] > 4 || register.obis.octets()[3] == 7;
                assert!(is_near || is_load, "{name} {}: {found} {held}", register.name);
            }
        }
    }
}

#[tokio::test]
async fn hb_02_households_of_one_device_cost_one_read_where_one_item_holds_them_all() {
    let mut bench = Bench::new("multi-user-dlt645", |model, _| model.registers.truncate(1)).await;
    let works: Vec<_> = (1..=39).map(|number| (bench.station(number), bench.all_registers())).collect();
    let done = bench.ask_all(works).await;
    let exchanges: u32 = done.iter().map(|done| done.end.as_ref().unwrap().exchanges).sum();
    assert_eq!(exchanges, 1, "the item is read once for all of them");
    let import = bench.model.registers[0].obis;
    for (done, meter) in done.iter().zip(&bench.fleet.meters()[1..]) {
        let held = meter.register(import).unwrap() % 100_000_000;
        assert!(done.registers()[0].value.abs_diff(held) <= 2, "household {:?}", meter.subunit());
    }
}

#[tokio::test]
async fn hb_03_every_driver_reads_the_clock_or_says_that_there_is_none() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let done = bench.ask(0, Task::ReadClock).await;
        if name == "multi-user-modbus" {
            assert_eq!(done.failure().reason, Reason::Unsupported);
            assert!(done.failure().detail.contains("read_clock"), "{}", done.failure());
            continue;
        }
        let [Event::Clock(clock)] = &done.events[..] else { panic!("{name}: {:?}", done.end) };
        assert!(clock.drift().abs() < SignedDuration::from_secs(5), "{name}: {clock:?}");
    }
}

#[tokio::test]
async fn hb_06_every_driver_that_has_a_switch_moves_it_and_says_what_it_sees() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let last = bench.last();
        if bench.model.switch.is_none() {
            let done = bench.ask(last, order(Disconnected)).await;
            assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
            assert!(done.failure().detail.contains("cannot do switch"), "{}", done.failure());
            continue;
        }
        for (to, outcome, moves) in [
            (Disconnected, Outcome::Disconnected, 1),
            (Disconnected, Outcome::Disconnected, 1),
            (Connected, Outcome::Connected, 2),
        ] {
            assert_eq!(bench.ask(last, order(to)).await.outcome(), outcome, "{name}");
            assert_eq!(bench.fleet.meters()[last].counts().relay_moves, moves, "{name}");
        }
        assert_eq!(bench.fleet.counts().relay_moves, 2, "{name}: nobody else's switch moved");
    }
}

#[tokio::test]
async fn what_a_language_cannot_do_is_refused_by_its_name() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, _| {}).await;
        for (task, capability) in [(Task::Discover, "discover"), (Task::ReadTariff, "read_tariff")] {
            let done = bench.ask(0, task).await;
            assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
            assert!(done.failure().detail.contains(capability), "{}", done.failure());
        }
    }
}

#[tokio::test]
async fn another_meter_at_the_address_is_not_read() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, config| {
            config.faults = vec![FaultRule { fault: Fault::WrongSerial, meters: Affected::Numbers(vec![0]) }];
        })
        .await;
        let task = bench.all_registers();
        let done = bench.ask(0, task).await;
        assert_eq!(done.failure().reason, Reason::WrongMeter, "{name}");
        assert!(done.events.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_order_is_resolved_by_reading() {
    let lost = |fault| FaultRule { fault, meters: Affected::Numbers((0..100).collect()) };
    for name in ["huabang-triple", "multi-user-dlt645", "multi-user-modbus"] {
        for (fault, orders) in
            [(Fault::Unanswered(Often::First(1)), 1), (Fault::Unexecuted(Often::First(1)), 1)]
        {
            let mut bench = Bench::new(name, |_, config| config.faults = vec![lost(fault)]).await;
            let last = bench.last();
            let done = bench.ask(last, order(Disconnected)).await;
            assert_eq!(done.outcome(), Outcome::Disconnected, "{name} {fault:?}");
            let counts = bench.fleet.meters()[last].counts();
            assert_eq!((counts.relay_moves, counts.actions), (1, orders), "{name} {fault:?}");
        }
    }
}

#[tokio::test]
async fn hb_06_a_switch_that_takes_its_time_is_pending_and_not_failed() {
    let mut bench = Bench::new("huabang-triple", |_, config| {
        config.switch = SwitchConfig { delay: Duration::from_secs(13), ..SwitchConfig::default() };
    })
    .await;
    let last = bench.last();
    let done = bench.ask(last, order(Disconnected)).await;
    let failure = done.failure();
    assert!(failure.in_doubt && failure.reason.is_transient(), "{failure}");
    assert!(failure.detail.contains("up to 16 min"), "{failure}");
    let terms = Terms { deadline: soon(), in_doubt: true };
    let again = bench.ask(last, Task::Switch(Switch { to: Disconnected, force: false, terms })).await;
    assert_eq!(again.outcome(), Outcome::Disconnected);
    assert_eq!(bench.fleet.meters()[last].counts().actions, 1, "it was ordered once");
}

#[tokio::test]
async fn a_welded_switch_is_not_called_open() {
    for name in ["generic-dlt645", "multi-user-modbus"] {
        let mut bench = Bench::new(name, |model, config| {
            model.switch.as_mut().unwrap().settle = Duration::from_millis(100);
            config.faults =
                vec![FaultRule { fault: Fault::Welded, meters: Affected::Numbers((0..100).collect()) }];
        })
        .await;
        let last = bench.last();
        let done = bench.ask(last, order(Disconnected)).await;
        assert_eq!(done.failure().reason, Reason::NotEffective, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_password_moves_nothing_and_is_named() {
    for name in ["huabang-triple", "joy311"] {
        let programming = |model: &mut Model, config: &mut FleetConfig| {
            config.security = Security::Lls;
            if let models::Language::Iec62056_21(spec) = &mut model.language {
                spec.read = models::ReadBy::Programming;
            }
        };
        let mut bench = Bench::new(name, programming).await;
        let last = bench.last();
        let task = if name == "joy311" { bench.all_registers() } else { order(Disconnected) };
        let done = bench.ask(last, task.clone()).await;
        assert!(done.end.is_ok(), "{name}: {:?}", done.end);
        let mut station = bench.station(last);
        station.credentials = Credentials::lls(Password::new(b"000001"));
        let task = if name == "joy311" { task } else { order(Connected) };
        let done = bench.ask_all(vec![(station, task)]).await.remove(0);
        assert_eq!(done.failure().reason, Reason::WrongPassword, "{name}: {}", done.failure());
        assert!(!done.failure().detail.contains("000001"));
    }
}

#[tokio::test]
async fn answers_that_get_lost_are_asked_for_again() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, config| {
            let fault = Fault::Dropped(Often::SharePpm(150_000));
            config.faults = vec![FaultRule { fault, meters: Affected::Numbers((0..100).collect()) }];
        })
        .await;
        let last = bench.last();
        let task = bench.all_registers();
        let done = bench.ask(last, task).await;
        assert!(done.end.is_ok(), "{name}: {:?}", done.end);
        assert_eq!(done.registers().len(), bench.model.registers.len(), "{name}");
    }
}

/// A bus on a pseudo terminal: the address of its device, and the meters on it.
fn on_a_bus(model: &Arc<Model>, count: u32, config: BusConfig) -> (String, Vec<Arc<Meter>>) {
    let framing = Framing::Plain { devices_per_line: count };
    let fleet = FleetConfig { framing, count, ..FleetConfig::new(Arc::clone(model)) };
    let (bus, meters) = Bus::of_fleet(fleet, config, &BTreeSet::new()).unwrap();
    let mut terminal = Terminal::open().unwrap();
    let device = terminal.device().to_owned();
    tokio::spawn(async move { bus.run(&mut terminal).await });
    (device, meters)
}

fn on_the_bus(address: &str, meter: &Meter, model: &Arc<Model>) -> Station {
    Station {
        meter: i32::try_from(meter.number()).unwrap(),
        address: address.parse().unwrap(),
        device_address: meter.line_address(),
        subunit: None,
        via: None,
        server_sap: 1,
        client_sap: 16,
        credentials: Credentials::none(),
        model: Arc::clone(model),
        serial: Some(meter.serial()),
        zone: TimeZone::UTC,
    }
}

#[tokio::test]
async fn joy_13_an_optical_head_begins_at_300_and_goes_on_at_9600() {
    for read in [models::ReadBy::ReadOut, models::ReadBy::Programming] {
        let mut model = Model::clone(&models::builtin().unwrap()["joy311"]);
        if let models::Language::Iec62056_21(spec) = &mut model.language {
            spec.read = read;
        }
        let model = Arc::new(model);
        let config = BusConfig { speed: 300, echo: true, ..BusConfig::default() };
        let (device, meters) = on_a_bus(&model, 1, config);
        let station = on_the_bus(&format!("optical://{device}?baud=300"), &meters[0], &model);
        let task = all_registers(&model);
        let limits = Limits { response_timeout: Duration::from_secs(5), ..Limits::default() };
        let done = collect(vec![(station.clone(), task.clone()), (station, task)], limits).await;
        for done in done {
            assert!(done.end.is_ok(), "{read:?}: {:?}", done.end);
            assert_eq!(done.registers().len(), model.registers.len(), "{read:?}");
        }
    }
}

#[tokio::test]
async fn hb_20_noise_and_echo_on_a_bus_of_dlt645_cost_time_and_no_value() {
    let model = Arc::clone(&models::builtin().unwrap()["generic-dlt645"]);
    let config =
        BusConfig { speed: 9600, echo: true, noise_ppm: 3000, turnaround: Duration::from_millis(5), seed: 5 };
    let (device, meters) = on_a_bus(&model, 4, config);
    let address = format!("serial://{device}?baud=9600&parity=even&echo=yes");
    let works =
        meters.iter().map(|meter| (on_the_bus(&address, meter, &model), all_registers(&model))).collect();
    let limits = Limits { response_timeout: Duration::from_secs(2), line_retries: 5, ..Limits::default() };
    let done = collect(works, limits).await;
    let import = model.registers[0].obis;
    for (done, meter) in done.iter().zip(&meters) {
        assert!(done.end.is_ok(), "{:?}", done.end);
        let held = meter.register(import).unwrap() % 100_000_000;
        assert!(done.registers()[0].value.abs_diff(held) <= 2, "{} {held}", done.registers()[0].value);
    }
}

#[tokio::test]
async fn a_dead_station_is_named_and_its_neighbour_is_read() {
    for name in MODELS {
        let mut bench = Bench::new(name, |_, config| {
            config.faults = vec![FaultRule { fault: Fault::Silent, meters: Affected::Numbers(vec![0]) }];
        })
        .await;
        let other = usize::from(bench.model.subunits) + 1;
        let works =
            vec![(bench.station(0), bench.all_registers()), (bench.station(other), bench.all_registers())];
        let done = bench.ask_all(works).await;
        assert_eq!(done[0].failure().reason, Reason::Timeout, "{name}");
        assert!(done[0].failure().detail.contains("check device address"), "{}", done[0].failure());
        assert!(done[1].end.is_ok(), "{name}: {:?}", done[1].end);
    }
}
