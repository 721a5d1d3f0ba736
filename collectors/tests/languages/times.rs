//! Times of the day at which a meter switches its household by itself, where a driver has them.

use collectors::SetTimes;
use models::{DayTime, DayTimes};

use super::*;

const MODELS: [&str; 2] = ["huabang-dual", "multi-user-dlt645"];

/// So many times, half an hour apart, on and off by turns.
fn times(count: u16) -> DayTimes {
    DayTimes((0..count).map(|place| DayTime { minute: 300 + place * 30, on: place % 2 == 0 }).collect())
}

fn set(times: DayTimes) -> Task {
    Task::SetTimes(SetTimes { times, terms: Terms { deadline: soon(), in_doubt: false } })
}

#[tokio::test]
async fn hb_12_twelve_times_are_set_at_once_and_read_back() {
    for model in MODELS {
        let mut bench = Bench::new(model, |_, _| {}).await;
        let last = bench.last();
        // What is as ordered is left alone; none are none.
        for (count, sets) in [(12, 1), (12, 1), (2, 2), (0, 3), (0, 3)] {
            let done = bench.ask(last, set(times(count))).await;
            assert_eq!(done.outcome(), Outcome::TimesSet, "{model} {count}");
            assert_eq!(bench.fleet.meters()[last].counts().sets, sets, "{model} {count}");
            let table = bench.fleet.meters()[last].times();
            let place =
                |place: usize| [1 + (place % 2) as u8, (place % 2) as u8 * 0x30, 0x05 + (place / 2) as u8];
            let expected: Vec<u8> = match usize::from(count) {
                0 => vec![0; 36],
                // Places that are left repeat the last slot.
                count => (0..12).flat_map(|at| bcd(place(at.min(count - 1)))).collect(),
            };
            assert_eq!(table, expected, "{model} {count}");
        }
        assert_eq!(bench.fleet.counts().sets, 3, "{model}: nobody else was written to");
    }
}

/// A slot whose hour is 5 to 10.
fn bcd([number, minute, hour]: [u8; 3]) -> [u8; 3] {
    [number, minute, hour / 10 * 16 + hour % 10]
}

#[tokio::test]
async fn hb_12_thirteen_times_and_those_that_overlap_or_are_out_of_order_are_never_sent() {
    for model in MODELS {
        let mut bench = Bench::new(model, |_, _| {}).await;
        let last = bench.last();
        let at = |minutes: [u16; 2]| DayTimes(minutes.map(|minute| DayTime { minute, on: true }).to_vec());
        for (times, said) in [
            (times(13), "13 times are too many"),
            (at([390, 390]), "overlaps"),
            (at([391, 390]), "ordered from midnight on"),
            (at([0, 1440]), "none of a day"),
        ] {
            let done = bench.ask(last, set(times)).await;
            assert_eq!(done.failure().reason, Reason::Unsupported, "{model}");
            let detail = &done.failure().detail;
            assert!(detail.contains("Nothing was sent") && detail.contains(said), "{detail}");
        }
        assert_eq!(bench.fleet.counts().sets, 0, "{model}");
    }
}

#[tokio::test]
async fn hb_12_a_lost_answer_to_times_is_resolved_by_reading() {
    for fault in [Fault::Unanswered(Often::First(1)), Fault::Unexecuted(Often::First(1))] {
        let rule = FaultRule { fault, meters: Affected::Numbers((0..100).collect()) };
        let mut bench = Bench::new("huabang-dual", |_, config| config.faults = vec![rule]).await;
        let last = bench.last();
        assert_eq!(bench.ask(last, set(times(4))).await.outcome(), Outcome::TimesSet, "{fault:?}");
        assert_eq!(bench.fleet.meters()[last].counts().sets, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn hb_15_a_circuit_that_can_only_be_switched_has_no_times() {
    for model in ["huabang-dual-switched", "multi-user-modbus"] {
        let mut bench = Bench::new(model, |_, _| {}).await;
        let last = bench.last();
        let done = bench.ask(last, set(times(2))).await;
        assert_eq!(done.failure().reason, Reason::Unsupported, "{model}");
        assert!(done.failure().detail.contains("set_times"), "{}", done.failure());
        assert_eq!(bench.ask(last, order(Disconnected)).await.outcome(), Outcome::Disconnected, "{model}");
    }
}
