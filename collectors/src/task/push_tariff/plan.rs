//! From what a meter holds to the next thing to do about it. Pure: whoever is cut off reads the meter again and asks again.

use std::fmt;

use dlms::cosem::{Difference, activity_calendar::Calendar, special_days::SpecialDay};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil, tz::TimeZone};
use models::Quirks;

use crate::{Activation, Failure, HeldTariff, Outcome, PushTariff, Reason, time};

/// A time of activation so long ago does not come any more, whatever the meter's clock shows.
const PAST: SignedDuration = SignedDuration::from_hours(24);

/// What a meter holds and what is wanted of it.
pub(super) struct Plan<'a> {
    pub(super) held: &'a HeldTariff,
    pub(super) push: &'a PushTariff,
    /// Whether the model has a table for special days.
    pub(super) has_special_days: bool,
    /// The zone of the meter's clock.
    pub(super) zone: &'a TimeZone,
    /// How the meter means deviations.
    pub(super) quirks: &'a Quirks,
    pub(super) now: Timestamp,
}

/// What follows from what a meter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Something has to be done.
    Step(Step),
    /// It is as ordered.
    Done(Outcome),
}

/// A thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Take back an earlier time of activation: it must not come while the passive calendar is half.
    Disarm,
    /// Write an attribute of the passive calendar.
    Write(Part),
    /// Write the special days.
    SpecialDays,
    /// Make the passive calendar the active one.
    Activate,
    /// Let the meter do that at a time.
    Schedule(Timestamp),
}

/// The attributes of a calendar, what is referred to before what refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Days,
    Weeks,
    Seasons,
    Name,
}

impl Part {
    const ALL: [Self; 4] = [Self::Days, Self::Weeks, Self::Seasons, Self::Name];

    /// Its place among the attributes of a side.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Name => 0,
            Self::Seasons => 1,
            Self::Weeks => 2,
            Self::Days => 3,
        }
    }

    /// A calendar of this part alone.
    fn of(self, calendar: &Calendar) -> Calendar {
        let Calendar { name, seasons, weeks, days } = calendar.clone();
        let nothing = Calendar::default();
        match self {
            Self::Name => Calendar { name, ..nothing },
            Self::Seasons => Calendar { seasons, ..nothing },
            Self::Weeks => Calendar { weeks, ..nothing },
            Self::Days => Calendar { days, ..nothing },
        }
    }
}

/// When the meter makes its passive calendar the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    Never,
    At(Timestamp),
    /// At a date with unspecified parts.
    Recurring,
}

