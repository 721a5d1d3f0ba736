//! Tariffs against the simulator: what rules in the meter afterwards is held against what was ordered, and its ledger tells how often
//! something was activated, also where orders and answers get lost and a meter keeps nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

use std::{sync::Arc, time::Duration};

use collectors::{
    Activation, Channel, Credentials, Event, Failure, Limits, Outcome, PushTariff, Reason, Report, Seed,
    Station, Task, Terms, Work,
};
use dlms::{
    DateTime,
    client::{Counters, GlobalKeys, Key, SystemTitle},
    cosem::{
        Form,
        activity_calendar::{Action, Calendar, Day, Season, Week},
        special_days::SpecialDay,
    },
};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use models::Model;
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Often, Security};
use tokio::sync::mpsc;

/// One meter, and how often it was attempted to carry something out on it.
struct Bench {
    model: Arc<Model>,
    fleet: Fleet,
    attempts: u32,
}

impl Bench {
    async fn new(dates: Form, faults: &[Fault]) -> Self {
        let faults =
            faults.iter().map(|fault| FaultRule { fault: *fault, meters: Affected::Numbers(vec![0]) });
        let mut model = Model::clone(&models::builtin().unwrap()["sed302"]);
        model.tariff.as_mut().unwrap().dates = dates;
        // Short messages, so that a calendar takes blocks.
        model.association.max_pdu = 128;
        let model = Arc::new(model);
        let config = FleetConfig {
            security: Security::Gmac,
            faults: faults.collect(),
            seed: 11,
            ..FleetConfig::new(Arc::clone(&model))
        };
        Self { model, fleet: Fleet::start(config).await.unwrap(), attempts: 0 }
    }

    fn active(&self) -> Calendar {
        self.fleet.meters()[0].calendar()
    }

    fn activations(&self) -> u64 {
        self.fleet.meters()[0].counts().tariffs_activated
    }

    fn sets(&self) -> u64 {
        self.fleet.meters()[0].counts().sets
    }

    /// One attempt on a channel of its own, as after a restart.
    async fn push(&mut self, tariff: &PushTariff) -> Result<Outcome, Failure> {
        self.attempts += 1;
        let first = self.attempts * 1000;
        let work = Work {
            job: self.attempts.into(),
            station: Arc::new(self.station()),
            counters: Some(Counters::new(first, first + 1000)),
            seed: Seed::new([42; 32]),
            task: Task::PushTariff(Box::new(tariff.clone())),
            priority: 0,
            span: tracing::Span::none(),
        };
        let (reports, mut reported) = mpsc::channel::<Report>(256);
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(work).unwrap();
        drop(sender);
        let limits = Limits {
            response_timeout: Duration::from_millis(200),
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
        let (meter, model) = (&self.fleet.meters()[0], Arc::clone(&self.model));
        let secrets = meter.secrets();
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
            serial: Some(meter.serial()),
            model,
            zone: TimeZone::UTC,
        }
    }
}

/// A calendar as large as the model takes it, under this name.
fn calendar(name: &str) -> Calendar {
    let script = "0.0.10.0.100.255".parse().unwrap();
    let action = |hour: u8| Action { start: [hour * 3, 0, 0, 0], script, selector: u16::from(hour) % 4 + 1 };
    let start = |month| DateTime::new([0xFF, 0xFF, month, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0]);
    let season = |number: u8| Season {
        name: vec![b'S', b'0' + number],
        start: start(number * 3),
        week: vec![b'W', b'0' + number],
    };
    Calendar {
        name: name.as_bytes().to_vec(),
        seasons: (1..=4).map(season).collect(),
        weeks: (1..=4).map(|number| Week { name: vec![b'W', b'0' + number], days: [number; 7] }).collect(),
        days: (1..=4).map(|id| Day { id, actions: (0..8).map(action).collect() }).collect(),
    }
}

fn now(name: &str) -> PushTariff {
    let special_days = (1..=20)
        .map(|day: u8| SpecialDay { index: day.into(), date: [0xFF, 0xFF, 5, day, 0xFF], day: day % 4 + 1 })
        .collect();
    let deadline = Timestamp::now() + SignedDuration::from_mins(15);
    let terms = Terms { deadline, in_doubt: false };
    PushTariff { calendar: calendar(name), special_days, activation: Activation::Now, terms }
}

