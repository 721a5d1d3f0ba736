//! Clocks: put right by a broadcast to everybody on the line where little is missing, and written where much is.

use collectors::SyncClock;
use jiff::tz::Offset;
use models::ClockSync;

use super::*;

/// A zone in which it is about noon, far from midnight.
fn noon() -> TimeZone {
    let hour = Timestamp::now().to_zoned(TimeZone::UTC).hour();
    TimeZone::fixed(Offset::constant(12 - hour))
}

/// Two devices whose clocks are off by so many seconds.
async fn bench(name: &str, off: [i64; 2], can: ClockSync) -> Bench {
    Bench::new(name, |model, config| {
        // Whenever the test runs, no interval ends.
        model.profiles.clear();
        model.clock_sync = Some(can);
        config.zone = noon();
        let rule = |(number, seconds)| FaultRule {
            fault: Fault::ClockOff(seconds),
            meters: Affected::Numbers(vec![number]),
        };
        config.faults = (0..).zip(off).map(rule).collect();
    })
    .await
}

async fn sync(bench: &mut Bench, number: usize) -> Done {
    let terms = Terms { deadline: soon(), in_doubt: false };
    let order = SyncClock { tolerance: SignedDuration::from_secs(2), across_boundaries: true, terms };
    let station = Station { zone: noon(), ..bench.station(number) };
    bench.ask_all(vec![(station, Task::SyncClock(order))]).await.remove(0)
}

fn off(bench: &Bench) -> [bool; 2] {
    [0, 1].map(|number| bench.fleet.meters()[number].clock_ahead().abs() > 2)
}

const BOTH: ClockSync = ClockSync { shift: true, set: true };

#[tokio::test]
async fn a_small_difference_is_told_to_everybody_on_the_line() {
    for name in ["generic-dlt645", "generic-dlt645-1997"] {
        let mut bench = bench(name, [90, -200], BOTH).await;
        assert_eq!(off(&bench), [true, true]);
        let done = sync(&mut bench, 0).await;
        assert_eq!(done.outcome(), Outcome::ClockRight, "{name}");
        assert_eq!(off(&bench), [false, false], "{name}");
    }
}

#[tokio::test]
async fn a_large_difference_is_written_to_the_meter_alone() {
    for name in ["generic-dlt645", "generic-dlt645-1997"] {
        for seconds in [3_600, -86_400 * 3] {
            let mut bench = bench(name, [seconds, 400], BOTH).await;
            let done = sync(&mut bench, 0).await;
            assert_eq!(done.outcome(), Outcome::ClockRight, "{name} {seconds}");
            assert_eq!(off(&bench), [false, true], "{name} {seconds}");
        }
    }
}

#[tokio::test]
async fn what_is_too_much_for_a_broadcast_is_told_once_and_named() {
    let mut bench = bench("generic-dlt645", [400, 0], ClockSync { shift: true, set: false }).await;
    let done = sync(&mut bench, 0).await;
    assert_eq!(done.failure().reason, Reason::NotEffective);
    assert!(done.failure().detail.contains("once a day"), "{}", done.failure());
    assert_eq!(off(&bench), [true, false]);
}

#[tokio::test]
async fn a_language_that_sets_no_clock_says_so() {
    for name in ["multi-user-modbus", "joy311"] {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let done = sync(&mut bench, 0).await;
        assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
    }
}