impl Plan<'_> {
    /// What to do next.
    ///
    /// The active calendar changes by nothing but its activation, and that comes only when the passive one, read back, is the wanted one. The
    /// special days have no passive side. They are written last before that, and for an activation at a time only when they change nothing
    /// until then.
    pub(super) fn next(&self) -> Result<Next, Failure> {
        let special_days_differ = !self.special_days().is_empty();
        let at = self.activation_instant()?;
        if is_same(&self.held.active, &self.push.calendar) {
            if !special_days_differ {
                return Ok(Next::Done(Outcome::TariffActive));
            }
            self.special_days_may_change()?;
            return Ok(Next::Step(Step::SpecialDays));
        }
        if at.is_some_and(|at| at <= self.now) {
            return Err(self.too_late());
        }
        if special_days_differ {
            self.special_days_may_change()?;
        }
        let part = Part::ALL
            .into_iter()
            .find(|part| !is_same(&part.of(&self.held.passive), &part.of(&self.push.calendar)));
        let armed = self.armed();
        if (part.is_some() || at.is_none()) && !self.is_dormant(armed) {
            return Ok(Next::Step(Step::Disarm));
        }
        Ok(Next::Step(match (part, at) {
            (Some(part), _) => Step::Write(part),
            (None, _) if special_days_differ => Step::SpecialDays,
            (None, None) => Step::Activate,
            (None, Some(at)) if armed == Armed::At(at) => return Ok(Next::Done(Outcome::TariffScheduled)),
            (None, Some(at)) => Step::Schedule(at),
        }))
    }

    /// How the active calendar differs from the wanted one.
    pub(super) fn active(&self) -> Vec<Difference> {
        Difference::of_calendars(&self.held.active, &self.push.calendar)
    }

    /// How the passive calendar differs from the wanted one.
    pub(super) fn passive(&self) -> Vec<Difference> {
        Difference::of_calendars(&self.held.passive, &self.push.calendar)
    }

    /// How the special days differ from the wanted ones.
    pub(super) fn special_days(&self) -> Vec<Difference> {
        if !self.has_special_days {
            return Vec::new();
        }
        Difference::of_special_days(&self.held.special_days, &self.push.special_days)
    }

    fn activation_instant(&self) -> Result<Option<Timestamp>, Failure> {
        let Activation::At(local) = self.push.activation else { return Ok(None) };
        let wrong = |_| {
            Failure::new(Reason::Unsupported, format!("{local} is no time that the meter's clock can show."))
        };
        local.to_zoned(self.zone.clone()).map(|zoned| Some(zoned.timestamp())).map_err(wrong)
    }

    fn armed(&self) -> Armed {
        let time = self.held.activation_time;
        let parts = time.parts();
        if parts.year.is_none() && parts.month == 0xFF && parts.day == 0xFF {
            return Armed::Never;
        }
        time::instant(&time, self.zone, self.quirks).map_or(Armed::Recurring, Armed::At)
    }

    fn is_dormant(&self, armed: Armed) -> bool {
        match armed {
            Armed::Never => true,
            Armed::At(at) => self.now.duration_since(at) > PAST,
            Armed::Recurring => false,
        }
    }

    fn too_late(&self) -> Failure {
        let waits = if self.passive().is_empty() {
            "The tariff is in the meter and not in force"
        } else {
            "The tariff is not in the meter"
        };
        let detail = format!(
            "{waits}, and its time of activation has passed; order it again with a later time, or `now`."
        );
        Failure::new(Reason::DeadlinePassed, detail)
    }

    /// Special days rule as soon as they are written: until the activation they must say what those before them said.
    fn special_days_may_change(&self) -> Result<(), Failure> {
        let Activation::At(until) = self.push.activation else { return Ok(()) };
        let today = self.now.to_zoned(self.zone.clone()).date();
        // A day in the middle of which the tariff comes into force belongs to both.
        let days = today.series(1.day()).take_while(|day| day.at(0, 0, 0, 0) < until);
        for day in days {
            let [before, after] =
                [&self.held.special_days, &self.push.special_days].map(|days| day_of(days, day));
            if before != after {
                let detail = format!(
                    "The special days of {day} would change before the tariff comes into force at {until}, and the meter \
                     cannot hold two tables; order the tariff after that day, or leave the day as it is."
                );
                return Err(Failure::new(Reason::Unsupported, detail));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disarm => "take back the time of activation",
            Self::Write(Part::Days) => "write the days of the passive calendar",
            Self::Write(Part::Weeks) => "write the weeks of the passive calendar",
            Self::Write(Part::Seasons) => "write the seasons of the passive calendar",
            Self::Write(Part::Name) => "write the name of the passive calendar",
            Self::SpecialDays => "write the special days",
            Self::Activate => "activate the passive calendar",
            Self::Schedule(_) => "write the time of activation",
        })
    }
}

fn is_same(held: &Calendar, wanted: &Calendar) -> bool {
    Difference::of_calendars(held, wanted).is_empty()
}

/// The number of the day that a table names for a date, if it does: the first entry that fits.
fn day_of(days: &[SpecialDay], date: civil::Date) -> Option<u8> {
    let fits = |special: &&SpecialDay| {
        let [high, low, month, day, weekday] = special.date;
        let year = u16::from_be_bytes([high, low]);
        let last = date.days_in_month();
        let day_fits = match day {
            0xFF => true,
            0xFE => date.day() == last,
            0xFD => date.day() == last - 1,
            day => date.day().unsigned_abs() == day,
        };
        (year == u16::MAX || date.year().unsigned_abs() == year)
            && (month == 0xFF || date.month().unsigned_abs() == month)
            && day_fits
            && (matches!(weekday, 0 | 0xFF)
                || year != u16::MAX
                || date.weekday().to_monday_one_offset().unsigned_abs() == weekday)
    };
    days.iter().find(fits).map(|special| special.day)
}

