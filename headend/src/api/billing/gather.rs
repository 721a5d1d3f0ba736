//! What the store knows of some meters for a cycle: a few statements for all of them.

use std::collections::{BTreeMap, BTreeSet};

use ami_proto::v1::{BillingFlags, BillingGap, BillingIntervals};
use jiff::{SignedDuration, Timestamp};

use super::super::convert;
use super::super::readings::flags;
use super::super::status::Refusal;
use super::assemble::{Facts, Found, TOLERANCE, of_capture, of_register};
use crate::store::Store;
use crate::store::billing::{Billed, Flagged, Intervals, Known, Outermost, Shown, Window};
use crate::store::readings::Slot;

/// How old what a register showed may be to stand for the limit of a cycle, when there is nothing better.
const REGISTER_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Layouts that are remembered; above it the memory starts anew. A fleet has a handful for each model.
const LAYOUTS: usize = 4096;
/// Gaps that are told of one profile at most.
const GAPS: usize = 1_000;

/// A meter with its cycle.
#[derive(Debug)]
pub(super) struct Subject {
    /// The meter.
    pub(super) meter: Billed,
    /// Where its cycle begins and ends.
    pub(super) limits: (Timestamp, Timestamp),
    /// When it was retired, if that was known.
    retired_at: Option<Timestamp>,
    /// It was in the inventory.
    was_known: bool,
}

/// Which end of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Opening,
    Closing,
}

/// Collects what is known as of a time. Layouts never change, so they are looked up once.
pub(super) struct Gather {
    store: Store,
    known_at: Timestamp,
    /// The load profiles that models name, of each its logical name and its period in seconds; looked up once.
    named: Option<BTreeMap<String, Vec<(String, u32)>>>,
    layouts: BTreeMap<i32, Vec<Slot>>,
}

impl Subject {
    /// A meter with its cycle, as of a time.
    pub(super) fn new(meter: Billed, limits: (Timestamp, Timestamp), known_at: Timestamp) -> Self {
        let retired_at = meter.retired_at.map(|at| at.to_jiff()).filter(|at| *at <= known_at);
        let was_known = meter.created_at.to_jiff() <= known_at;
        Self { meter, limits, retired_at, was_known }
    }

    /// Whether it was in service at some time of the cycle, as far as was known.
    pub(super) fn was_in_service(&self) -> bool {
        let was_there = self.meter.created_at.to_jiff() < self.limits.1
            && self.retired_at.is_none_or(|at| at > self.limits.0);
        self.was_known && was_there
    }

    /// Whether it came into service behind the beginning of the cycle.
    fn came_later(&self) -> bool {
        self.meter.created_at.to_jiff() > self.limits.0
    }

    /// When it was retired, within the cycle.
    fn left_earlier(&self) -> Option<Timestamp> {
        self.retired_at.filter(|at| *at > self.limits.0 && *at < self.limits.1)
    }

    fn limit(&self, end: End) -> Timestamp {
        match end {
            End::Opening => self.limits.0,
            End::Closing => self.limits.1,
        }
    }

    fn window(&self, (from, to): (Timestamp, Timestamp)) -> Window<'_> {
        Window { meter: self.meter.id, zone: &self.meter.zone, from, to }
    }
}

impl Gather {
    /// Collects what was known at a time.
    pub(super) fn new(store: Store, known_at: Timestamp) -> Self {
        Self { store, known_at, named: None, layouts: BTreeMap::new() }
    }

