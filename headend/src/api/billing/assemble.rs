//! A billing set from what the store knows: pure.

use std::collections::BTreeSet;

use ami_proto::v1::{
    BillingDemand, BillingIntervals, BillingIssue, BillingRegister, BillingSet, BillingSource, BillingValue,
    Decimal,
};
use dlms::Unit;
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::super::convert;
use super::super::readings::flags::Flags;
use super::super::status::Refusal;
use super::doubt;
use super::quantity::{Quantity, difference, quantity};
use crate::store::billing::{Billed, Highest, Known, Shown};
use crate::store::readings::Slot;

/// How far from the limit of a cycle a value may lie and still be that of the limit: meters freeze some seconds early or late.
pub(super) const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// Seconds of a day.
const DAY_S: i32 = 86_400;
/// `profile_row.clock_status` of a capture whose clock status the meter did not give.
const NOT_GIVEN: i16 = 255;
/// Bits of a clock status that make a time unsure: invalid, doubtful.
const UNSURE: i16 = 0b11;
/// Attribute that holds the value of an object, and that which holds the time of a maximum (classes 3 and 4).
const VALUE: i16 = 2;
const TIME_OF_MAXIMUM: i16 = 5;
/// Octets of a version.
const VERSION: usize = 16;

/// A value that may stand at a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    obis: [u8; 6],
    quantity: Quantity,
    value: Decimal,
    unit: Unit,
    at: Timestamp,
    source: BillingSource,
    /// Logical name of the profile; empty for a register.
    profile: String,
    status: Option<i32>,
    clock_status: i16,
    job_id: i64,
    /// Layout of its capture; `None` of a register.
    layout: Option<i32>,
    /// Of a maximum: when it occurred, in seconds since 1970.
    occurred: Option<i64>,
}

/// What is known of a meter for a cycle.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Values for the beginning.
    pub(super) opening: Vec<Found>,
    /// Values for the end.
    pub(super) closing: Vec<Found>,
    /// It came into service within the cycle, and its first values stand for those of the beginning.
    pub(super) is_installed: bool,
    /// It was retired within the cycle, and its last values stand for those of the end.
    pub(super) is_removed: bool,
    /// The ratio of a transformer in front of it changed within the cycle, or may have.
    pub(super) has_ratio_changed: bool,
    /// Its load profiles.
    pub(super) intervals: Vec<BillingIntervals>,
    /// The highest demands in them.
    pub(super) highest: Vec<Highest>,
    /// What is doubtful about all these values.
    pub(super) flags: Flags,
    /// When the latest of all that was stored.
    pub(super) stored_at: Option<Timestamp>,
}

impl Found {
    /// Its instant.
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Facts {
    /// Whether there is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.opening.is_empty()
            && self.closing.is_empty()
            && self.intervals.iter().all(|one| one.present == 0)
    }

    /// The instants of all values, each once.
    pub(super) fn instants(&self) -> BTreeSet<Timestamp> {
        let highest = self.highest.iter().map(|highest| highest.ts.to_jiff());
        self.opening.iter().chain(&self.closing).map(Found::at).chain(highest).collect()
    }

    /// What is doubtful about a value.
    fn doubts(&self, found: &Found) -> Vec<i32> {
        self.flags.of(found.at, found.layout, &(found.obis.to_vec(), VALUE))
    }
}

/// The values of a capture that billing has a use for.
pub(super) fn of_capture(known: &Known, slots: &[Slot]) -> Result<Vec<Found>, Refusal> {
    let capture = &known.capture;
    let value = |slot: &Slot| capture.values.get(usize::try_from(slot.slot).ok()?).copied().flatten();
    let mut found = Vec::new();
    for slot in slots.iter().filter(|slot| slot.attribute == VALUE) {
        let obis = name(&slot.obis)?;
        let unit = unit(slot.unit);
        let (Some(quantity), Some(mantissa)) = (quantity(obis, unit), value(slot)) else { continue };
        let time = slots.iter().find(|time| time.attribute == TIME_OF_MAXIMUM && time.obis == slot.obis);
        found.push(Found {
            obis,
            quantity,
            value: Decimal { mantissa, exponent: slot.scaler.into() },
            unit,
            at: capture.ts,
            source: source(slot.period_s),
            profile: convert::obis(&slot.profile)?,
            status: capture.status,
            clock_status: capture.clock_status,
            job_id: capture.job_id,
            layout: Some(capture.layout_id),
            occurred: time.and_then(value),
        });
    }
    Ok(found)
}

