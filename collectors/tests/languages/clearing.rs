//! Meters and households that are cleared: once, whatever gets lost, after everything that they held was kept, and nobody else with them.

use std::sync::{Mutex, PoisonError};

use collectors::{BaselineError, Clear, Held, Holdings, HoldingsKeeper, Kept, Part};

use super::*;

/// What is kept of an order as long as the process lives.
#[derive(Debug, Default)]
struct Shelf {
    parts: Vec<Part>,
    /// What was kept each time.
    kept: Mutex<Vec<Vec<Held>>>,
    is_away: bool,
}

/// A handle to it that outlives the order.
#[derive(Debug, Clone, Default)]
struct Keeper(Arc<Shelf>);

impl Keeper {
    fn times(&self) -> Vec<Vec<Held>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HoldingsKeeper for Keeper {
    fn parts(&self) -> Kept<'_, Vec<Part>> {
        Box::pin(async { Ok(self.0.parts.clone()) })
    }

    fn kept(&self) -> Kept<'_, Vec<Held>> {
        Box::pin(async { Ok(self.times().pop().unwrap_or_default()) })
    }

    fn keep(&self, held: Vec<Held>) -> Kept<'_, ()> {
        Box::pin(async move {
            if self.0.is_away {
                return Err(BaselineError::Unavailable("away".into()));
            }
            self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).push(held);
            Ok(())
        })
    }
}

/// A bench whose meters all hold something on their accounts, quick to tell what came of an order.
async fn bench(model: &str, faults: Vec<FaultRule>) -> Bench {
    let bench = Bench::new(model, |model, config| {
        if let Some(clearing) = &mut model.clearing {
            clearing.settle = Duration::from_millis(100);
        }
        config.faults = faults;
    })
    .await;
    for meter in bench.fleet.meters() {
        meter.hold(CREDIT.parse().unwrap(), 250);
    }
    bench
}

const CREDIT: &str = "0.0.128.19.10.255";
const IMPORT: &str = "1.0.1.8.0.255";

/// Active import and what remains of a meter, in its own digits.
fn shown(bench: &Bench, number: usize) -> (i64, i64) {
    let meter = &bench.fleet.meters()[number];
    let register = |obis: &str| meter.register(obis.parse().unwrap()).unwrap();
    (register(IMPORT), register(CREDIT))
}

/// Numbers of the meters that were cleared, each as often as it was.
fn cleared(bench: &Bench) -> Vec<usize> {
    let meters = bench.fleet.meters().iter().enumerate();
    meters.flat_map(|(number, meter)| (0..meter.counts().actions).map(move |_| number)).collect()
}

/// A keeper that knows the sub-units of the meter with this number.
fn keeper(bench: &Bench, number: usize) -> Keeper {
    let households = 1..=usize::from(bench.model.subunits);
    let part = |household: usize| {
        let meter = &bench.fleet.meters()[number + household];
        Part {
            meter: i32::try_from(number + household).unwrap(),
            serial: meter.serial(),
            subunit: meter.subunit().unwrap(),
            device_address: meter.line_address(),
        }
    };
    Keeper(Arc::new(Shelf { parts: households.map(part).collect(), ..Shelf::default() }))
}

fn clear(keeper: &Keeper, in_doubt: bool) -> Task {
    let terms = Terms { deadline: soon(), in_doubt };
    Task::Clear(Clear { holdings: Holdings::new(keeper.clone()), terms })
}

/// What counts as failure: a meter cleared that was not to be, one cleared twice, or one whose registers were not kept before.
#[tokio::test]
async fn hb_14_a_household_is_cleared_and_nobody_else_is() {
    let mut bench = bench("huabang-single", Vec::new()).await;
    let last = bench.last();
    let before: Vec<_> = (0..=last).map(|number| shown(&bench, number)).collect();
    let keeper = Keeper::default();
    let done = bench.ask(last, clear(&keeper, false)).await;
    assert_eq!(done.outcome(), Outcome::Cleared);
    assert_eq!(cleared(&bench), [last]);
    let (import, credit) = shown(&bench, last);
    assert!(import < before[last].0 && credit == 0, "{import} {credit}");
    for (number, before) in before[..last].iter().enumerate() {
        let (import, credit) = shown(&bench, number);
        assert!(import >= before.0 && credit == 250, "meter {number}");
    }
    let [held] = &keeper.times()[..] else { panic!("{:?}", keeper.times()) };
    let own = |obis: &str| held.iter().find(|held| held.value.obis == obis.parse().unwrap()).unwrap();
    assert_eq!(held.len(), 9);
    assert!(held.iter().all(|held| usize::try_from(held.meter).unwrap() == last));
    assert_eq!((own(CREDIT).value.value, own(CREDIT).value.scaler), (250, 1));
    assert!(own(IMPORT).value.value.abs_diff(before[last].0 % 100_000_000) <= 2);
    let told = |what: &str| {
        let findings = done.events.iter().filter_map(|event| match event {
            Event::Found(finding) if finding.what == what => Some(finding.value.clone()),
            _ => None,
        });
        findings.collect::<Vec<_>>()
    };
    let serial = bench.fleet.meters()[last].serial();
    let [held_before] = &told("held before")[..] else { panic!("{:?}", done.events) };
    assert!(held_before.starts_with(&serial), "{held_before}");
    assert!(held_before.contains("remaining energy 2500 Wh"), "{held_before}");
    assert!(told("held after")[0].contains("remaining energy 0 Wh"), "{:?}", told("held after"));
}