    /// What is known of each of some meters.
    pub(super) async fn facts(&mut self, subjects: &[Subject]) -> Result<Vec<Facts>, Refusal> {
        let mut all: BTreeMap<i32, Facts> =
            subjects.iter().map(|subject| (subject.meter.id, Facts::default())).collect();
        for end in [End::Opening, End::Closing] {
            let limits = subjects.iter().map(|subject| (subject, subject.limit(end)));
            let windows: Vec<_> = limits
                .map(|(subject, limit)| subject.window((limit - TOLERANCE, limit + TOLERANCE)))
                .collect();
            let captures = self.store.billing_captures(&windows, self.known_at).await?;
            self.take(captures, end, &mut all).await?;
        }
        self.outermost(subjects, &mut all).await?;
        self.registers(subjects, &mut all).await?;
        self.profiles(subjects, &mut all).await?;
        self.ratios(subjects, &mut all).await?;
        self.flags(subjects, &mut all).await?;
        let facts = subjects.iter().map(|subject| all.remove(&subject.meter.id).unwrap_or_default());
        Ok(facts.collect())
    }

    /// Of meters that came or left within the cycle and have nothing at its limit: the first or the last that there is.
    async fn outermost(
        &mut self,
        subjects: &[Subject],
        all: &mut BTreeMap<i32, Facts>,
    ) -> Result<(), Refusal> {
        for (end, which) in [(End::Opening, Outermost::First), (End::Closing, Outermost::Last)] {
            let left = |subject: &Subject| match end {
                End::Opening => subject.came_later(),
                End::Closing => subject.left_earlier().is_some(),
            };
            let lacks = |subject: &&Subject| {
                left(subject) && all.get(&subject.meter.id).is_some_and(|facts| values(facts, end).is_empty())
            };
            let windows: Vec<_> =
                subjects.iter().filter(lacks).map(|subject| subject.window(subject.limits)).collect();
            let captures = self.store.billing_outermost(&windows, which, self.known_at).await?;
            self.take(captures, end, all).await?;
            for window in windows {
                let Some(facts) = all.get_mut(&window.meter) else { continue };
                let is_found = !values(facts, end).is_empty();
                match end {
                    End::Opening => facts.is_installed = is_found,
                    End::Closing => facts.is_removed = is_found,
                }
            }
        }
        Ok(())
    }

    /// What registers showed last, where no profile has anything for a limit.
    async fn registers(&self, subjects: &[Subject], all: &mut BTreeMap<i32, Facts>) -> Result<(), Refusal> {
        for end in [End::Opening, End::Closing] {
            let lacks = |subject: &&Subject| {
                all.get(&subject.meter.id).is_some_and(|facts| values(facts, end).is_empty())
            };
            let limits = subjects.iter().filter(lacks).map(|subject| (subject, subject.limit(end)));
            let windows: Vec<_> =
                limits.map(|(subject, limit)| subject.window((limit - REGISTER_AGE, limit))).collect();
            for shown in self.store.billing_registers(&windows, self.known_at).await? {
                let Shown { meter, stored_at, .. } = shown;
                if let (Some(found), Some(facts)) = (of_register(&shown)?, all.get_mut(&meter)) {
                    facts.stored_at = facts.stored_at.max(Some(stored_at.to_jiff()));
                    values_mut(facts, end).push(found);
                }
            }
        }
        Ok(())
    }

    /// Whether the ratio of a transformer changed within the cycle.
    async fn ratios(&self, subjects: &[Subject], all: &mut BTreeMap<i32, Facts>) -> Result<(), Refusal> {
        let windows: Vec<_> = subjects.iter().map(|subject| subject.window(subject.limits)).collect();
        for (meter, stored_at) in self.store.billing_ratio_changes(&windows, self.known_at).await? {
            if let Some(facts) = all.get_mut(&meter) {
                facts.has_ratio_changed = true;
                facts.stored_at = facts.stored_at.max(Some(stored_at.to_jiff()));
            }
        }
        Ok(())
    }

