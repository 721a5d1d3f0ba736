//! Orders to the load switch against the simulator: what is said to have come of them is held against the meter's own ledger, also where
//! answers get lost, the relay is slow or stuck, and the meter was tampered with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

use std::{sync::Arc, time::Duration};

use collectors::{
    Channel, Credentials, Event, Failure, Limits, Outcome, Reason, Report, Seed, Station, Switch, SwitchTo,
    Task, Terms, Work,
};
use dlms::client::{Counters, GlobalKeys, Key, SystemTitle};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::{DlmsSwitch, Model, SwitchPlace};
use simulator::{
    Affected, ControlState, Fault, FaultRule, Fleet, FleetConfig, Meter, Often, Security, SwitchConfig,
};
use tokio::sync::mpsc;

use SwitchTo::{Connected, Disconnected};

/// One meter, and how often it was attempted to carry something out on it.
struct Bench {
    model: Arc<Model>,
    fleet: Fleet,
    attempts: u32,
}

impl Bench {
    async fn new(switch: SwitchConfig, faults: &[Fault]) -> Self {
        Self::with(switch, faults, None).await
    }

    /// With a load switch that is a data object, with these numbers.
    async fn with(switch: SwitchConfig, faults: &[Fault], numbers: Option<DlmsSwitch>) -> Self {
        let faults =
            faults.iter().map(|fault| FaultRule { fault: *fault, meters: Affected::Numbers(vec![0]) });
        let mut model = Model::clone(&models::builtin().unwrap()["sed302"]);
        let spec = model.switch.as_mut().unwrap();
        spec.settle = switch.delay * 2 + Duration::from_millis(50);
        if numbers.is_some() {
            (spec.obis, spec.tamper_lock) = ("0.0.128.30.21.255".parse().unwrap(), None);
            spec.at = numbers.map(SwitchPlace::Dlms);
        }
        let model = Arc::new(model);
        let config = FleetConfig {
            security: Security::Gmac,
            switch,
            faults: faults.collect(),
            seed: 11,
            ..FleetConfig::new(Arc::clone(&model))
        };
        Self { model, fleet: Fleet::start(config).await.unwrap(), attempts: 0 }
    }

    fn meter(&self) -> &Meter {
        &self.fleet.meters()[0]
    }

    fn moves(&self) -> Vec<bool> {
        self.meter().ledger().relay_moves().map(|(_, closed)| closed).collect()
    }

    async fn switch(&mut self, to: SwitchTo) -> Result<Outcome, Failure> {
        let terms = Terms { deadline: soon(), in_doubt: false };
        self.attempt(Task::Switch(Switch { to, force: false, terms })).await
    }

    /// One attempt on a channel of its own, as after a restart.
    async fn attempt(&mut self, task: Task) -> Result<Outcome, Failure> {
        self.attempts += 1;
        let first = self.attempts * 1000;
        let work = Work {
            job: self.attempts.into(),
            station: Arc::new(self.station()),
            counters: Some(Counters::new(first, first + 1000)),
            seed: Seed::new([42; 32]),
            task,
            priority: 0,
            span: tracing::Span::none(),
        };
        let (reports, mut reported) = mpsc::channel::<Report>(64);
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(work).unwrap();
        drop(sender);
        let limits = Limits {
            response_timeout: Duration::from_millis(100),
            linger: Duration::ZERO,
            retry_pause: Duration::from_millis(1),
            ..Limits::default()
        };
        let gather = async {
            let mut ended = None;
            while let Some(report) = reported.recv().await {
                if let Event::Ended(end) = report.event {
                    ended = Some(end);
                }
            }
            ended.expect("the work ends")
        };
        let ((), ended) = tokio::join!(Channel::new(limits, reports).run(receiver), gather);
        ended.map(|covered| covered.outcome.expect("an order has an outcome"))
    }

    fn station(&self) -> Station {
        let (secrets, model) = (self.meter().secrets(), Arc::clone(&self.model));
        Station {
            meter: 1,
            address: self.fleet.addresses()[0].to_string().parse().unwrap(),
            device_address: None,
            subunit: None,
            via: None,
            server_sap: model.association.server_sap,
            client_sap: model.association.client_sap_hls,
            credentials: Credentials::gmac(
                SystemTitle::new(*b"HEAD\0\0\0\x01"),
                GlobalKeys::of_suite_0(
                    Key::new(secrets.encryption_key),
                    Key::new(secrets.authentication_key),
                ),
            ),
            serial: Some(self.meter().serial()),
            model,
            zone: TimeZone::UTC,
        }
    }
}

fn soon() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(5)
}

fn mode(control_mode: u8) -> SwitchConfig {
    SwitchConfig { control_mode, ..SwitchConfig::default() }
}

fn reason(result: Result<Outcome, Failure>) -> Reason {
    result.expect_err("the order fails").reason
}

#[tokio::test]
async fn the_relay_moves_once_for_each_order_that_changes_something() {
    let mut bench = Bench::new(mode(4), &[]).await;
    for (to, outcome) in [
        (Disconnected, Outcome::Disconnected),
        (Disconnected, Outcome::Disconnected),
        (Connected, Outcome::Connected),
        (Connected, Outcome::Connected),
    ] {
        assert_eq!(bench.switch(to).await, Ok(outcome));
    }
    assert_eq!(bench.moves(), [false, true]);
    let counts = bench.meter().counts();
    assert_eq!((counts.actions, counts.counters_repeated), (2, 0), "what is as ordered is left alone");
}

