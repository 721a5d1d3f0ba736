//! Seeded simulation of the reader: one meter, one channel, one bad line, random works.
//!
//! A failure is, for any seed:
//! - a work that does not end exactly once, or a report behind its end;
//! - a capture, register, clock, identity or layout that is not the meter's;
//! - a work that ends well while captures of its range are missing, or captures out of order; the same instant may come
//!   twice when its content is the same;
//! - a work that fails for a reason that neither the faults on the line nor the work itself explain;
//! - an invocation counter that the meter has seen, or a lower one; two connections that talk at once;
//! - more connections, requests or virtual time than faults and rows explain (`cost` in `simulation/oracle.rs`).
//!
//! No failure is: a work that fails while the line is bad; any reason of failure after an octet was damaged, because what is
//! damaged may be the meter's refusal; a capture without offset where the meter left its time out.
//!
//! Left out: octets damaged without authentication, which nobody can notice; rows sorted by a value; a meter that says neither
//! deviation nor summer bit and misses rows or captures events in the repeated hour.
//!
//! Not deterministic: nothing that is known of. Tokio runs on one thread with its clock paused; its `select!` without
//! `biased` starts at a random branch, and none is used here or in the channel. Run again, a seed does the same, unless the
//! time zone database changes.
//!
//! `SIMULATION_SEED=n` runs one seed and prints what it means; `SIMULATION_SEEDS=a..b` runs others than the usual ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod simulation {
    pub(crate) mod line;
    pub(crate) mod meter;
    pub(crate) mod oracle;
    pub(crate) mod plan;
    pub(crate) mod rng;
}

use std::{
    env,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use collectors::{Channel, Clock, Dialer, Event, Limits, MemoryDialer, Seed, Station, Work};
use dlms::client::Counters;
use tokio::{
    runtime::Builder,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use simulation::{
    line::{Seen, World, play},
    oracle::{Timed, judge},
    plan::{self, Order, Plan},
    rng::Rng,
};

/// Virtual time after which a seed counts as hung.
const HUNG: Duration = Duration::from_secs(30 * 86_400);

#[test]
fn whatever_the_line_does_the_reports_are_true_and_complete() {
    let one = env::var("SIMULATION_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or_else(usual, |seed| seed..seed + 1);
    let (mut good, mut bad, mut failed) = (0, 0, Vec::new());
    for seed in seeds {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (wrong, text, ends) = runtime.block_on(simulate(seed));
        good += ends.0;
        bad += ends.1;
        if one.is_some() || (!wrong.is_empty() && failed.len() < 3) {
            println!("{text}");
        }
        if !wrong.is_empty() {
            println!("SIMULATION_SEED={seed}: {wrong:#?}");
            failed.push(seed);
        }
    }
    println!("{good} works ended well, {bad} failed");
    assert!(failed.is_empty(), "seeds {failed:?} are wrong");
    assert!(
        one.is_some() || (good > 0 && bad > 0),
        "{good} works ended well, {bad} failed: nothing was tried"
    );
}

fn usual() -> Range<u64> {
    let Ok(text) = env::var("SIMULATION_SEEDS") else { return 0..500 };
    let (first, end) = text.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

/// What is wrong, the story of the seed, and how many works ended well and not.
async fn simulate(seed: u64) -> (Vec<String>, String, (u32, u32)) {
    let mut rng = Rng::new(seed);
    let (plan, meter) = plan::make(&mut rng);
    let station = Arc::new(plan::station(&plan, &meter));
    let wall: Arc<dyn Clock> = meter.wall.clone();
    let world = World { meter, weather: plan.weather.clone(), rng, seen: Seen::default() };
    let world = Arc::new(Mutex::new(world));
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&world), lines));
    let began = Instant::now();
    let (reports, mut outcome) = mpsc::channel(4);
    let mut all: Vec<Timed> = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            all.push((Instant::now(), report));
        }
    };
    let drive = give(&plan, &station, reports, Dialer::Memory(dialer), wall);
    let is_hung = timeout(HUNG, async { tokio::join!(drive, gather) }).await.is_err();
    let elapsed = began.elapsed();
    player.abort();
    let world = world.lock().unwrap();
    let mut wrong = judge(&plan, &world, &all, elapsed);
    if is_hung {
        wrong.push("the channel hangs".into());
    }
    let ends = all.iter().fold((0, 0), |(good, bad), (_, report)| match report.event {
        Event::Ended(Ok(_)) => (good + 1, bad),
        Event::Ended(Err(_)) => (good, bad + 1),
        _ => (good, bad),
    });
    (wrong, story(seed, &plan, &world, &all, began), ends)
}

