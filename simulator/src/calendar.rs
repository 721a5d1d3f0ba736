//! The tariff of a meter: activity calendar and special days table of the Blue Book (classes 20 and 11).

use std::sync::Arc;

use dlms::axdr::Data;
use dlms::cosem::Form;
use dlms::cosem::activity_calendar::{Action, Calendar, Day, Forms, Season, Side, Week};
use dlms::cosem::special_days::{self, SpecialDay};
use dlms::{ActionResult, DataAccessResult, DateTime};
use jiff::Timestamp;
use models::Tariff;

use crate::Event;

/// A date-time without any part.
const NOT_SPECIFIED: DateTime =
    DateTime::new([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0xFF]);
const ARRAY: Data = Data::Array(Vec::new());

/// Both calendars and the special days of one meter.
#[derive(Debug)]
pub(crate) struct Tariffs {
    /// Shared until it changes: most meters of a fleet have the calendar that they were made with.
    active: Arc<Calendar>,
    passive: Calendar,
    activation: DateTime,
    /// When the passive calendar becomes the active one.
    due: Option<Timestamp>,
    special_days: Vec<SpecialDay>,
    /// What is written is acknowledged and not kept.
    keeps_nothing: bool,
}

/// The calendar that meters are made with: rate 1, always.
pub(crate) fn first_calendar(model: &Tariff) -> Calendar {
    let start = DateTime::new([0xFF, 0xFF, 1, 1, 0xFF, 0, 0, 0, 0, 0x80, 0x00, 0xFF]);
    let action = Action { start: [0; 4], script: model.script_table, selector: 1 };
    Calendar {
        name: b"FIRST".to_vec(),
        seasons: vec![Season { name: b"S".to_vec(), start, week: b"W".to_vec() }],
        weeks: vec![Week { name: b"W".to_vec(), days: [1; 7] }],
        days: vec![Day { id: 1, actions: vec![action] }],
    }
}

impl Tariffs {
    /// With an empty passive calendar and no special days.
    pub(crate) fn new(active: Arc<Calendar>, keeps_nothing: bool) -> Self {
        Self {
            active,
            passive: Calendar::default(),
            activation: NOT_SPECIFIED,
            due: None,
            special_days: Vec::new(),
            keeps_nothing,
        }
    }

    /// The attributes of one side of the calendar.
    pub(crate) fn side(&self, side: Side, form: Form) -> [Data; 4] {
        let calendar = match side {
            Side::Active => &self.active,
            Side::Passive => &self.passive,
        };
        calendar.encode(Forms { seasons: form, days: form })
    }

    /// The calendar in force.
    pub(crate) fn active(&self) -> &Calendar {
        &self.active
    }

    pub(crate) fn activation(&self) -> DateTime {
        self.activation
    }

    pub(crate) fn special_days(&self, form: Form) -> Data {
        special_days::encode(&self.special_days, form)
    }

    /// Sets one of the four attributes of the passive side, counted from 0. Dates are taken in either form.
    pub(crate) fn set_passive(
        &mut self,
        index: usize,
        value: &Data,
        limits: &Tariff,
    ) -> Result<(), DataAccessResult> {
        let mut attributes = [Data::OctetString(Vec::new()), ARRAY, ARRAY, ARRAY];
        *attributes.get_mut(index).ok_or(DataAccessResult::ObjectUndefined)? = value.clone();
        let (written, _) =
            Calendar::decode(&attributes, limits.dates).map_err(|_| DataAccessResult::TypeUnmatched)?;
        if !fits(&written, limits) {
            return Err(DataAccessResult::OtherReason);
        }
        if self.keeps_nothing {
            return Ok(());
        }
        match index {
            0 => self.passive.name = written.name,
            1 => self.passive.seasons = written.seasons,
            2 => self.passive.weeks = written.weeks,
            _ => self.passive.days = written.days,
        }
        Ok(())
    }

    /// Sets the time of activation and the instant that it means; `None` when parts are not specified: it never comes.
    pub(crate) fn set_activation(&mut self, time: DateTime, due: Option<Timestamp>) {
        self.activation = time;
        self.due = due;
    }

    /// Method 1: the passive calendar becomes the active one, too. One that refers to weeks or days that it does not have,
    /// or has no season, is refused.
    pub(crate) fn activate(&mut self) -> Result<Event, ActionResult> {
        if !is_whole(&self.passive) {
            return Err(ActionResult::OtherReason);
        }
        self.active = Arc::new(self.passive.clone());
        Ok(Event::TariffActivated { name: String::from_utf8_lossy(&self.active.name).into_owned() })
    }

