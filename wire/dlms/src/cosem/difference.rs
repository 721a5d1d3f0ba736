use std::collections::BTreeMap;
use std::fmt;

use super::activity_calendar::{Action, Calendar};
use super::special_days::SpecialDay;

/// Not specified.
const ANY: u8 = 0xFF;

/// A place at which two tariffs say different things.
///
/// What meters do to a value without changing its meaning is no difference: entries in another order or under another number, names filled
/// up with zeros or spaces, a day of the week where the date is given, a part that is not specified instead of 0, hundredths, deviation
/// and clock status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about, such as `season winter`, `day 2` or `special day *-12-25`.
    pub place: String,
    /// What the meter says; `None` when it says nothing about it.
    pub held: Option<String>,
    /// What is wanted; `None` when nothing is.
    pub wanted: Option<String>,
}

impl Difference {
    /// The differences between two calendars: name, seasons, weeks, days, each by name or number. None when they mean the same.
    pub fn of_calendars(held: &Calendar, wanted: &Calendar) -> Vec<Self> {
        between(statements(held), statements(wanted))
    }

    /// The differences between two tables of special days, by date. None when they mean the same.
    pub fn of_special_days(held: &[SpecialDay], wanted: &[SpecialDay]) -> Vec<Self> {
        between(dates(held), dates(wanted))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, held, wanted } = self;
        match (held, wanted) {
            (Some(held), Some(wanted)) => write!(f, "{place}: the meter holds {held}, wanted is {wanted}"),
            (None, Some(wanted)) => write!(f, "{place}: the meter holds none, wanted is {wanted}"),
            (Some(held), None) => write!(f, "{place}: the meter holds {held}, none is wanted"),
            (None, None) => f.write_str(place),
        }
    }
}

/// What is said about each place. Places sort by kind, then by name or number.
type Statements = BTreeMap<(u8, Vec<u8>), Statement>;

struct Statement {
    place: String,
    says: String,
}

fn between(held: Statements, mut wanted: Statements) -> Vec<Difference> {
    let mut all: BTreeMap<_, _> = held.into_iter().map(|(key, held)| (key, (Some(held), None))).collect();
    while let Some((key, statement)) = wanted.pop_first() {
        all.entry(key).or_insert((None, None)).1 = Some(statement);
    }
    let differences = all.into_values().filter_map(|(held, wanted)| {
        let place = held.as_ref().or(wanted.as_ref())?.place.clone();
        let [held, wanted] = [held, wanted].map(|statement| statement.map(|statement| statement.says));
        (held != wanted).then_some(Difference { place, held, wanted })
    });
    differences.collect()
}

fn statements(calendar: &Calendar) -> Statements {
    let mut all = Statements::new();
    say(&mut all, (0, Vec::new()), "calendar name".into(), name(&calendar.name));
    for season in &calendar.seasons {
        let [y1, y2, month, day, day_of_week, hour, minute, second, ..] = season.start.octets();
        let date = date([y1, y2, month, day, day_of_week]);
        let time = time([hour, minute, second]);
        let says = format!("from {date} {time}, week {}", name(&season.week));
        say(&mut all, (1, trimmed(&season.name)), format!("season {}", name(&season.name)), says);
    }
    for week in &calendar.weeks {
        let says = week.days.map(|id| id.to_string()).join(" ");
        say(&mut all, (2, trimmed(&week.name)), format!("week {}", name(&week.name)), format!("days {says}"));
    }
    for day in &calendar.days {
        let mut actions = day.actions.clone();
        actions.sort_by_key(|action| (action.start.map(specified), action.script, action.selector));
        let says = actions.iter().map(action).collect::<Vec<_>>().join(", ");
        let says = if says.is_empty() { "no switch".into() } else { says };
        say(&mut all, (3, vec![day.id]), format!("day {}", day.id), says);
    }
    all
}

fn dates(days: &[SpecialDay]) -> Statements {
    let mut all = Statements::new();
    for special in days {
        let date = date(special.date);
        say(
            &mut all,
            (0, date.clone().into()),
            format!("special day {date}"),
            format!("day {}", special.day),
        );
    }
    all
}

/// Says something about a place; what is said about it twice stands there twice.
fn say(all: &mut Statements, key: (u8, Vec<u8>), place: String, says: String) {
    match all.get_mut(&key) {
        Some(before) => before.says = format!("{}; {says}", before.says),
        None => {
            all.insert(key, Statement { place, says });
        }
    }
}

fn action(action: &Action) -> String {
    let [hour, minute, second, _] = action.start;
    format!("{} script {} of {}", time([hour, minute, second]), action.selector, action.script)
}

fn time(parts: [u8; 3]) -> String {
    match parts.map(specified) {
        [hour, minute, 0] => format!("{hour:02}:{minute:02}"),
        [hour, minute, second] => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

/// A part that is not specified counts from 0.
const fn specified(part: u8) -> u8 {
    if part == ANY { 0 } else { part }
}

/// A date as year, month and day, with the day of the week where it is not implied.
fn date([year_high, year_low, month, day, day_of_week]: [u8; 5]) -> String {
    let year = match u16::from_be_bytes([year_high, year_low]) {
        u16::MAX => "*".to_owned(),
        year => format!("{year:04}"),
    };
    let month_text = match month {
        ANY => "*".into(),
        0xFE => "begin of summer time".into(),
        0xFD => "end of summer time".into(),
        month => format!("{month:02}"),
    };
    let day_text = match day {
        ANY => "*".into(),
        0xFE => "last".into(),
        0xFD => "second last".into(),
        day => format!("{day:02}"),
    };
    let is_implied = year != "*" && month <= 12 && day <= 31;
    match day_of_week {
        // Captured from a meter: 0 where the day of the week is not specified.
        0 | ANY => format!("{year}-{month_text}-{day_text}"),
        _ if is_implied => format!("{year}-{month_text}-{day_text}"),
        weekday => format!("{year}-{month_text}-{day_text} on day {weekday} of the week"),
    }
}

/// A name as text where it is one, else its octets.
fn name(octets: &[u8]) -> String {
    let octets = trimmed(octets);
    let is_text = octets.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ');
    if is_text && !octets.is_empty() && !octets.starts_with(b"0x") {
        return octets.iter().copied().map(char::from).collect();
    }
    octets.iter().fold("0x".to_owned(), |text, octet| text + &format!("{octet:02X}"))
}

/// A name without what some meters fill it up with.
fn trimmed(octets: &[u8]) -> Vec<u8> {
    let end = octets.iter().rposition(|octet| !matches!(octet, 0 | b' ')).map_or(0, |last| last + 1);
    octets[..end].to_vec()
}