/// What a register showed, if billing has a use for it.
pub(super) fn of_register(shown: &Shown) -> Result<Option<Found>, Refusal> {
    let (obis, unit) = (name(&shown.obis)?, unit(shown.unit));
    Ok(quantity(obis, unit).map(|quantity| Found {
        obis,
        quantity,
        value: Decimal { mantissa: shown.value, exponent: shown.scaler.into() },
        unit,
        at: shown.ts.to_jiff(),
        source: BillingSource::Register,
        profile: String::new(),
        status: None,
        clock_status: NOT_GIVEN,
        job_id: shown.job_id,
        layout: None,
        occurred: None,
    }))
}

/// Puts a set together.
pub(super) fn assemble(
    meter: &Billed,
    limits: (Timestamp, Timestamp),
    known_at: Timestamp,
    facts: Facts,
) -> Result<BillingSet, Refusal> {
    let names: BTreeSet<_> = facts.opening.iter().chain(&facts.closing).map(|found| found.obis).collect();
    let registers = names.iter().filter_map(|obis| register(*obis, &facts, limits)).collect::<Vec<_>>();
    let mut issues = Vec::new();
    let mut issue = |holds: bool, issue: BillingIssue| issues.extend(holds.then_some(issue as i32));
    issue(facts.intervals.iter().any(|one| one.present < one.expected), BillingIssue::IntervalsMissing);
    issue(facts.is_installed, BillingIssue::Installed);
    issue(facts.is_removed, BillingIssue::Removed);
    issue(facts.is_empty(), BillingIssue::NothingKnown);
    issue(facts.has_ratio_changed, BillingIssue::RatioChanged);
    let complete = issues.is_empty() && registers.iter().all(|register| register.issues.is_empty());
    let demands = demands(&facts, limits.1)?;
    let flagged = registers.iter().flat_map(|one| one.opening.iter().chain(&one.closing)).any(is_doubted)
        || demands.iter().any(is_demand_doubted)
        || facts.intervals.iter().flat_map(|one| &one.flags).any(|flags| doubt::of_interval(flags.rule));
    let mut set = BillingSet {
        meter_serial: meter.serial.clone(),
        model: meter.model.clone(),
        parent: meter.parent.clone().unwrap_or_default(),
        zone: meter.zone.clone(),
        from: Some(convert::instant(limits.0)),
        to: Some(convert::instant(limits.1)),
        known_at: None,
        version: String::new(),
        stored_at: facts.stored_at.map(convert::instant),
        complete,
        issues,
        registers,
        demands,
        intervals: facts.intervals,
        flagged,
    };
    let hash = Sha256::digest(set.encode_to_vec());
    set.version = hash[..VERSION].iter().map(|octet| format!("{octet:02x}")).collect();
    set.known_at = Some(convert::instant(known_at));
    Ok(set)
}