/// Hands the works over; to a new channel when the one before has ended.
async fn give(
    plan: &Plan,
    station: &Arc<Station>,
    reports: mpsc::Sender<collectors::Report>,
    dialer: Dialer,
    wall: Arc<dyn Clock>,
) {
    let mut orders = plan.orders.iter();
    let mut left = None;
    let mut first = 1;
    loop {
        let (sender, receiver) = mpsc::channel(8);
        let channel = Channel::with(Limits::default(), reports.clone(), dialer.clone(), Arc::clone(&wall));
        let feed = async {
            if let Some(work) = left.take() {
                sender.send(work).await.expect("a new channel takes work");
            }
            for order in orders.by_ref() {
                sleep(order.pause).await;
                let work = work(order, station, &mut first);
                if let Err(back) = sender.send(work).await {
                    left = Some(back.0);
                    break;
                }
            }
            drop(sender);
        };
        tokio::join!(channel.run(receiver), feed);
        if left.is_none() {
            return;
        }
    }
}

fn work(order: &Order, station: &Arc<Station>, first: &mut u32) -> Work {
    let counters = Counters::new(*first, *first + order.counters);
    *first += order.counters;
    Work {
        job: order.job,
        station: Arc::clone(station),
        counters: Some(counters),
        seed: Seed::new([42; 32]),
        task: order.task.clone(),
        priority: order.priority,
        span: tracing::Span::none(),
    }
}

fn story(seed: u64, plan: &Plan, world: &World, reports: &[Timed], began: Instant) -> String {
    let meter = &world.meter;
    let mut text = format!(
        "seed {seed}: {:?}, PDU {}, parts {}, {:?}, {:?}, {:?}, implied {}, newest first {}, period {}, {} columns, {} rows, zone {:?}, {:?}\n",
        meter.level,
        plan.pdu,
        plan.max_rows,
        plan.range_deviation,
        meter.times,
        meter.null_rule,
        meter.implied,
        meter.newest_first,
        meter.period_s,
        meter.captures.len(),
        meter.rows.len(),
        meter.zone.iana_name(),
        plan.weather,
    );
    for order in &plan.orders {
        let task = match &order.task {
            collectors::Task::ReadProfile(range) => {
                format!("{} to {}, layout {}", range.from, range.to, range.layout.is_some())
            }
            other => format!("{other:?}"),
        };
        let Order { job, pause, priority, counters, is_stale, .. } = order;
        text += &format!(
            "  job {job} after {pause:?}, priority {priority}, counters {counters}, stale {is_stale}: {task}\n"
        );
    }
    let mut events: Vec<_> =
        world.seen.faults.iter().map(|(at, fault)| (*at, format!("{fault:?}"))).collect();
    events.extend(reports.iter().map(|(at, report)| match &report.event {
        Event::Captures(captures) => {
            let ends = (captures.at.first().copied(), captures.at.last().copied());
            (*at, format!("job {}: {} captures {ends:?}", report.job, captures.at.len()))
        }
        Event::Layout(_) => (*at, format!("job {}: layout", report.job)),
        event => (*at, format!("job {}: {event:?}", report.job)),
    }));
    events.sort_by_key(|(at, _)| *at);
    events.iter().for_each(|(at, event)| text += &format!("  {:>10.3?} {event}\n", at.duration_since(began)));
    text
}
