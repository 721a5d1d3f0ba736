//! What must be true of the reports of one seed.

use std::{collections::BTreeMap, time::Duration};

use collectors::{Captures, Covered, Event, Failure, Oddity, ProfileRange, Reason, Report, Task};
use dlms::profile::Column;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    line::{Fault, World},
    meter::{ABSENT, Level, Meter, Row, SERIAL},
    plan::{self, Order, Plan},
};

/// Requests that one work may need besides the blocks of its rows, and that one fault may make necessary again.
const REQUESTS_EXTRA: usize = 80;
/// Time that one fault may cost: connecting, waiting for an answer, pausing, hanging up.
const FAULT_COST: Duration = Duration::from_secs(65);
/// Time that one work may cost without a fault: the pause before it, lingering, taking leave.
const WORK_COST: Duration = Duration::from_secs(30);

/// A report and when it came.
pub(crate) type Timed = (Instant, Report);

/// Names everything that is wrong.
pub(crate) fn judge(plan: &Plan, world: &World, reports: &[Timed], elapsed: Duration) -> Vec<String> {
    let mut wrong = world.seen.broken.clone();
    let mut since = None;
    let mut ends: Vec<_> =
        reports.iter().filter(|(_, report)| matches!(report.event, Event::Ended(_))).collect();
    ends.sort_by_key(|(at, _)| *at);
    for (at, end) in ends {
        let Some(order) = plan.orders.iter().find(|order| order.job == end.job) else {
            wrong.push(format!("job {} was never given", end.job));
            continue;
        };
        let own: Vec<_> =
            reports.iter().map(|(_, report)| report).filter(|report| report.job == order.job).collect();
        wrong.extend(
            work(plan, world, order, &own, (since, *at))
                .into_iter()
                .map(|why| format!("job {}: {why}", order.job)),
        );
        since = Some(*at);
    }
    for order in &plan.orders {
        let is_end =
            |(_, report): &&Timed| report.job == order.job && matches!(report.event, Event::Ended(_));
        let count = reports.iter().filter(is_end).count();
        if count != 1 {
            wrong.push(format!("job {} ended {count} times", order.job));
        }
    }
    wrong.extend(cost(plan, world, elapsed));
    wrong
}

fn work(
    plan: &Plan,
    world: &World,
    order: &Order,
    reports: &[&Report],
    window: (Option<Instant>, Instant),
) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(Event::Ended(outcome)) = reports.last().map(|report| &report.event) else {
        return vec!["something was reported behind the end".into()];
    };
    let meter = &world.meter;
    match (&order.task, outcome) {
        (Task::ReadProfile(range), _) => wrong.extend(profile(meter, range, order, reports, outcome)),
        (task, Ok(_)) => wrong.extend(single(meter, task, reports)),
        (Task::ReadRegisters(_), Err(_)) => {
            let values = reports.iter().filter(|report| matches!(report.event, Event::Registers(_)));
            wrong.extend(values.flat_map(|report| registers(&report.event)));
        }
        _ => {}
    }
    if let Err(failure) = outcome
        && let Err(why) = explained(plan, world, order, failure, window)
    {
        wrong.push(format!("{failure} is not explained: {why}"));
    }
    wrong
}

fn profile(
    meter: &Meter,
    range: &ProfileRange,
    order: &Order,
    reports: &[&Report],
    outcome: &Result<Covered, Failure>,
) -> Vec<String> {
    let truth: BTreeMap<Timestamp, &Row> = meter
        .rows
        .iter()
        .filter(|row| (range.from..=range.to).contains(&row.at))
        .map(|row| (row.at, row))
        .collect();
    let mut wrong = Vec::new();
    let mut delivered: Vec<Timestamp> = Vec::new();
    let layout = plan::layout(meter);
    for report in reports {
        match &report.event {
            Event::Captures(captures) => {
                for index in 0..captures.at.len() {
                    wrong.extend(capture(meter, captures, index, &truth));
                    let at = captures.at[index];
                    if !delivered.contains(&at) {
                        wrong.extend(
                            delivered
                                .last()
                                .filter(|last| **last > at && !meter.newest_first)
                                .map(|last| format!("{at} after {last}")),
                        );
                        delivered.push(at);
                    }
                }
            }
            Event::Layout(found) if **found != layout => wrong.push(format!("a false layout: {found:?}")),
            Event::Layout(_) | Event::Ended(_) => {}
            Event::Odd(Oddity::ClockNotFirst { place, .. }) if is_clock(meter, *place) => {}
            other => wrong.push(format!("not asked for: {other:?}")),
        }
    }
    if let Ok(covered) = outcome {
        // Without a period nobody knows what was in front of the first row.
        let first = || truth.keys().next().copied().unwrap_or(range.to);
        let from = if meter.period_s > 0 { range.from } else { first() };
        if covered.range != Some((from, range.to)) {
            wrong.push(format!("covered {:?}", covered.range));
        }
        if delivered.len() != truth.len() {
            let missing: Vec<_> = truth.keys().filter(|at| !delivered.contains(at)).take(3).collect();
            wrong.push(format!("{} of {} rows, {missing:?} are missing", delivered.len(), truth.len()));
        }
        if order.is_stale && !truth.is_empty() {
            wrong.push("the stale layout was not noticed".into());
        }
    }
    wrong
}