/// A register at both ends; `None` for what is no register.
fn register(obis: [u8; 6], facts: &Facts, (from, to): (Timestamp, Timestamp)) -> Option<BillingRegister> {
    let opening = best(&facts.opening, obis, from);
    let closing = best(&facts.closing, obis, to);
    let either = closing.or(opening)?;
    let needs_opening = match either.quantity {
        Quantity::Maximum => return None,
        Quantity::OfPeriod => false,
        Quantity::Counter | Quantity::Net | Quantity::Level => true,
    };
    let opening = opening.filter(|_| needs_opening);
    let mut issues = Vec::new();
    let mut issue = |holds: bool, issue: BillingIssue| issues.extend(holds.then_some(issue as i32));
    issue(needs_opening && opening.is_none(), BillingIssue::OpeningMissing);
    issue(closing.is_none(), BillingIssue::ClosingMissing);
    let far = |found: Option<&Found>, limit| found.is_some_and(|found| distance(found, limit) > TOLERANCE);
    issue(far(opening, from) || far(closing, to), BillingIssue::NotAtLimit);
    let mut consumption = None;
    if let (Some(opening), Some(closing), Quantity::Counter | Quantity::Net) =
        (opening, closing, either.quantity)
    {
        let is_same = opening.unit == closing.unit;
        let exact = difference(closing.value, opening.value);
        let fell = either.quantity == Quantity::Counter && exact.is_some_and(|exact| exact.mantissa < 0);
        issue(is_same && fell, BillingIssue::RegisterFell);
        issue(!is_same, BillingIssue::UnitChanged);
        issue(is_same && exact.is_none(), BillingIssue::OutOfRange);
        consumption = exact.filter(|_| is_same && !fell);
    }
    let unsure = |found: Option<&Found>| {
        found.is_some_and(|found| {
            found.clock_status != NOT_GIVEN && found.clock_status & UNSURE != 0
                || facts.doubts(found).into_iter().any(doubt::of_time)
        })
    };
    issue(unsure(opening) || unsure(closing), BillingIssue::ClockDoubtful);
    Some(BillingRegister {
        obis: dlms::Obis::new(obis).to_string(),
        unit: either.unit.symbol().to_owned(),
        opening: opening.map(|found| value(found, facts)),
        closing: closing.map(|found| value(found, facts)),
        consumption,
        issues,
    })
}

/// The maxima that the meter froze at the end, and the highest demands in load profiles of what it did not.
fn demands(facts: &Facts, to: Timestamp) -> Result<Vec<BillingDemand>, Refusal> {
    let is_maximum =
        |found: &&Found| found.quantity == Quantity::Maximum && found.source == BillingSource::Billing;
    let frozen: BTreeSet<_> = facts.closing.iter().filter(is_maximum).map(|found| found.obis).collect();
    let mut demands: Vec<_> = frozen
        .iter()
        .filter_map(|obis| best(&facts.closing, *obis, to))
        .map(|found| BillingDemand {
            obis: dlms::Obis::new(found.obis).to_string(),
            unit: found.unit.symbol().to_owned(),
            value: Some(found.value),
            at: found.occurred.and_then(|seconds| Timestamp::from_second(seconds).ok()).map(convert::instant),
            source: found.source.into(),
            profile: found.profile.clone(),
            flags: facts.doubts(found),
        })
        .collect();
    for highest in &facts.highest {
        let obis = name(&highest.obis)?;
        if frozen.iter().any(|frozen| frozen[2] == obis[2]) {
            continue;
        }
        demands.push(BillingDemand {
            obis: dlms::Obis::new(obis).to_string(),
            unit: unit(highest.unit).symbol().to_owned(),
            value: Some(Decimal { mantissa: highest.value, exponent: highest.scaler.into() }),
            at: Some(convert::stored(highest.ts)),
            source: BillingSource::LoadProfile.into(),
            profile: convert::obis(&highest.profile)?,
            flags: facts.flags.of(highest.ts.to_jiff(), Some(highest.layout_id), &(obis.to_vec(), VALUE)),
        });
    }
    Ok(demands)
}

/// The best value of an object for a limit: one that is of the limit; of several, by source; else the closest.
fn best(found: &[Found], obis: [u8; 6], limit: Timestamp) -> Option<&Found> {
    found.iter().filter(|found| found.obis == obis).min_by_key(|found| {
        let distance = distance(found, limit);
        let outside = if distance > TOLERANCE { distance } else { SignedDuration::ZERO };
        (outside, found.source as i32, distance, found.at)
    })
}

fn distance(found: &Found, limit: Timestamp) -> SignedDuration {
    found.at.duration_since(limit).abs()
}

fn value(found: &Found, facts: &Facts) -> BillingValue {
    BillingValue {
        at: Some(convert::instant(found.at)),
        value: Some(found.value),
        source: found.source.into(),
        profile: found.profile.clone(),
        status: found.status.map(i32::cast_unsigned),
        clock_status: u32::try_from(found.clock_status).ok().filter(|_| found.clock_status != NOT_GIVEN),
        job_id: found.job_id,
        flags: facts.doubts(found),
    }
}

fn is_doubted(value: &BillingValue) -> bool {
    value.flags.iter().copied().any(doubt::of_value)
}

