//! Sorts a batch of reports into what goes into each family of tables. Pure: layouts are interned before.

use std::collections::BTreeMap;
use std::sync::Arc;

use collectors::{
    Captures, ClockSetup, Covered, Event, Failure, Finding, JobId, Layout, LogEntries, LogRead, MBusChannel,
    MeterId, Oddity, Ratios, Report, ZoneFault,
};
use jiff::{SignedDuration, Timestamp};

use super::AlarmSeverity;
use super::captures::{Row, SLOTS};
use super::clocks::Shown;
use super::concentrators::Listed;
use super::events::{Loss, NewEvent, UNKNOWN, Way};
use super::model_drafts::Draft;
use super::profiles::{Advance, ProfileKey, Range};
use super::registers::{Identity, Register};
use super::tariffs::Tariff;

/// A batch, sorted.
#[derive(Clone, Default)]
pub(super) struct Digest<'a> {
    /// Captures, with the logical name of their profile beside each layout.
    pub(super) rows: Vec<Row>,
    /// What the layout ids mean.
    pub(super) layouts: BTreeMap<i32, &'a Layout>,
    /// What each profile gains, without the ends of jobs.
    pub(super) advances: BTreeMap<ProfileKey, Advance>,
    /// Capture period of the profiles whose layout is in the batch.
    pub(super) periods: BTreeMap<ProfileKey, u32>,
    pub(super) registers: Vec<Register<'a>>,
    pub(super) clocks: Vec<Shown>,
    /// How clocks are set up, the latest of each meter.
    pub(super) clock_setups: BTreeMap<MeterId, (ClockSetup, Option<ZoneFault>)>,
    pub(super) identities: Vec<Identity<'a>>,
    /// Ratios of transformers, the latest of each meter with the job that read them.
    pub(super) ratios: BTreeMap<MeterId, (JobId, Ratios)>,
    /// What is on M-Bus channels, the latest of each with the job that looked.
    pub(super) mbus: BTreeMap<(MeterId, u8), (JobId, MBusChannel)>,
    pub(super) tariffs: Vec<Tariff<'a>>,
    pub(super) drafts: Vec<Draft<'a>>,
    /// What concentrators named.
    pub(super) nodes: Vec<Listed<'a>>,
    /// What attempts to carry out commands found out, in order.
    pub(super) findings: Vec<(JobId, &'a Finding)>,
    /// How far commands have come, in steps done and steps there are.
    pub(super) progress: BTreeMap<JobId, (u32, u32)>,
    /// What is odd about answers, with the layout that it is about, if there is one.
    pub(super) odd: Vec<(MeterId, JobId, &'a Oddity, Option<i32>)>,
    /// Entries of logs.
    pub(super) events: Vec<NewEvent>,
    /// Where entries of logs may be lost.
    pub(super) losses: Vec<Loss>,
    /// Captures, register values and entries of logs of each job.
    pub(super) counts: BTreeMap<JobId, i64>,
    /// How jobs ended, with their meter.
    pub(super) ends: BTreeMap<JobId, (MeterId, &'a Result<Covered, Failure>)>,
    /// The highest counter that each meter expects.
    pub(super) counters: BTreeMap<MeterId, u32>,
}

impl<'a> Digest<'a> {
    /// Sorts `reports`; `layout_id` knows every layout in them.
    pub(super) fn of(reports: &'a [Report], layout_id: impl Fn(&Layout) -> Option<i32>) -> Self {
        let mut digest = Self { rows: Vec::with_capacity(captures(reports)), ..Self::default() };
        // Captures are stored in the order of their keys, which they nearly have when those of a meter stand together.
        let mut reports: Vec<&Report> = reports.iter().collect();
        reports.sort_by_key(|report| report.meter);
        for report in reports {
            digest.take(report, &layout_id);
        }
        digest.identities.reverse();
        digest.identities.sort_by_key(|identity| identity.meter);
        digest.identities.dedup_by_key(|identity| identity.meter);
        digest
    }

    fn take(&mut self, report: &'a Report, layout_id: &impl Fn(&Layout) -> Option<i32>) {
        let (meter, job) = (report.meter, report.job);
        match &report.event {
            Event::Identity { serial: _, logical_device_name, firmware, system_title } => {
                self.identities.push(Identity {
                    meter,
                    logical_device_name: logical_device_name.as_deref(),
                    firmware: firmware.as_deref(),
                    system_title: *system_title,
                })
            }
            Event::Nodes(nodes) => self.nodes.push((meter, nodes)),
            Event::ModelDraft(draft) => self.drafts.push((meter, job, draft)),
            Event::Tariff(objects) => self.tariffs.push((meter, job, objects)),
            Event::Clock(clock) => self.clocks.push((meter, job, *clock)),
            Event::ClockSetup(setup, fault) => drop(self.clock_setups.insert(meter, (*setup, *fault))),
            Event::Ratios(ratios) => drop(self.ratios.insert(meter, (job, *ratios))),
            Event::MBus(channels) => {
                let shown = channels.iter().map(|shown| ((meter, shown.channel), (job, *shown)));
                self.mbus.extend(shown);
            }
            Event::Registers(values) => {
                *self.counts.entry(job).or_default() += values.len() as i64;
                self.registers.extend(values.iter().map(|value| (meter, job, value)));
            }
            Event::Layout(layout) => {
                self.layout(meter, layout, layout_id(layout));
                self.advances.entry((meter, layout.obis)).or_default().layout_read = true;
            }
            Event::Capacity { profile, rows } => {
                self.advances.entry((meter, *profile)).or_default().capacity = Some(*rows);
            }
            Event::Captures(captures) => {
                *self.counts.entry(job).or_default() += captures.at.len() as i64;
                if let Some(id) = layout_id(&captures.layout) {
                    self.layout(meter, &captures.layout, Some(id));
                    self.captures(meter, job, id, captures);
                }
            }
            Event::Odd(oddity) => {
                let layout = match oddity {
                    Oddity::Second { layout, .. }
                    | Oddity::Cell { layout, .. }
                    | Oddity::ValueLeftOut { layout, .. } => layout_id(layout),
                    _ => None,
                };
                self.odd.push((meter, job, oddity, layout));
            }
            Event::Logged(logged) => {
                *self.counts.entry(job).or_default() += logged.entries.len() as i64;
                self.events.extend(entries(meter, job, logged));
            }
            Event::LogRead(LogRead { log, last, loss }) => {
                let advance = self.advances.entry((meter, *log)).or_default();
                advance.last_ts = advance.last_ts.max(*last);
                self.losses.extend(loss.map(|loss| (meter, job, *log, loss)));
            }
            Event::Found(finding) => self.findings.push((job, finding)),
            Event::Progress { done, total } => {
                self.progress.insert(job, (*done, *total));
            }
            Event::Ended(outcome) => {
                if let Err(Failure { expected_counter: Some(expected), .. }) = outcome {
                    let highest = self.counters.entry(meter).or_default();
                    *highest = (*highest).max(*expected);
                }
                self.ends.insert(job, (meter, outcome));
            }
        }
    }

    fn layout(&mut self, meter: MeterId, layout: &'a Arc<Layout>, id: Option<i32>) {
        let key = (meter, layout.obis);
        self.periods.insert(key, layout.period_s);
        let advance = self.advances.entry(key).or_default();
        if let Some(id) = id {
            advance.layout = Some(id);
            self.layouts.insert(id, layout);
        }
    }

    fn captures(&mut self, meter: MeterId, job: JobId, id: i32, captures: &Captures) {
        for (index, at) in captures.at.iter().enumerate() {
            let mut values = [None; SLOTS];
            let from = index * captures.width;
            for (slot, value) in values.iter_mut().zip(captures.values.iter().skip(from).take(captures.width))
            {
                *slot = *value;
            }
            self.rows.push(Row {
                meter,
                layout: id,
                ts: at.as_microsecond(),
                status: captures.status.get(index).copied().flatten(),
                clock_offset_min: captures.offset_min.get(index).copied().flatten(),
                clock_status: captures.clock_status.get(index).map_or(0xFF, |status| i16::from(*status)),
                job,
                values,
            });
        }
        let advance = self.advances.entry((meter, captures.layout.obis)).or_default();
        advance.last_ts = advance.last_ts.max(captures.at.iter().max().copied());
        advance.covered.extend(intervals(&believed(captures), captures.layout.period_s));
    }
}

/// How many captures reports have.
fn captures(reports: &[Report]) -> usize {
    let each = |report: &Report| match &report.event {
        Event::Captures(captures) => captures.at.len(),
        _ => 0,
    };
    reports.iter().map(each).sum()
}

/// The instants of captures, without those that the clock of the meter calls invalid: nobody knows which time such a capture is of.
fn believed(captures: &Captures) -> Vec<Timestamp> {
    let believed = captures.at.iter().enumerate().filter(|(index, _)| !captures.is_invalid(*index));
    believed.map(|(_, at)| *at).collect()
}

/// Entries of a log as events.
fn entries(meter: MeterId, job: JobId, logged: &LogEntries) -> impl Iterator<Item = NewEvent> {
    logged.entries.iter().map(move |entry| {
        let meaning = entry.meaning.as_ref();
        NewEvent {
            meter,
            log: logged.log,
            code: entry.code,
            logged: entry.logged,
            at: entry.at,
            time: entry.time.octets(),
            key: meaning.map_or(UNKNOWN, |meaning| &meaning.key).to_owned(),
            severity: meaning.map_or(AlarmSeverity::Info, |meaning| meaning.severity.into()),
            phase: meaning.and_then(|meaning| meaning.phase),
            node: entry.node.clone(),
            way: Way::Polled { job },
        }
    })
}

/// What captures cover: the interval that ends with each, joined where they follow each other.
pub(super) fn intervals(at: &[Timestamp], period_s: u32) -> Vec<Range> {
    let mut covered: Vec<Range> = Vec::new();
    for &until in at {
        let after = interval_start(until, period_s);
        match covered.last_mut() {
            Some(last) if last.0 <= after && after <= last.1 => last.1 = last.1.max(until),
            _ => covered.push((after, until)),
        }
    }
    covered
}

/// Where the interval that ends with a capture begins. A capture without a period covers its own instant, which is a
/// microsecond for PostgreSQL.
pub(super) fn interval_start(until: Timestamp, period_s: u32) -> Timestamp {
    let length = match period_s {
        0 => SignedDuration::from_micros(1),
        seconds => SignedDuration::from_secs(i64::from(seconds)),
    };
    until.checked_sub(length).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2024-03-31T{text}:00Z").parse().unwrap()
    }

    #[test]
    fn captures_in_a_row_are_one_range_and_a_missing_one_parts_it() {
        let times = [at("00:15"), at("00:30"), at("01:00"), at("01:15")];
        assert_eq!(intervals(&times, 900), [(at("00:00"), at("00:30")), (at("00:45"), at("01:15"))]);
    }

    #[test]
    fn captures_out_of_order_or_repeated_are_not_lost() {
        let times = [at("00:30"), at("00:15"), at("00:15")];
        assert_eq!(intervals(&times, 900), [(at("00:15"), at("00:30")), (at("00:00"), at("00:15"))]);
    }

    #[test]
    fn a_capture_without_a_period_covers_its_instant() {
        let time = at("00:30");
        assert_eq!(intervals(&[time], 0), [(time - SignedDuration::from_micros(1), time)]);
    }
}