#[cfg(test)]
mod tests {
    use dlms::DateTime;
    use dlms::cosem::Form;
    use dlms::cosem::activity_calendar::{Action, Day, Forms, Season, Week};
    use proptest::prelude::*;

    use super::*;
    use crate::{Terms, time::meter_time};

    const NOW: &str = "2026-11-26T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn at(text: &str) -> civil::DateTime {
        text.parse().unwrap()
    }

    /// A calendar that is told apart by its name alone, or by one of its parts.
    fn calendar(name: &str, selector: u16) -> Calendar {
        let start = DateTime::new([0xFF, 0xFF, 1, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0]);
        let script = dlms::Obis::new([0, 0, 10, 0, 100, 255]);
        Calendar {
            name: name.as_bytes().to_vec(),
            seasons: vec![Season { name: b"S".to_vec(), start, week: name.as_bytes().to_vec() }],
            weeks: vec![Week { name: name.as_bytes().to_vec(), days: [1; 7] }],
            days: vec![Day { id: 1, actions: vec![Action { start: [0; 4], script, selector }] }],
        }
    }

    fn special(date: [u8; 5], day: u8) -> SpecialDay {
        SpecialDay { index: 1, date, day }
    }

    fn held(passive: Calendar, activation_time: DateTime) -> HeldTariff {
        HeldTariff {
            active: calendar("OLD", 1),
            passive,
            activation_time,
            special_days: Vec::new(),
            forms: Forms::default(),
            activation_form: Form::Octets,
            special_form: Form::Octets,
        }
    }

    fn push(activation: Activation, special_days: Vec<SpecialDay>) -> PushTariff {
        let terms = Terms { deadline: Timestamp::MAX, in_doubt: false };
        PushTariff { calendar: calendar("NEW", 2), special_days, activation, terms }
    }

    fn next(held: &HeldTariff, push: &PushTariff) -> Result<Next, Failure> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Plan { held, push, has_special_days: true, zone: &zone, quirks: &Quirks::default(), now: now() }
            .next()
    }

    /// What a meter makes of a step.
    fn apply(step: Step, held: &mut HeldTariff, push: &PushTariff) {
        let wanted = push.calendar.clone();
        match step {
            Step::Disarm => held.activation_time = HeldTariff::NEVER,
            Step::Write(Part::Name) => held.passive.name = wanted.name,
            Step::Write(Part::Seasons) => held.passive.seasons = wanted.seasons,
            Step::Write(Part::Weeks) => held.passive.weeks = wanted.weeks,
            Step::Write(Part::Days) => held.passive.days = wanted.days,
            Step::SpecialDays => held.special_days = push.special_days.clone(),
            Step::Activate => std::mem::swap(&mut held.active, &mut held.passive),
            Step::Schedule(at) => {
                let zone = TimeZone::get("Europe/Berlin").unwrap();
                held.activation_time = meter_time(at, &zone, &models::Quirks::default()).unwrap();
            }
        }
    }

    /// The steps from a state to the end.
    fn steps(held: &mut HeldTariff, push: &PushTariff) -> (Vec<Step>, Outcome) {
        let mut steps = Vec::new();
        for _ in 0..20 {
            match next(held, push).unwrap() {
                Next::Done(outcome) => return (steps, outcome),
                Next::Step(step) => {
                    apply(step, held, push);
                    steps.push(step);
                }
            }
        }
        panic!("no end: {steps:?}")
    }

    #[test]
    fn written_read_back_and_activated_in_this_order() {
        let mut held = held(Calendar::default(), HeldTariff::NEVER);
        let push = push(Activation::Now, vec![special([0xFF, 0xFF, 12, 25, 0xFF], 1)]);
        let (steps, outcome) = steps(&mut held, &push);
        let parts = Part::ALL.map(Step::Write);
        assert_eq!(steps, [&parts[..], &[Step::SpecialDays, Step::Activate]].concat());
        assert_eq!(outcome, Outcome::TariffActive);
        assert_eq!(next(&held, &push), Ok(Next::Done(Outcome::TariffActive)), "again costs nothing");
    }

    #[test]
    fn only_what_differs_is_written() {
        let mut passive = calendar("NEW", 2);
        passive.days = calendar("OLD", 1).days;
        let (steps, _) = steps(&mut held(passive, HeldTariff::NEVER), &push(Activation::Now, Vec::new()));
        assert_eq!(steps, [Step::Write(Part::Days), Step::Activate]);
    }

    #[test]
    fn an_earlier_time_of_activation_is_taken_back_before_the_passive_side_is_touched() {
        let tomorrow = DateTime::from_unix(now().as_second() + 86_400, Some(-60), 0);
        let every_january = DateTime::new([0xFF, 0xFF, 1, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0xFF]);
        for time in [tomorrow, every_january] {
            let (steps, _) = steps(&mut held(Calendar::default(), time), &push(Activation::Now, Vec::new()));
            assert_eq!(steps[0], Step::Disarm);
        }
        // One that would bring the old calendar back after the activation is taken back as well.
        let (steps, _) =
            self::steps(&mut held(calendar("NEW", 2), tomorrow), &push(Activation::Now, Vec::new()));
        assert_eq!(steps, [Step::Disarm, Step::Activate]);
        let long_ago = DateTime::from_unix(now().as_second() - 86_401, Some(-60), 0);
        let (steps, _) =
            self::steps(&mut held(calendar("NEW", 2), long_ago), &push(Activation::Now, Vec::new()));
        assert_eq!(steps, [Step::Activate]);
    }

    #[test]
    fn a_time_of_activation_is_read_back_in_the_zone_of_the_meter() {
        let mut held = held(Calendar::default(), HeldTariff::NEVER);
        let push = push(Activation::At(at("2027-07-01T00:00")), Vec::new());
        let (steps, outcome) = steps(&mut held, &push);
        assert_eq!(steps.last(), Some(&Step::Schedule("2027-06-30T22:00:00Z".parse().unwrap())));
        assert_eq!(outcome, Outcome::TariffScheduled);
        assert_eq!(held.activation_time.local_seconds(), Some(1_814_400_000));
        assert_eq!(held.active, calendar("OLD", 1));
        // Meters give it back without deviation, or with other parts that say nothing.
        let mut octets = held.activation_time.octets();
        octets[8..].copy_from_slice(&[0xFF, 0x80, 0, 0xFF]);
        held.activation_time = DateTime::new(octets);
        assert_eq!(next(&held, &push), Ok(Next::Done(Outcome::TariffScheduled)));
    }

    #[test]
    fn a_time_of_activation_that_has_passed_is_refused_unless_it_has_happened() {
        let push = push(Activation::At(at("2026-11-26T13:00")), Vec::new());
        let mut held = held(calendar("NEW", 2), HeldTariff::NEVER);
        let failure = next(&held, &push).unwrap_err();
        assert_eq!(failure.reason, Reason::DeadlinePassed);
        held.active = calendar("NEW", 2);
        assert_eq!(next(&held, &push), Ok(Next::Done(Outcome::TariffActive)));
    }

    #[test]
    fn special_days_may_not_change_before_the_tariff_comes_into_force() {
        let christmas = special([0xFF, 0xFF, 12, 25, 0xFF], 1);
        let may = special([0x07, 0xEB, 5, 1, 0xFF], 1);
        let empty = || held(Calendar::default(), HeldTariff::NEVER);
        let january = Activation::At(at("2027-01-01T00:00"));
        assert!(next(&empty(), &push(january, vec![may])).is_ok());
        let failure = next(&empty(), &push(january, vec![may, christmas])).unwrap_err();
        assert_eq!(failure.reason, Reason::Unsupported);
        assert!(failure.detail.contains("2026-12-25"), "{}", failure.detail);
        // On the day itself it is too early, on the day after not.
        assert!(next(&empty(), &push(Activation::At(at("2026-12-25T00:00")), vec![christmas])).is_ok());
        assert!(next(&empty(), &push(Activation::At(at("2026-12-25T00:01")), vec![christmas])).is_err());
        let mut same = empty();
        same.special_days = vec![christmas];
        assert!(next(&same, &push(january, vec![may, christmas])).is_ok());
    }

    #[test]
    fn dates_of_special_days() {
        let fits = |date, text: &str| day_of(&[special(date, 7)], text.parse().unwrap()) == Some(7);
        assert!(fits([0xFF, 0xFF, 12, 25, 0xFF], "2026-12-25"));
        assert!(!fits([0xFF, 0xFF, 12, 25, 0xFF], "2026-12-24"));
        assert!(fits([0x07, 0xEA, 12, 25, 0xFF], "2026-12-25"));
        assert!(!fits([0x07, 0xEB, 12, 25, 0xFF], "2026-12-25"));
        assert!(fits([0xFF, 0xFF, 2, 0xFE, 0xFF], "2028-02-29"));
        assert!(!fits([0xFF, 0xFF, 2, 0xFD, 0xFF], "2028-02-29"));
        // 2026-12-25 is a Friday.
        assert!(fits([0xFF, 0xFF, 12, 0xFF, 5], "2026-12-25"));
        assert!(!fits([0xFF, 0xFF, 12, 0xFF, 6], "2026-12-25"));
    }

    fn any_time() -> impl Strategy<Value = DateTime> {
        prop_oneof![
            Just(HeldTariff::NEVER),
            (-200_000..200_000_i64).prop_map(|s| DateTime::from_unix(now().as_second() + s, Some(-60), 0)),
            Just(DateTime::new([0xFF, 0xFF, 1, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0xFF])),
        ]
    }

    proptest! {
        /// Cut off anywhere, by anything the meter may hold: what rules is the old calendar or the new one, whole, and the end is the same.
        #[test]
        fn the_active_calendar_is_never_half(
            parts in any::<[bool; 4]>(), time in any_time(), cut in 0..8_usize, days in any::<bool>(), later in any::<bool>()
        ) {
            let (old, new) = (calendar("OLD", 1), calendar("NEW", 2));
            let pick = |new: bool| if new { calendar("NEW", 2) } else { calendar("MID", 3) };
            let passive = Calendar {
                name: pick(parts[0]).name,
                seasons: pick(parts[1]).seasons,
                weeks: pick(parts[2]).weeks,
                days: pick(parts[3]).days,
            };
            let days = if days { vec![special([0x07, 0xEB, 5, 1, 0xFF], 1)] } else { Vec::new() };
            let activation = if later { Activation::At(at("2027-03-01T00:00")) } else { Activation::Now };
            let push = push(activation, days);
            let mut held = held(passive, time);
            for _ in 0..cut {
                let Next::Step(step) = next(&held, &push).unwrap() else { break };
                if step == Step::Activate {
                    prop_assert_eq!(&held.passive, &new);
                    prop_assert_eq!(&held.special_days, &push.special_days);
                }
                let zone = TimeZone::UTC;
                let before = Plan { held: &held, push: &push, has_special_days: true, zone: &zone, quirks: &Quirks::default(), now: now() };
                if matches!(step, Step::Write(_)) {
                    prop_assert!(before.is_dormant(before.armed()), "what is half may not come into force by itself");
                }
                apply(step, &mut held, &push);
                prop_assert!(held.active == old || held.active == new);
            }
            let (_, outcome) = steps(&mut held, &push);
            prop_assert_eq!(outcome == Outcome::TariffActive, !later);
            prop_assert_eq!(if later { &held.passive } else { &held.active }, &new);
            prop_assert_eq!(&held.special_days, &push.special_days);
        }
    }
}