/// MT-12: which number connects is a matter of the model.
#[tokio::test]
async fn mt_12_a_load_switch_that_is_a_data_object_moves_as_its_model_says() {
    for numbers in
        [DlmsSwitch { connected: 1, disconnected: 0 }, DlmsSwitch { connected: 0, disconnected: 1 }]
    {
        let mut bench = Bench::with(mode(4), &[], Some(numbers)).await;
        for (to, outcome) in [
            (Connected, Outcome::Connected),
            (Disconnected, Outcome::Disconnected),
            (Disconnected, Outcome::Disconnected),
            (Connected, Outcome::Connected),
        ] {
            assert_eq!(bench.switch(to).await, Ok(outcome), "{numbers:?}");
        }
        assert_eq!(bench.moves(), [false, true], "{numbers:?}");
    }
    let one = DlmsSwitch { connected: 1, disconnected: 0 };
    let mut bench = Bench::with(mode(4), &[Fault::Welded], Some(one)).await;
    assert_eq!(reason(bench.switch(Disconnected).await), Reason::NotEffective);
    bench.model = Arc::new({
        let mut model = Model::clone(&bench.model);
        let numbers = DlmsSwitch { connected: 2, disconnected: 0 };
        model.switch.as_mut().unwrap().at = Some(SwitchPlace::Dlms(numbers));
        model
    });
    let failure = bench.switch(Disconnected).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Unsupported);
    assert!(failure.detail.contains("shows 1"), "{}", failure.detail);
}

#[tokio::test]
async fn where_a_button_closes_the_relay_it_is_only_made_ready() {
    let mut bench = Bench::new(mode(3), &[]).await;
    assert_eq!(bench.switch(Disconnected).await, Ok(Outcome::Disconnected));
    assert_eq!(bench.switch(Connected).await, Ok(Outcome::ReadyForReconnection));
    assert_eq!(bench.meter().control_state(), ControlState::ReadyForReconnection);
    bench.meter().press_button();
    assert_eq!(bench.switch(Connected).await, Ok(Outcome::Connected));
    assert_eq!(bench.moves(), [false, true]);
}

#[tokio::test]
async fn a_switch_that_nobody_may_move_is_not_asked_to() {
    let mut bench = Bench::new(mode(0), &[]).await;
    assert_eq!(reason(bench.switch(Disconnected).await), Reason::Unsupported);
    assert_eq!(bench.meter().counts().actions, 0);
}

#[tokio::test]
async fn a_meter_that_says_yes_and_does_not_switch_is_not_believed() {
    let mut bench = Bench::new(mode(4), &[Fault::Welded]).await;
    assert_eq!(reason(bench.switch(Disconnected).await), Reason::NotEffective);
    assert!(bench.meter().connected());
}

#[tokio::test]
async fn a_relay_that_takes_its_time_is_waited_for() {
    let delay = Duration::from_millis(700);
    let mut bench = Bench::new(SwitchConfig { delay, ..mode(4) }, &[]).await;
    assert_eq!(bench.switch(Disconnected).await, Ok(Outcome::Disconnected));
    assert_eq!((bench.moves(), bench.meter().connected()), (vec![false], false));
}

#[tokio::test]
async fn a_lock_is_released_by_its_own_order_alone() {
    let mut bench = Bench::new(mode(4), &[Fault::Tampered]).await;
    assert_eq!(reason(bench.switch(Connected).await), Reason::MeterRefused);
    assert!(bench.moves().is_empty());
    let terms = Terms { deadline: soon(), in_doubt: false };
    for _ in 0..2 {
        assert_eq!(bench.attempt(Task::ReleaseTamperLock(terms)).await, Ok(Outcome::LockReleased));
    }
    assert_eq!((bench.moves(), bench.meter().counts().sets), (vec![true], 1));
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let mut bench = Bench::new(mode(4), &[]).await;
    let terms = Terms { deadline: Timestamp::now() - SignedDuration::from_secs(1), in_doubt: false };
    let late = bench.attempt(Task::Switch(Switch { to: Disconnected, force: false, terms })).await;
    assert_eq!(reason(late), Reason::DeadlinePassed);
    assert_eq!(bench.meter().counts().actions, 0);
}

/// Half of the orders lose their answer after the relay moved or before, and one answer in ten of all gets lost.
#[tokio::test]
async fn lost_answers_never_lead_to_a_wrong_outcome() {
    let often = Often::SharePpm;
    let faults = [
        Fault::Unanswered(often(250_000)),
        Fault::Unexecuted(often(250_000)),
        Fault::Dropped(often(100_000)),
    ];
    let mut bench = Bench::new(mode(4), &faults).await;
    for order in 0..20 {
        let to = if order % 2 == 0 { Disconnected } else { Connected };
        let mut in_doubt = false;
        let outcome = loop {
            let terms = Terms { deadline: soon(), in_doubt };
            match bench.attempt(Task::Switch(Switch { to, force: false, terms })).await {
                Ok(outcome) => break outcome,
                Err(failure) => in_doubt = failure.in_doubt,
            }
        };
        assert_eq!(outcome == Outcome::Connected, bench.meter().connected(), "order {order}");
        assert_eq!(bench.moves().len(), order + 1, "the relay moved once");
    }
    assert_eq!(bench.meter().counts().counters_repeated, 0);
    assert_eq!(
        bench.meter().counts().actions,
        20,
        "what was carried out without an answer is not sent again"
    );
}