#[tokio::test]
async fn a_full_tariff_goes_in_blocks_in_the_form_that_the_meter_wants() {
    for dates in [Form::Octets, Form::Typed] {
        let mut bench = Bench::new(dates, &[]).await;
        assert_eq!(bench.push(&now("FULL")).await, Ok(Outcome::TariffActive));
        assert_eq!((bench.active(), bench.activations()), (calendar("FULL"), 1));
        let sets = bench.sets();
        assert_eq!(bench.push(&now("FULL")).await, Ok(Outcome::TariffActive));
        assert_eq!((bench.sets(), bench.activations()), (sets, 1), "what rules already is left alone");
    }
}

#[tokio::test]
async fn lost_orders_and_lost_answers_are_resolved_by_reading() {
    for fault in [Fault::Unexecuted(Often::First(3)), Fault::Unanswered(Often::First(3))] {
        let mut bench = Bench::new(Form::Octets, &[fault]).await;
        assert_eq!(bench.push(&now("LOST")).await, Ok(Outcome::TariffActive), "{fault:?}");
        assert_eq!((bench.active(), bench.activations()), (calendar("LOST"), 1), "{fault:?}");
    }
    // Every answer to an order is lost, that to the activation, too.
    let mut bench = Bench::new(Form::Octets, &[Fault::Unanswered(Often::First(u32::MAX))]).await;
    assert_eq!(bench.push(&now("LOST")).await, Ok(Outcome::TariffActive));
    assert_eq!((bench.active(), bench.activations()), (calendar("LOST"), 1));
}

#[tokio::test]
async fn attempts_that_are_cut_off_everywhere_lead_to_the_end() {
    let mut bench = Bench::new(Form::Octets, &[Fault::Dropped(Often::SharePpm(60_000))]).await;
    let before = bench.active();
    for _ in 0..40 {
        let outcome = bench.push(&now("CUT")).await;
        let rules = bench.active();
        assert!(rules == before || rules == calendar("CUT"), "{rules:?}");
        match outcome {
            Ok(outcome) => {
                assert_eq!((outcome, &rules), (Outcome::TariffActive, &calendar("CUT")));
                return;
            }
            Err(failure) => assert!(failure.reason.is_transient(), "{failure}"),
        }
    }
    panic!("no attempt came to the end");
}

#[tokio::test]
async fn a_meter_that_says_yes_and_keeps_nothing_is_found_out() {
    let mut bench = Bench::new(Form::Octets, &[Fault::TariffNotKept]).await;
    let before = bench.active();
    let failure = bench.push(&now("GONE")).await.unwrap_err();
    assert_eq!((failure.reason, failure.in_doubt), (Reason::NotEffective, false), "{}", failure.detail);
    assert!(
        failure.detail.contains("day 1: the meter holds none, wanted is 00:00 script 1"),
        "{}",
        failure.detail
    );
    assert_eq!((bench.active(), bench.activations()), (before, 0));
}

#[tokio::test]
async fn nothing_is_written_after_the_deadline() {
    let mut bench = Bench::new(Form::Octets, &[]).await;
    let mut late = now("LATE");
    late.terms.deadline = Timestamp::now() - SignedDuration::from_secs(1);
    assert_eq!(bench.push(&late).await.unwrap_err().reason, Reason::DeadlinePassed);
    assert_eq!((bench.sets(), bench.activations()), (0, 0));
}

#[tokio::test]
async fn a_tariff_for_later_is_in_the_meter_and_does_not_rule() {
    let mut bench = Bench::new(Form::Octets, &[]).await;
    let before = bench.active();
    let year = civil::Date::from(Timestamp::now().to_zoned(TimeZone::UTC)).year() + 2;
    let mut later = now("LATER");
    later.activation = Activation::At(civil::date(year, 1, 1).at(0, 0, 0, 0));
    // Days of each year lie before the activation; those of its year do not.
    let refused = bench.push(&later).await.unwrap_err();
    assert_eq!((refused.reason, bench.sets()), (Reason::Unsupported, 0), "{}", refused.detail);
    let [high, low] = year.unsigned_abs().to_be_bytes();
    for special in &mut later.special_days {
        special.date[..2].copy_from_slice(&[high, low]);
    }
    assert_eq!(bench.push(&later).await, Ok(Outcome::TariffScheduled));
    assert_eq!((bench.active(), bench.activations()), (before, 0));
}