/// One of a load profile is the average of an interval; others the meter froze.
fn is_demand_doubted(demand: &BillingDemand) -> bool {
    let is_average = demand.source() == BillingSource::LoadProfile;
    demand.flags.iter().copied().any(if is_average { doubt::of_interval } else { doubt::of_value })
}

/// What kind of profile has this capture period in seconds.
fn source(period_s: i32) -> BillingSource {
    match period_s {
        1..DAY_S => BillingSource::LoadProfile,
        DAY_S => BillingSource::Daily,
        _ => BillingSource::Billing,
    }
}

fn name(stored: &[u8]) -> Result<[u8; 6], Refusal> {
    stored.try_into().map_err(|_| Refusal::Internal)
}

fn unit(code: i16) -> Unit {
    u8::try_from(code).map_or(Unit::NONE, Unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::flags::Borne;

    const IMPORT: [u8; 6] = [1, 0, 1, 8, 0, 255];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn limits() -> (Timestamp, Timestamp) {
        (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"))
    }

    fn found(text: &str, mantissa: i64, source: BillingSource) -> Found {
        Found {
            obis: IMPORT,
            quantity: Quantity::Counter,
            value: Decimal { mantissa, exponent: -1 },
            unit: Unit(30),
            at: at(text),
            source,
            profile: String::new(),
            status: None,
            clock_status: 0,
            job_id: 7,
            layout: Some(1),
            occurred: None,
        }
    }

    fn of(opening: Vec<Found>, closing: Vec<Found>) -> BillingRegister {
        let facts = Facts { opening, closing, ..Facts::default() };
        register(IMPORT, &facts, limits()).unwrap()
    }

    #[test]
    fn a_billing_snapshot_goes_before_a_day_and_a_day_before_a_load_profile() {
        let from = "2026-10-01T00:00:00Z";
        let all = [
            found(from, 1, BillingSource::LoadProfile),
            found(from, 2, BillingSource::Daily),
            found("2026-10-01T00:00:05Z", 3, BillingSource::Billing),
            found("2026-10-01T00:02:00Z", 4, BillingSource::Billing),
        ];
        for (count, expected) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
            assert_eq!(best(&all[..count], IMPORT, limits().0).unwrap().value.mantissa, expected);
        }
    }

    #[test]
    fn consumption_is_the_exact_difference_of_what_was_taken() {
        let register = of(
            vec![found("2026-10-01T00:00:00Z", 1_000_001, BillingSource::Billing)],
            vec![found("2026-11-01T00:00:00Z", 1_234_568, BillingSource::Daily)],
        );
        assert_eq!(register.consumption, Some(Decimal { mantissa: 234_567, exponent: -1 }));
        assert!(register.issues.is_empty(), "{register:?}");
        assert_eq!(register.closing.unwrap().source(), BillingSource::Daily);
    }

    #[test]
    fn nothing_that_is_wrong_gets_a_consumption_without_a_word() {
        let opening = || found("2026-10-01T00:00:00Z", 1000, BillingSource::Billing);
        let closing = || found("2026-11-01T00:00:00Z", 2000, BillingSource::Billing);
        let told = |opening: Vec<Found>, closing: Vec<Found>| {
            let register = of(opening, closing);
            let issues: Vec<_> = register.issues().collect();
            (issues, register.consumption.is_some())
        };
        assert_eq!(told(vec![], vec![closing()]), (vec![BillingIssue::OpeningMissing], false));
        assert_eq!(told(vec![opening()], vec![]), (vec![BillingIssue::ClosingMissing], false));
        let fallen = Found { value: Decimal { mantissa: 999, exponent: -1 }, ..closing() };
        assert_eq!(told(vec![opening()], vec![fallen]), (vec![BillingIssue::RegisterFell], false));
        let other = Found { unit: Unit(32), ..closing() };
        assert_eq!(told(vec![opening()], vec![other]), (vec![BillingIssue::UnitChanged], false));
        let huge = Found { value: Decimal { mantissa: i64::MAX, exponent: 9 }, ..closing() };
        assert_eq!(told(vec![opening()], vec![huge]), (vec![BillingIssue::OutOfRange], false));
        let doubtful = Found { clock_status: 0b10, ..closing() };
        assert_eq!(told(vec![opening()], vec![doubtful]), (vec![BillingIssue::ClockDoubtful], true));
        let early = found("2026-10-31T23:00:00Z", 2000, BillingSource::Register);
        assert_eq!(told(vec![opening()], vec![early]), (vec![BillingIssue::NotAtLimit], true));
    }

    #[test]
    fn a_status_word_makes_a_time_as_unsure_as_a_clock_does() {
        let issues = |rule| {
            let mut facts = Facts {
                opening: vec![found("2026-10-01T00:00:00Z", 1000, BillingSource::Billing)],
                closing: vec![found("2026-11-01T00:00:00Z", 2000, BillingSource::Billing)],
                ..Facts::default()
            };
            facts.flags.add(Borne {
                ts: jiff_sqlx::ToSqlx::to_sqlx(at("2026-11-01T00:00:00Z")),
                layout_id: Some(1),
                obis: vec![0, 0, 96, 10, 1, 255],
                attribute: 2,
                rule,
            });
            let register = register(IMPORT, &facts, limits()).unwrap();
            let flags = register.closing.as_ref().map_or(0, |closing| closing.flags.len());
            (register.issues().collect::<Vec<_>>(), flags)
        };
        use crate::store::FlagRule::{ClockInvalid, DataNotValid};
        assert_eq!(issues(ClockInvalid), (vec![BillingIssue::ClockDoubtful], 1));
        assert_eq!(issues(DataNotValid), (vec![], 1), "it is there, and doubtful");
    }

    #[test]
    fn a_version_is_of_the_content_and_not_of_the_time_of_asking() {
        let meter = Billed {
            id: 1,
            serial: "17".into(),
            model: "sed302".into(),
            zone: "UTC".into(),
            parent: None,
            created_at: jiff_sqlx::ToSqlx::to_sqlx(at("2026-01-01T00:00:00Z")),
            retired_at: None,
        };
        let set = |known_at: &str, closing: i64| {
            let facts = Facts {
                opening: vec![found("2026-10-01T00:00:00Z", 1, BillingSource::Billing)],
                closing: vec![found("2026-11-01T00:00:00Z", closing, BillingSource::Billing)],
                ..Facts::default()
            };
            assemble(&meter, limits(), at(known_at), facts).unwrap()
        };
        let first = set("2026-11-02T00:00:00Z", 5);
        assert!(first.complete && first.version.len() == 32, "{first:?}");
        assert_eq!(set("2026-11-03T00:00:00Z", 5).version, first.version);
        assert_ne!(set("2026-11-02T00:00:00Z", 6).version, first.version);
    }

    #[test]
    fn a_maximum_that_was_frozen_has_its_time_and_stands_for_that_of_the_load_profile() {
        let maximum = Found {
            obis: [1, 0, 1, 6, 0, 255],
            quantity: Quantity::Maximum,
            occurred: Some(at("2026-10-09T17:15:00Z").as_second()),
            ..found("2026-11-01T00:00:00Z", 88, BillingSource::Billing)
        };
        let highest = |c: u8| Highest {
            meter: 1,
            profile: vec![1, 0, 99, 1, 0, 255],
            obis: vec![1, 0, c, 5, 0, 255],
            scaler: 0,
            unit: 27,
            value: 9,
            ts: jiff_sqlx::ToSqlx::to_sqlx(at("2026-10-08T12:00:00Z")),
            layout_id: 1,
        };
        let facts =
            Facts { closing: vec![maximum], highest: vec![highest(1), highest(3)], ..Facts::default() };
        let told: Vec<_> = demands(&facts, limits().1).unwrap();
        let told: Vec<_> =
            told.iter().map(|one| (one.obis.as_str(), one.source(), one.at.unwrap().seconds)).collect();
        let expected = [
            ("1.0.1.6.0.255", BillingSource::Billing, at("2026-10-09T17:15:00Z").as_second()),
            ("1.0.3.5.0.255", BillingSource::LoadProfile, at("2026-10-08T12:00:00Z").as_second()),
        ];
        assert_eq!(told, expected);
    }
}
