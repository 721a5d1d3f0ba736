//! Resets that a counter shows: ordered once, whatever gets lost and however many attempts it takes.

use std::sync::{Mutex, PoisonError};

use collectors::{Baseline, BaselineError, BaselineKeeper, KeptBaseline, Reset, ResetOf};

use super::*;

/// What is kept of an order as long as the process lives.
#[derive(Debug, Default)]
struct Kept(Mutex<Option<i64>>);

impl BaselineKeeper for Kept {
    fn keep(&self, shown: i64) -> KeptBaseline<'_> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(shown);
        Box::pin(async move { Ok(kept) })
    }
}

/// A baseline that nothing was kept of yet.
pub(super) fn kept() -> Baseline {
    Baseline::new(Kept::default())
}

/// A store that is away.
#[derive(Debug)]
struct Away;

impl BaselineKeeper for Away {
    fn keep(&self, _: i64) -> KeptBaseline<'_> {
        Box::pin(async { Err(BaselineError::Unavailable("away".into())) })
    }
}

fn reset(of: ResetOf, baseline: &Baseline, in_doubt: bool) -> Task {
    Task::Reset(Reset { of, baseline: baseline.clone(), terms: Terms { deadline: soon(), in_doubt } })
}

/// Both ways: a meter that speaks DL/T 645, and one that speaks DLMS.
async fn benches(faults: Vec<FaultRule>) -> [(Bench, Station, ResetOf); 2] {
    let plain = Bench::new("generic-dlt645", |model, config| {
        model.billing.as_mut().unwrap().settle = Duration::from_millis(100);
        config.faults = faults.clone();
    })
    .await;
    let mut model = Model::clone(&models::builtin().unwrap()["sm306"]);
    model.billing.as_mut().unwrap().settle = Duration::from_millis(100);
    let model = Arc::new(model);
    let config = FleetConfig { security: Security::Lls, faults, ..FleetConfig::new(Arc::clone(&model)) };
    let fleet = Fleet::start(config).await.unwrap();
    let meter = &fleet.meters()[0];
    let station = Station {
        meter: 1,
        address: fleet.addresses()[0].to_string().parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap: model.association.client_sap_lls,
        credentials: Credentials::lls(Password::new(meter.secrets().password.as_bytes())),
        model: Arc::clone(&model),
        serial: Some(meter.serial()),
        zone: TimeZone::UTC,
    };
    let first = plain.station(0);
    [(plain, first, ResetOf::Demand), (Bench { model, fleet }, station, ResetOf::BillingPeriod)]
}

async fn ask(station: &Station, task: Task) -> Done {
    let limits = Limits {
        response_timeout: Duration::from_millis(500),
        retry_pause: Duration::from_millis(10),
        linger: Duration::from_millis(10),
        ..Limits::default()
    };
    collect(vec![(station.clone(), task)], limits).await.remove(0)
}

fn outcome(of: ResetOf) -> Outcome {
    match of {
        ResetOf::BillingPeriod => Outcome::BillingPeriodClosed,
        ResetOf::Demand => Outcome::DemandReset,
    }
}

#[tokio::test]
async fn sen_22_ble_04_a_reset_is_ordered_once_whatever_gets_lost() {
    for fault in [None, Some(Fault::Unanswered(Often::First(1))), Some(Fault::Unexecuted(Often::First(1)))] {
        let rule = fault.map(|fault| FaultRule { fault, meters: Affected::Numbers((0..100).collect()) });
        for (bench, station, of) in benches(rule.into_iter().collect()).await {
            let baseline = Baseline::new(Kept::default());
            let done = ask(&station, reset(of, &baseline, false)).await;
            assert_eq!(done.outcome(), outcome(of), "{fault:?} {}", bench.model.name);
            // Another attempt of the same order, as after a crash: nothing more is sent.
            let again = ask(&station, reset(of, &baseline, true)).await;
            assert_eq!(again.outcome(), outcome(of), "{fault:?} {}", bench.model.name);
            assert_eq!(bench.fleet.meters()[0].resets(), 1, "{fault:?} {}", bench.model.name);
            // Another order is another reset.
            let other = Baseline::new(Kept::default());
            assert_eq!(ask(&station, reset(of, &other, false)).await.outcome(), outcome(of));
            assert_eq!(bench.fleet.meters()[0].resets(), 2, "{fault:?} {}", bench.model.name);
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_counter_is_kept() {
    for (bench, station, of) in benches(Vec::new()).await {
        let done = ask(&station, reset(of, &Baseline::new(Away), false)).await;
        assert_eq!(done.failure().reason, Reason::Cancelled, "{}", done.failure());
        assert!(done.failure().detail.contains("Nothing was sent"), "{}", done.failure());
        assert_eq!(bench.fleet.meters()[0].counts().actions, 0, "{}", bench.model.name);
    }
}

#[tokio::test]
async fn what_a_model_cannot_reset_is_refused_by_its_name() {
    for name in ["huabang-triple", "multi-user-modbus", "joy311"] {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let last = bench.last();
        for of in [ResetOf::BillingPeriod, ResetOf::Demand] {
            let done = bench.ask(last, reset(of, &Baseline::new(Kept::default()), false)).await;
            assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
        }
    }
}
