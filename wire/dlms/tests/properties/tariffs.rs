//! Typed views come back as they were sent, and nothing breaks their decoders.

use dlms::DateTime;
use dlms::axdr::Data;
use dlms::cosem::activity_calendar::{Action, Calendar, Day, Forms, Season, Week};
use dlms::cosem::special_days::{self, SpecialDay};
use dlms::cosem::{Difference, Form};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::values::{data, obis};

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Octets), Just(Form::Typed)]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..12)
}

fn action() -> impl Strategy<Value = Action> {
    (any::<[u8; 4]>(), obis(), any::<u16>()).prop_map(|(start, script, selector)| Action {
        start,
        script,
        selector,
    })
}

fn calendar() -> impl Strategy<Value = Calendar> {
    let season = (name(), any::<[u8; 12]>(), name()).prop_map(|(name, start, week)| Season {
        name,
        start: DateTime::new(start),
        week,
    });
    let week = (name(), any::<[u8; 7]>()).prop_map(|(name, days)| Week { name, days });
    let day = (any::<u8>(), vec(action(), 0..5)).prop_map(|(id, actions)| Day { id, actions });
    (name(), vec(season, 0..5), vec(week, 0..5), vec(day, 0..5))
        .prop_map(|(name, seasons, weeks, days)| Calendar { name, seasons, weeks, days })
}

fn special_days() -> impl Strategy<Value = Vec<SpecialDay>> {
    let day = (any::<u16>(), any::<[u8; 5]>(), any::<u8>()).prop_map(|(index, date, day)| SpecialDay {
        index,
        date,
        day,
    });
    vec(day, 0..9)
}

/// As the meter sends it and as it arrives.
fn over_the_wire(data: &Data) -> Data {
    let mut octets = Vec::new();
    data.encode(&mut octets);
    Data::decode(&octets).unwrap()
}

proptest! {
    #[test]
    fn a_calendar_comes_back(calendar in calendar(), seasons in form(), days in form()) {
        let sent = calendar.encode(Forms { seasons, days });
        let (back, forms) = Calendar::decode(&sent.each_ref().map(over_the_wire), Form::Octets).unwrap();
        prop_assert_eq!(&back.encode(forms), &sent);
        prop_assert_eq!(Difference::of_calendars(&back, &calendar), []);
        prop_assert_eq!(back, calendar);
    }

    #[test]
    fn special_days_come_back(days in special_days(), form in form()) {
        let sent = special_days::encode(&days, form);
        let (back, found) = special_days::decode(&over_the_wire(&sent), Form::Octets).unwrap();
        prop_assert_eq!(special_days::encode(&back, found), sent);
        prop_assert_eq!(Difference::of_special_days(&back, &days), []);
        prop_assert_eq!(back, days);
    }

    #[test]
    fn another_order_means_the_same(mut calendar in calendar(), mut days in special_days()) {
        let mut turned = calendar.clone();
        for (id, (day, back)) in (0..).zip(calendar.days.iter_mut().zip(&mut turned.days)) {
            (day.id, back.id) = (id, id);
        }
        turned.days.reverse();
        turned.seasons.clear();
        calendar.seasons.clear();
        prop_assert_eq!(Difference::of_calendars(&turned, &calendar), []);
        for (day, special) in (1..).zip(&mut days) {
            special.date = [0xFF, 0xFF, 1, day, 0xFF];
        }
        let turned: Vec<_> = days.iter().rev().copied().collect();
        prop_assert_eq!(Difference::of_special_days(&turned, &days), []);
    }

    #[test]
    fn a_changed_rate_is_one_difference(mut calendar in calendar(), id in any::<u8>(), one in action()) {
        calendar.days = vec![Day { id, actions: vec![one] }];
        let mut changed = calendar.clone();
        changed.days[0].actions[0].selector = one.selector.wrapping_add(1);
        let differences = Difference::of_calendars(&changed, &calendar);
        prop_assert_eq!(differences.len(), 1);
        prop_assert_eq!(&differences[0].place, &format!("day {id}"));
    }

    #[test]
    fn no_value_breaks_a_view(values in [data(), data(), data(), data()]) {
        let _ = Calendar::decode(&values, Form::Octets);
        let _ = special_days::decode(&values[0], Form::Octets);
    }
}