    /// Activates the passive calendar when its time has come; one that is refused is not tried again.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Option<(Timestamp, Event)> {
        let due = self.due.filter(|due| *due <= now)?;
        self.due = None;
        self.activate().ok().map(|event| (due, event))
    }

    /// Sets the whole table of special days.
    pub(crate) fn set_special_days(&mut self, value: &Data, limits: &Tariff) -> Result<(), DataAccessResult> {
        let days = special_days::decode(value, limits.dates).map_err(|_| DataAccessResult::TypeUnmatched)?.0;
        let mut numbers: Vec<u16> = days.iter().map(|day| day.index).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() < days.len() || days.len() > limits.special_days.into() {
            return Err(DataAccessResult::OtherReason);
        }
        if !self.keeps_nothing {
            self.special_days = days;
        }
        Ok(())
    }

    /// Method 1 of the table: an entry that replaces the one of its number.
    pub(crate) fn insert_special_day(&mut self, entry: &Data, limits: &Tariff) -> Result<(), ActionResult> {
        let list = Data::Array(vec![entry.clone()]);
        let (days, _) = special_days::decode(&list, limits.dates).map_err(|_| ActionResult::TypeUnmatched)?;
        if self.keeps_nothing {
            return Ok(());
        }
        for day in days {
            match self.special_days.iter().position(|known| known.index == day.index) {
                Some(at) => self.special_days[at] = day,
                None if self.special_days.len() < limits.special_days.into() => self.special_days.push(day),
                None => return Err(ActionResult::OtherReason),
            }
        }
        Ok(())
    }

    /// Method 2 of the table: the entry of a number goes.
    pub(crate) fn delete_special_day(&mut self, number: &Data) -> Result<(), ActionResult> {
        let Data::LongUnsigned(number) = number else { return Err(ActionResult::TypeUnmatched) };
        let before = self.special_days.len();
        self.special_days.retain(|day| day.index != *number);
        if self.special_days.len() < before { Ok(()) } else { Err(ActionResult::OtherReason) }
    }
}

/// Whether a calendar, or some of its attributes, has room in the meter.
fn fits(calendar: &Calendar, limits: &Tariff) -> bool {
    let short = |name: &[u8]| name.len() <= limits.name_octets.into();
    let known = |action: &Action| {
        action.script == limits.script_table && (1..=limits.rates).contains(&action.selector)
    };
    short(&calendar.name)
        && calendar.seasons.len() <= limits.seasons.into()
        && calendar.seasons.iter().all(|season| short(&season.name) && short(&season.week))
        && calendar.weeks.len() <= limits.weeks.into()
        && calendar.weeks.iter().all(|week| short(&week.name))
        && calendar.days.len() <= limits.day_types.into()
        && calendar.days.iter().all(|day| day.actions.len() <= limits.switches_per_day.into())
        && calendar.days.iter().flat_map(|day| &day.actions).all(known)
}

