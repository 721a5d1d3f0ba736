//! Snapshots by order: of one meter, or of everybody on its line at the same instant, and read as a profile afterwards.

use collectors::{ProfileRange, TakeSnapshot};

use super::{resets::kept, *};

fn take(everybody: bool) -> Task {
    let terms = Terms { deadline: soon(), in_doubt: false };
    Task::TakeSnapshot(TakeSnapshot { everybody, baseline: kept(), terms })
}

fn snapshots(bench: &Bench, number: usize) -> u64 {
    bench.fleet.meters()[number].counts().actions
}

async fn bench(faults: Vec<FaultRule>) -> Bench {
    Bench::new("generic-dlt645", |_, config| config.faults = faults).await
}

#[tokio::test]
async fn a_snapshot_is_taken_once_and_read_as_a_profile() {
    for fault in [None, Some(Fault::Unanswered(Often::First(1))), Some(Fault::Unexecuted(Often::First(1)))] {
        let rule = |fault| FaultRule { fault, meters: Affected::Numbers(vec![0]) };
        let mut bench = bench(fault.map(rule).into_iter().collect()).await;
        let done = bench.ask(0, take(false)).await;
        assert_eq!(done.outcome(), Outcome::SnapshotTaken, "{fault:?}");
        assert_eq!((snapshots(&bench, 0), snapshots(&bench, 1)), (1, 0), "{fault:?}");
        let (obis, to) = (bench.model.profile("ordered").unwrap().obis, Timestamp::now());
        let range =
            ProfileRange { obis, from: to - SignedDuration::from_mins(10), to, layout: None, last: None };
        let done = bench.ask(0, Task::ReadProfile(range)).await;
        let [(at, values)] = &done.rows()[..] else { panic!("{:?} {:?}", done.events, done.end) };
        assert!(at.as_second() % 60 == 0 && to.duration_since(*at) < SignedDuration::from_mins(2), "{at}");
        let held = bench.fleet.meters()[0].capture("ordered", *at).unwrap();
        let held: Vec<_> = held.into_iter().map(|value| Some(value % 100_000_000)).collect();
        assert_eq!(*values, held);
    }
}

#[tokio::test]
async fn everybody_on_the_line_takes_one_when_one_is_asked_for() {
    let mut bench = bench(Vec::new()).await;
    let done = bench.ask(0, take(true)).await;
    assert_eq!(done.outcome(), Outcome::SnapshotTaken);
    assert_eq!((snapshots(&bench, 0), snapshots(&bench, 1)), (1, 1));
}

#[tokio::test]
async fn a_meter_that_takes_none_by_order_says_so() {
    for name in ["huabang-triple", "generic-dlt645-1997", "multi-user-modbus", "joy311"] {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let done = bench.ask(0, take(false)).await;
        assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
        assert!(done.failure().detail.contains("take_snapshot"), "{}", done.failure());
    }
}