    /// The load profiles: what is there, what is missing, and the highest demands.
    async fn profiles(
        &mut self,
        subjects: &[Subject],
        all: &mut BTreeMap<i32, Facts>,
    ) -> Result<(), Refusal> {
        let windows: Vec<_> = subjects
            .iter()
            .map(|subject| {
                let facts = all.get(&subject.meter.id).filter(|facts| facts.is_installed);
                let begin = facts.and_then(|facts| facts.opening.iter().map(Found::at).min());
                let end = subject.left_earlier().unwrap_or(subject.limits.1);
                subject.window((begin.unwrap_or(subject.limits.0), end))
            })
            .collect();
        let mut intervals = BTreeMap::<i32, Vec<Intervals>>::new();
        for found in self.store.billing_intervals(&windows, self.known_at).await? {
            intervals.entry(found.meter).or_default().push(found);
        }
        let named = match self.named.take() {
            Some(named) => named,
            None => self.load_profiles().await?,
        };
        for (subject, window) in subjects.iter().zip(&windows) {
            let Some(facts) = all.get_mut(&subject.meter.id) else { continue };
            let found = intervals.remove(&subject.meter.id).unwrap_or_default();
            let latest = found.iter().filter_map(|one| one.stored_at).map(|at| at.to_jiff()).max();
            facts.stored_at = facts.stored_at.max(latest);
            let named = named.get(&subject.meter.model).filter(|_| subject.was_in_service());
            facts.intervals = told(&found, window, named.map_or(&[][..], Vec::as_slice))?;
        }
        self.named = Some(named);
        for highest in self.store.billing_highest(&windows, self.known_at).await? {
            if let Some(facts) = all.get_mut(&highest.meter) {
                facts.highest.push(highest);
            }
        }
        for found in self.store.billing_flagged(&windows, self.known_at).await? {
            if let Some(facts) = all.get_mut(&found.meter) {
                facts.stored_at = facts.stored_at.max(Some(found.raised_at.to_jiff()));
                count(&found, &mut facts.intervals)?;
            }
        }
        Ok(())
    }

    /// The load profiles that models name, as far as was known.
    async fn load_profiles(&self) -> Result<BTreeMap<String, Vec<(String, u32)>>, Refusal> {
        let mut named = BTreeMap::<_, Vec<_>>::new();
        for (model, obis, period_s) in self.store.load_profiles(self.known_at).await? {
            named.entry(model).or_default().push((obis.to_string(), period_s));
        }
        Ok(named)
    }

    /// What is doubtful about the values that were found.
    async fn flags(&self, subjects: &[Subject], all: &mut BTreeMap<i32, Facts>) -> Result<(), Refusal> {
        let instants = subjects.iter().flat_map(|subject| {
            let instants = all.get(&subject.meter.id).map(Facts::instants).unwrap_or_default();
            instants.into_iter().map(move |at| (subject, at))
        });
        let windows: Vec<_> = instants.map(|(subject, at)| subject.window((at, at))).collect();
        for doubted in self.store.billing_flags(&windows, self.known_at).await? {
            if let Some(facts) = all.get_mut(&doubted.meter) {
                facts.stored_at = facts.stored_at.max(Some(doubted.raised_at.to_jiff()));
                facts.flags.add(doubted.flag);
            }
        }
        Ok(())
    }

    /// Adds the values of captures to what is known of an end.
    async fn take(
        &mut self,
        captures: Vec<Known>,
        end: End,
        all: &mut BTreeMap<i32, Facts>,
    ) -> Result<(), Refusal> {
        self.learn(&captures).await?;
        for known in captures {
            let Some(facts) = all.get_mut(&known.meter) else { continue };
            let slots = self.layouts.get(&known.capture.layout_id).map_or(&[][..], Vec::as_slice);
            let found = of_capture(&known, slots)?;
            if !found.is_empty() {
                facts.stored_at = facts.stored_at.max(known.stored_at);
                values_mut(facts, end).extend(found);
            }
        }
        Ok(())
    }