fn capture(
    meter: &Meter,
    captures: &Captures,
    index: usize,
    truth: &BTreeMap<Timestamp, &Row>,
) -> Option<String> {
    let at = captures.at[index];
    let Some(row) = truth.get(&at) else {
        return Some(format!("a capture at {at} that the meter does not have there"));
    };
    let values = &captures.values[index * captures.width..(index + 1) * captures.width];
    let has_status = (0..meter.captures.len()).any(|column| meter.column(column) == Column::Status);
    let status = row.status.filter(|_| has_status).map(u32::cast_signed);
    let mut numbers = row.values.iter().copied();
    let stored = (0..meter.captures.len()).filter_map(|column| match meter.column(column) {
        Column::Value => numbers.next(),
        Column::Time => Some(Some(Meter::occurred(row.at).as_second())),
        Column::Clock | Column::Status | Column::Float | Column::Text | Column::Ignored => None,
    });
    if !stored.eq(values.iter().copied()) || captures.status[index] != status {
        return Some(format!("at {at}: {values:?} {:?} and not {row:?}", captures.status[index]));
    }
    let east = i16::try_from(meter.zone.to_offset(at).seconds() / 60).unwrap();
    if captures.offset_min[index].is_some_and(|offset| offset != east) {
        return Some(format!("at {at}: offset {:?}", captures.offset_min[index]));
    }
    let bits = captures.clock_status[index];
    (bits != 0xFF && bits != meter.status_of(at)).then(|| format!("at {at}: clock status {bits:02x}"))
}

/// Whether a column that is not the first one is the clock.
fn is_clock(meter: &Meter, place: usize) -> bool {
    place > 0 && meter.column(place) == Column::Clock
}

/// A work about single values that succeeded.
fn single(meter: &Meter, task: &Task, reports: &[&Report]) -> Vec<String> {
    let [first, _] = reports else { return vec![format!("{} reports", reports.len())] };
    match (task, &first.event) {
        (Task::Identify, Event::Identity { serial, logical_device_name, firmware, .. }) => {
            let found = (serial.as_str(), logical_device_name.as_deref(), firmware.as_deref());
            let is_true = found == (SERIAL, Some("TINY30000001"), Some("1.0"));
            if is_true { vec![] } else { vec![format!("a false identity: {found:?}")] }
        }
        (Task::ReadClock, Event::Clock(clock)) => {
            let off = clock.drift() - SignedDuration::from_secs(meter.skew_s);
            let is_true = off.abs() <= clock.uncertainty();
            if is_true { vec![] } else { vec![format!("a false clock: {:?}", first.event)] }
        }
        (Task::ReadRegisters(asked), Event::Registers(values)) => {
            let mut wrong = registers(&first.event);
            let there = asked.iter().map(|one| one.obis).filter(|obis| *obis != ABSENT);
            if !there.eq(values.iter().map(|one| one.obis)) {
                wrong.push("other registers than asked for".into());
            }
            wrong
        }
        (_, other) => vec![format!("not asked for: {other:?}")],
    }
}

fn registers(event: &Event) -> Vec<String> {
    let Event::Registers(values) = event else { return vec![] };
    let is_false = |value: &&collectors::RegisterValue| {
        let scaler = Meter::scaler(value.obis);
        (value.value, value.scaler, value.unit) != (Meter::register(value.obis), scaler.scaler, scaler.unit)
    };
    values.iter().filter(is_false).map(|value| format!("a false register: {value:?}")).collect()
}