#[tokio::test]
async fn hb_14_a_whole_meter_is_cleared_with_its_households_and_its_neighbour_is_not() {
    for (model, own) in [("huabang-triple", 1), ("multi-user-dlt645", 0)] {
        let mut bench = bench(model, Vec::new()).await;
        let households = usize::from(bench.model.subunits);
        let keeper = keeper(&bench, 0);
        let before: Vec<_> = (0..=bench.last()).map(|number| shown(&bench, number)).collect();
        let done = bench.ask(0, clear(&keeper, false)).await;
        assert_eq!(done.outcome(), Outcome::Cleared, "{model}");
        assert_eq!(cleared(&bench), (0..=households).collect::<Vec<_>>(), "{model}");
        for (number, before) in before.iter().enumerate().skip(1) {
            let (import, credit) = shown(&bench, number);
            match number <= households {
                true => assert!(import < before.0 && credit == 0, "{model}: household {number}"),
                false => assert!(import >= before.0 && credit == 250, "{model}: neighbour {number}"),
            }
        }
        let [held] = &keeper.times()[..] else { panic!("{model}: {:?}", keeper.times()) };
        let whose: BTreeSet<_> = held.iter().map(|held| held.meter).collect();
        assert_eq!(whose.len(), households + own, "{model}: all of them were kept");
    }
}

#[tokio::test]
async fn hb_14_a_lost_answer_is_resolved_by_reading_and_nothing_is_cleared_twice() {
    for (fault, kept) in [(Fault::Unanswered(Often::First(1)), 1), (Fault::Unexecuted(Often::First(1)), 2)] {
        let meters = Affected::Numbers((0..100).collect());
        let mut bench = bench("huabang-single", vec![FaultRule { fault, meters }]).await;
        let (last, keeper) = (bench.last(), Keeper::default());
        let done = bench.ask(last, clear(&keeper, false)).await;
        assert_eq!(done.outcome(), Outcome::Cleared, "{fault:?}");
        assert_eq!(cleared(&bench), [last], "{fault:?}");
        assert_eq!(keeper.times().len(), kept, "{fault:?}: once before each time it was sent");
        // Another attempt of the same order, as after a crash.
        let done = bench.ask(last, clear(&keeper, true)).await;
        assert_eq!(done.outcome(), Outcome::Cleared, "{fault:?}");
        assert_eq!((cleared(&bench), keeper.times().len()), (vec![last], kept), "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_is_cleared_before_what_it_holds_is_kept() {
    let mut bench = bench("huabang-single", Vec::new()).await;
    let last = bench.last();
    let away = Keeper(Arc::new(Shelf { is_away: true, ..Shelf::default() }));
    let done = bench.ask(last, clear(&away, false)).await;
    assert_eq!(done.failure().reason, Reason::Cancelled, "{}", done.failure());
    assert!(done.failure().detail.contains("Nothing was sent"), "{}", done.failure());
    // Nor is a meter whose households nobody has entered.
    let mut other = self::bench("multi-user-dlt645", Vec::new()).await;
    let done = other.ask(0, clear(&Keeper::default(), false)).await;
    assert!(done.failure().detail.contains("none of its sub-units"), "{}", done.failure());
    assert_eq!((cleared(&bench), cleared(&other)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn hb_14_what_a_model_does_not_clear_is_refused_by_its_name() {
    // The order of the standard names no household inside of a meter; the others have no order.
    for name in ["multi-user-dlt645", "multi-user-modbus", "generic-dlt645-1997", "joy311"] {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let last = bench.last();
        let done = bench.ask(last, clear(&Keeper::default(), false)).await;
        assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
        assert!(done.failure().detail.contains("cannot do clear"), "{}", done.failure());
        assert_eq!(cleared(&bench), Vec::<usize>::new(), "{name}");
    }
}