    /// Looks up what captures mean.
    async fn learn(&mut self, captures: &[Known]) -> Result<(), Refusal> {
        if self.layouts.len() > LAYOUTS {
            self.layouts.clear();
        }
        let used: BTreeSet<_> = captures.iter().map(|known| known.capture.layout_id).collect();
        let unknown: Vec<_> = used.into_iter().filter(|layout| !self.layouts.contains_key(layout)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let slots = self.store.slots(&unknown).await?;
        self.layouts.extend(unknown.into_iter().map(|layout| (layout, Vec::new())));
        for slot in slots {
            self.layouts.entry(slot.layout_id).or_default().push(slot);
        }
        Ok(())
    }
}

fn values(facts: &Facts, end: End) -> &[Found] {
    match end {
        End::Opening => &facts.opening,
        End::Closing => &facts.closing,
    }
}

fn values_mut(facts: &mut Facts, end: End) -> &mut Vec<Found> {
    match end {
        End::Opening => &mut facts.opening,
        End::Closing => &mut facts.closing,
    }
}

/// The load profiles that were found, and those that the model has and nobody ever read.
fn told(
    found: &[Intervals],
    window: &Window<'_>,
    named: &[(String, u32)],
) -> Result<Vec<BillingIntervals>, Refusal> {
    let mut all = found.iter().map(|found| interval(found, window)).collect::<Result<Vec<_>, _>>()?;
    for (name, period_s) in named {
        if all.iter().all(|one| one.profile != *name) {
            let expected = between(window.from, window.to, *period_s);
            let gap = BillingGap {
                from: Some(convert::instant(window.from)),
                to: Some(convert::instant(window.to)),
                intervals: expected,
            };
            let gaps = Some(gap).filter(|gap| gap.intervals > 0).into_iter().collect();
            all.push(BillingIntervals {
                profile: name.clone(),
                period_s: *period_s,
                expected,
                gaps,
                ..BillingIntervals::default()
            });
        }
    }
    all.sort_by(|one, other| one.profile.cmp(&other.profile));
    Ok(all)
}

fn interval(found: &Intervals, window: &Window<'_>) -> Result<BillingIntervals, Refusal> {
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let period_s = u32::try_from(found.period_s).map_err(|_| Refusal::Internal)?;
    let gaps = found.gaps_from.iter().zip(&found.gaps_to).zip(&found.gaps_missing);
    let gaps = gaps.map(|((from, to), missing)| BillingGap {
        from: Some(convert::stored(*from)),
        to: Some(convert::stored(*to)),
        intervals: count(*missing),
    });
    let mut gaps: Vec<_> = gaps.collect();
    let last = found.last_ts.to_jiff();
    let at_the_end = between(last, window.to, period_s);
    if at_the_end > 0 && gaps.len() < GAPS {
        let end = last + SignedDuration::from_secs(i64::from(at_the_end) * i64::from(period_s));
        let (from, to) = (Some(convert::instant(last)), Some(convert::instant(end)));
        gaps.push(BillingGap { from, to, intervals: at_the_end });
    }
    let present = count(found.present);
    let expected = present.saturating_add(count(found.missing)).saturating_add(at_the_end);
    let profile = convert::obis(&found.profile)?;
    Ok(BillingIntervals { profile, period_s, expected, present, gaps, ..BillingIntervals::default() })
}

/// Notes how many intervals of a profile have flags.
fn count(found: &Flagged, intervals: &mut [BillingIntervals]) -> Result<(), Refusal> {
    let profile = convert::obis(&found.profile)?;
    let flagged = u32::try_from(found.intervals).unwrap_or(u32::MAX);
    for one in intervals.iter_mut().filter(|one| one.profile == profile) {
        match found.rule {
            None => one.flagged = flagged,
            Some(rule) => one.flags.push(BillingFlags { rule: flags::rule(rule).into(), intervals: flagged }),
        }
    }
    Ok(())
}

/// Whole periods between two instants.
fn between(from: Timestamp, to: Timestamp, period_s: u32) -> u32 {
    let periods = to.duration_since(from).as_secs().checked_div(i64::from(period_s));
    periods.and_then(|periods| u32::try_from(periods).ok()).unwrap_or(0)
}