/// Whether what the line did, or what was asked, is a reason for the failure.
fn explained(
    plan: &Plan,
    world: &World,
    order: &Order,
    failure: &Failure,
    (since, until): (Option<Instant>, Instant),
) -> Result<(), String> {
    // What happened before the previous work ended can still lie on the line, or hold up the meter's end of it.
    let all = &world.seen.faults;
    let before = all.iter().filter(|(at, _)| since.is_some_and(|since| *at < since)).count();
    let faults: Vec<Fault> =
        all.iter().skip(before.saturating_sub(1)).filter(|(at, _)| *at <= until).map(|(_, f)| *f).collect();
    let any = |kinds: &[Fault]| faults.iter().any(|fault| kinds.contains(fault));
    let damaged = any(&[Fault::DamagedAnswer, Fault::DamagedRequest]);
    let is_explained = match failure.reason {
        Reason::Timeout => {
            faults.len() >= 2 && (damaged || any(&[Fault::Drop, Fault::Late, Fault::SlowAccept]))
        }
        Reason::LineCut => faults.len() >= 2 && any(&[Fault::Cut]),
        Reason::NoRoute => all.iter().any(|(_, fault)| *fault == Fault::SlowAccept),
        Reason::MeterBrokeRules => damaged || (faults.len() >= 2 && any(&[Fault::Twice])),
        Reason::CountersSpent => {
            world.meter.level == Level::Gmac && plan.orders.iter().any(|o| o.counters < 4000)
        }
        Reason::LayoutChanged => order.is_stale,
        Reason::MeterRefused => damaged || asks_for_absent(&order.task),
        Reason::WrongKey
        | Reason::CounterRejected
        | Reason::CounterUnusable
        | Reason::Unsupported
        | Reason::Downgrade
        | Reason::AssociationRefused
        | Reason::Refused => damaged,
        Reason::WrongPassword
        | Reason::WrongMeter
        | Reason::Cancelled
        | Reason::NotEffective
        | Reason::DeadlinePassed
        | Reason::ImageMismatch
        | Reason::BoundaryNear
        | Reason::BoundaryCrossed
        | Reason::ClockUntrusted => false,
    };
    if is_explained { Ok(()) } else { Err(format!("only {faults:?}")) }
}

fn asks_for_absent(task: &Task) -> bool {
    matches!(task, Task::ReadRegisters(asked) if asked.iter().any(|one| one.obis == ABSENT))
}

/// Every reconnection needs a fault, an end of a range of counters or a work; so time and requests are bounded.
fn cost(plan: &Plan, world: &World, elapsed: Duration) -> Vec<String> {
    let (works, faults) = (plan.orders.len(), world.seen.faults.len());
    let connections = 4 * works + 2 * faults;
    let rows = |task: &Task| match task {
        Task::ReadProfile(range) => {
            let hour = SignedDuration::from_hours(3);
            let span = range.from - hour..=range.to + hour;
            let rows = world.meter.rows.iter().filter(|row| span.contains(&row.at)).count();
            let seconds = usize::try_from((range.to - range.from).get_seconds().max(0)).unwrap();
            let part = usize::try_from(plan.max_rows.saturating_mul(world.meter.period_s)).unwrap();
            rows + seconds.checked_div(part).unwrap_or(0)
        }
        _ => 0,
    };
    let octets = (15 + world.meter.captures.len() * 10).div_ceil(usize::from(plan.pdu) - 44);
    let blocks: usize = plan.orders.iter().map(|order| rows(&order.task) * octets).sum();
    // Rows that come backwards prove nothing, so that all are asked for again.
    let blocks = if world.meter.newest_first { blocks * (faults + works) } else { blocks };
    let requests = blocks + REQUESTS_EXTRA * (works + faults);
    let time = world.seen.delays
        + FAULT_COST * u32::try_from(faults).unwrap()
        + WORK_COST * u32::try_from(works).unwrap();
    let seen = &world.seen;
    let mut wrong = Vec::new();
    if seen.connections as usize > connections {
        wrong.push(format!("{} connections, {connections} are enough", seen.connections));
    }
    if seen.requests as usize > requests {
        wrong.push(format!("{} requests, {requests} are enough", seen.requests));
    }
    if elapsed > time {
        wrong.push(format!("{elapsed:?} of virtual time, {time:?} are enough"));
    }
    wrong
}