/// Whether there is a season, and every season has its week, and every week its days.
fn is_whole(calendar: &Calendar) -> bool {
    let has_week = |name: &[u8]| calendar.weeks.iter().any(|week| week.name == name);
    let has_day = |id: &u8| calendar.days.iter().any(|day| day.id == *id);
    !calendar.seasons.is_empty()
        && calendar.seasons.iter().all(|season| has_week(&season.week))
        && calendar.weeks.iter().flat_map(|week| &week.days).all(has_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Tariff {
        models::builtin().unwrap()["sed302"].tariff.clone().unwrap()
    }

    fn tariffs() -> Tariffs {
        Tariffs::new(Arc::new(first_calendar(&limits())), false)
    }

    /// A calendar that has more of everything than the first one.
    fn calendar() -> Calendar {
        let mut calendar = first_calendar(&limits());
        calendar.name = b"WINTER26".to_vec();
        let evening = Action { start: [18, 0, 0, 0], selector: 4, ..calendar.days[0].actions[0] };
        calendar.days[0].actions.push(evening);
        calendar
    }

    fn write(tariffs: &mut Tariffs, calendar: &Calendar) -> [Result<(), DataAccessResult>; 4] {
        let encoded = calendar.encode(Forms::default());
        [0, 1, 2, 3].map(|index| tariffs.set_passive(index, &encoded[index], &limits()))
    }

    #[test]
    fn what_is_written_waits_until_it_is_activated() {
        let mut tariffs = tariffs();
        assert_eq!(tariffs.activate(), Err(ActionResult::OtherReason), "an empty calendar has no season");
        assert_eq!(write(&mut tariffs, &calendar()), [Ok(()); 4]);
        assert_eq!(tariffs.active().name, b"FIRST");
        assert_eq!(tariffs.activate(), Ok(Event::TariffActivated { name: "WINTER26".to_owned() }));
        assert_eq!(*tariffs.active(), calendar());
        let sides = [Side::Active, Side::Passive].map(|side| tariffs.side(side, Form::Typed));
        assert_eq!(sides[0], sides[1]);
    }

    #[test]
    fn its_time_activates_it_once() {
        let mut tariffs = tariffs();
        assert_eq!(write(&mut tariffs, &calendar()), [Ok(()); 4]);
        let due = Timestamp::UNIX_EPOCH;
        tariffs.set_activation(NOT_SPECIFIED, Some(due));
        let before = Timestamp::from_second(-1).unwrap();
        assert_eq!(tariffs.settle(before), None);
        let later = Timestamp::from_second(60).unwrap();
        let activated = Event::TariffActivated { name: "WINTER26".to_owned() };
        assert_eq!(tariffs.settle(later), Some((due, activated)));
        assert_eq!(tariffs.settle(later), None);
    }

    #[test]
    fn a_calendar_beyond_the_model_is_refused_attribute_by_attribute() {
        let many = |change: fn(&mut Calendar)| {
            let mut calendar = calendar();
            change(&mut calendar);
            let refused = write(&mut tariffs(), &calendar).map(|result| result.is_err());
            refused.iter().position(|refused| *refused)
        };
        assert_eq!(many(|_| {}), None);
        assert_eq!(many(|calendar| calendar.name.push(b'7')), Some(0));
        assert_eq!(many(|calendar| calendar.seasons = vec![calendar.seasons[0].clone(); 5]), Some(1));
        assert_eq!(many(|calendar| calendar.seasons[0].week = b"nine char".to_vec()), Some(1));
        assert_eq!(many(|calendar| calendar.weeks = vec![calendar.weeks[0].clone(); 5]), Some(2));
        assert_eq!(many(|calendar| calendar.days = vec![calendar.days[0].clone(); 5]), Some(3));
        assert_eq!(many(|calendar| calendar.days[0].actions = vec![calendar.days[0].actions[0]; 9]), Some(3));
        assert_eq!(many(|calendar| calendar.days[0].actions[0].selector = 5), Some(3));
        assert_eq!(many(|calendar| calendar.days[0].actions[0].selector = 0), Some(3));
        let other = tariffs().set_passive(1, &Data::Unsigned(1), &limits());
        assert_eq!(other, Err(DataAccessResult::TypeUnmatched));
    }

    #[test]
    fn a_calendar_with_loose_ends_is_not_activated() {
        for change in [
            |calendar: &mut Calendar| calendar.seasons[0].week = b"V".to_vec(),
            |calendar: &mut Calendar| calendar.weeks[0].days[6] = 2,
            |calendar: &mut Calendar| calendar.seasons.clear(),
        ] {
            let (mut tariffs, mut calendar) = (tariffs(), calendar());
            change(&mut calendar);
            assert_eq!(write(&mut tariffs, &calendar), [Ok(()); 4]);
            assert_eq!(tariffs.activate(), Err(ActionResult::OtherReason));
            assert_eq!(tariffs.active().name, b"FIRST");
        }
    }

    #[test]
    fn special_days_are_set_inserted_and_deleted() {
        let mut tariffs = tariffs();
        let day = |index, month| SpecialDay { index, date: [0xFF, 0xFF, month, 1, 0xFF], day: 1 };
        let list = |days: &[SpecialDay]| special_days::encode(days, Form::Typed);
        let entry = |entry| match list(&[entry]) {
            Data::Array(mut entries) => entries.remove(0),
            other => panic!("{other:?}"),
        };
        let (set, octets) = (list(&[day(1, 1), day(2, 5)]), Form::Octets);
        tariffs.set_special_days(&set, &limits()).unwrap();
        tariffs.insert_special_day(&entry(day(2, 6)), &limits()).unwrap();
        tariffs.insert_special_day(&entry(day(3, 7)), &limits()).unwrap();
        tariffs.delete_special_day(&Data::LongUnsigned(1)).unwrap();
        let expected = special_days::encode(&[day(2, 6), day(3, 7)], octets);
        assert_eq!(tariffs.special_days(octets), expected);
        assert_eq!(tariffs.delete_special_day(&Data::LongUnsigned(1)), Err(ActionResult::OtherReason));
        let refused = Err(DataAccessResult::OtherReason);
        assert_eq!(tariffs.set_special_days(&list(&[day(1, 1), day(1, 2)]), &limits()), refused);
        let many: Vec<SpecialDay> = (0..21).map(|index| day(index, 1)).collect();
        assert_eq!(tariffs.set_special_days(&list(&many), &limits()), refused);
        tariffs.set_special_days(&list(&many[..20]), &limits()).unwrap();
        let one_more = tariffs.insert_special_day(&entry(many[20]), &limits());
        assert_eq!(one_more, Err(ActionResult::OtherReason));
    }
}
